// The core's texts: times and durations, ids, encodings, settings.
#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/ids.hpp"
#include "emulator/core/base/message.hpp"
#include "emulator/core/base/time.hpp"
#include "emulator/core/settings/limits.hpp"
#include "tests/fuzz/support/input.hpp"
#include "tests/fuzz/support/target.hpp"

namespace {

void check_times(std::string_view text) {
  if (const auto time = hub::parse_iso8601(text)) {
    const auto again = hub::parse_iso8601(hub::to_iso8601(*time));
    HUB_ASSERT(again == time);
  }
  if (const auto duration = hub::parse_iso8601_duration(text)) {
    HUB_ASSERT(hub::parse_iso8601_duration(hub::to_iso8601_duration(*duration)) == duration);
  }
}

void check_encodings(std::string_view bytes) {
  if (const auto decoded = hub::base64_decode(bytes)) {
    HUB_ASSERT(hub::base64_encode(*decoded).size() == bytes.size());
  }
  HUB_ASSERT(hub::base64_decode(hub::base64_encode(bytes)) == bytes);
  HUB_ASSERT(hub::percent_decode(hub::percent_encode(bytes)) == bytes);
  HUB_ASSERT(hub::is_valid_utf8(hub::percent_encode(bytes)));
  HUB_ASSERT(hub::percent_decode(bytes).size() <= bytes.size());
  (void)hub::is_valid_utf8(bytes);
}

void check_ids(std::string_view text) {
  if (hub::is_valid_device_id(text)) HUB_ASSERT(!text.empty() && text.size() <= 128);
  if (const auto token = hub::LockToken::from_text(text)) {
    HUB_ASSERT(hub::iequals(token->to_text(), text));
    const auto guid = token->to_net_guid();
    HUB_ASSERT(hub::LockToken::from_net_guid(
                   {reinterpret_cast<const char*>(guid.data()), guid.size()}) == token);
  }
  (void)hub::LockToken::from_net_guid(text);
  (void)hub::parse_ack(text);
}

}  // namespace

FUZZ_TARGET(core_texts) {
  fuzz::Input in(input);
  switch (in.byte() % 4) {
    case 0:
      return check_times(in.rest());
    case 1:
      return check_encodings(in.rest());
    case 2:
      return check_ids(in.rest());
    default: {
      hub::Settings settings;
      const auto name = in.text();
      (void)settings.set(name, in.rest());
    }
  }
}
