// Who may connect, and for how long.
#include "tests/e2e/scenarios/scenario.hpp"

#include "clients/hub_client/sas_token.hpp"

namespace scenarios {
namespace {

using namespace iothub;

constexpr std::string_view kWrongKey = "d3Jvbmcta2V5LW9mLXRoZS1zY2VuYXJpb3MtMzItYnl0ZXM=";

void wrong_key(Bench& bench) {
  const auto identity = bench.make_device();
  auto options = bench.options(identity);
  options.connection.shared_access_key = kWrongKey;
  DeviceClient device{options};
  const auto refused =
      expect_error(ErrorKind::unauthorized, "a wrong key", [&] { device.open(true); });
  expect(!is_transient(refused.kind()), "no retry with a wrong key");

  auto service = bench.service_options();
  service.connection.shared_access_key = kWrongKey;
  ServiceClient back_end{service};
  expect_error(ErrorKind::unauthorized, "a policy's wrong key",
               [&] { back_end.send(identity.device_id, message_of("never", "sent")); });
  RegistryClient registry{service};
  expect_error(ErrorKind::unauthorized, "a policy's wrong key over HTTPS",
               [&] { registry.get(identity.device_id); });

  // The other key of the pair is right.
  options.connection.shared_access_key = identity.secondary_key;
  DeviceClient second{options};
  second.open(true);
}

void given_token(Bench& bench) {
  const auto identity = bench.make_device();
  auto options = bench.options(identity);
  const auto sign = [&](TimePoint expires_at) {
    return sign_sas_token(options.connection.host_name + "/devices/" + identity.device_id,
                          identity.primary_key, "", expires_at)
        .text;
  };
  const auto with_token = [&](const std::string& token) {
    auto given = options;
    given.connection.shared_access_key.clear();
    given.connection.shared_access_signature = token;
    return given;
  };
  DeviceClient device{with_token(sign(now() + std::chrono::hours{1}))};
  device.open(true);
  device.send_event({});
  device.close();
  DeviceClient late{with_token(sign(now() - std::chrono::hours{1}))};
  expect_error(ErrorKind::unauthorized, "a token that has expired", [&] { late.open(true); });
}

// Tokens of two seconds: telemetry and messages go on for longer than one lives, the connection is
// not lost, and neither is anything else.
void renewed_token(Bench& bench) {
  const auto identity = bench.make_device();
  auto options = bench.options(identity);
  options.token_ttl = Duration{2'000};
  DeviceClient device{options};
  std::string lost;
  device.on_connection([&](ConnectionEvent event, std::string_view cause) {
    if (event == ConnectionEvent::lost) lost = cause;
  });
  device.open(true);
  const auto telemetry_before = bench.telemetry_accepted();
  std::uint64_t telemetry = 0;
  const Deadline expired{Duration{3'000}};
  while (!expired.passed()) {
    const auto id = bench.new_message_id();
    bench.back_end().send(identity.device_id, message_of(id, "across renewals"));
    device.send_event({});
    ++telemetry;
    device.complete(bench.receive(device, id));
    device.wait(Duration{500});  // the renewal falls into a wait as often as not
  }
  device.send_event({});
  ++telemetry;
  bench.expect_depth(device, identity.device_id, 0);
  expect_equal(lost, "", "the cause of a connection lost");
  if (const auto after = bench.telemetry_accepted()) {
    expect_equal(std::to_string(*after - *telemetry_before), std::to_string(telemetry),
                 "telemetry counted by the hub");
  }
}

// The emulator closes the connection at once. The real hub takes its time, so there only a new
// connection is asked for.
void deleted_device(Bench& bench) {
  const auto identity = bench.make_device();
  DeviceClient device{bench.options(identity)};
  device.open(true);
  device.send_event({});
  bench.registry().remove(identity.device_id);
  const auto refused = expect_error(ErrorKind::not_found, "a message to a deleted device", [&] {
    bench.back_end().send(identity.device_id, message_of(bench.new_message_id(), "too late"));
  });
  expect(refused.hub_code().value_or(404001) == 404001, "the hub's number 404001");
  if (!bench.target().emulator()) device.close();
  const Deadline deadline{bench.limit()};
  expect_error(ErrorKind::unauthorized, "the connection of a deleted device", [&] {
    while (!deadline.passed()) {
      if (!bench.target().emulator()) {
        device.close();
        device.ensure_connected(bench.limit());
      }
      device.send_event({});
    }
  });
  expect_error(ErrorKind::not_found, "a deleted device in the registry",
               [&] { bench.registry().get(identity.device_id); });
}

void disabled_device(Bench& bench) {
  const auto identity = bench.make_device();
  {
    DeviceClient device{bench.options(identity)};
    device.open(true);
  }
  bench.registry().set_enabled(identity.device_id, false);
  DeviceClient refused{bench.options(identity)};
  expect_error(ErrorKind::unauthorized, "a disabled device", [&] { refused.open(true); });
  expect_error(ErrorKind::not_found, "a message to a disabled device", [&] {
    bench.back_end().send(identity.device_id, message_of(bench.new_message_id(), "not now"));
  });
  bench.registry().set_enabled(identity.device_id, true);
  DeviceClient device{bench.options(identity)};
  device.open(true);
  const auto id = bench.new_message_id();
  bench.back_end().send(identity.device_id, message_of(id, "again"));
  device.complete(bench.receive(device, id));
  bench.expect_depth(device, identity.device_id, 0);
}

}  // namespace

std::vector<Scenario> login_scenarios() {
  return {{"a wrong key is refused", wrong_key},
          {"a given token is good until it expires", given_token},
          {"a token is renewed and nothing is lost", renewed_token},
          {"a deleted device is refused, and so are messages to it (404001)", deleted_device},
          {"a disabled device is refused until it is enabled", disabled_device}};
}

}  // namespace scenarios
