// What the reference clients read: connection strings, tokens' texts, durations, property bags, and
// the answers of a hub that means them ill.
#include "clients/hub_client/connection_string.hpp"
#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/error_map.hpp"
#include "clients/hub_client/property_bag.hpp"
#include "clients/hub_client/sas_token.hpp"
#include "clients/hub_client/transports/mqtt_codec.hpp"
#include "emulator/core/base/error.hpp"
#include "tests/fuzz/support/input.hpp"
#include "tests/fuzz/support/target.hpp"

namespace {

using namespace fuzz;

void check_connection_string(std::string_view text) {
  const auto cs = iothub::ConnectionString::parse(text);
  HUB_ASSERT(!cs.host_name.empty());
  HUB_ASSERT(!cs.hub_name().empty() || cs.host_name.starts_with('.'));
  (void)cs.connect_host();
  if (!cs.shared_access_key.empty()) {
    (void)iothub::make_sas_token(cs, iothub::TimePoint{}, std::chrono::hours{1});
  }
}

void check_packets(std::string_view bytes) {
  std::string buffer(bytes);
  for (std::size_t before = buffer.size(); iothub::mqtt::take_packet(buffer);
       before = buffer.size()) {
    HUB_ASSERT(buffer.size() < before);
  }
}

void read(std::uint8_t kind, std::string_view text) {
  switch (kind % 8) {
    case 0:
      return check_connection_string(text);
    case 1:
      (void)iothub::ConnectionString::parse_device(text);
      return;
    case 2:
      (void)iothub::ConnectionString::parse_service(text);
      return;
    case 3:
      (void)iothub::parse_duration(text);
      (void)iothub::parse_time(text);
      return;
    case 4: {
      iothub::Message message;
      iothub::decode_property_bag(text, message);
      iothub::Message again;
      iothub::decode_property_bag(iothub::encode_property_bag(message), again);
      return;
    }
    case 5:
      return check_packets(text);
    case 6:
      (void)iothub::parse_feedback(text);
      return;
    default:
      (void)iothub::error_from_http(400, text.substr(0, 8), text, "fuzz").line();
      return;
  }
}

}  // namespace

FUZZ_TARGET(client_texts) {
  Input in(input);
  const auto kind = in.byte();
  try {
    read(kind, in.rest());
  } catch (const iothub::Error& error) {
    // The one exception of the library, and one line.
    HUB_ASSERT(!error.line().empty());
  }
}
