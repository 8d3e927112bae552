// Application properties as they lie in the database: what reads, writes back as the same bytes.
#include "emulator/core/base/error.hpp"
#include "storage/property_codec.hpp"
#include "tests/fuzz/support/target.hpp"

FUZZ_TARGET(stored_values) {
  if (const auto properties = storage::decode_properties(input)) {
    HUB_ASSERT(storage::encode_properties(*properties) == input);
  }
}
