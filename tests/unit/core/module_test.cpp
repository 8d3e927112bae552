// Module identities: spec/https.md 3.2, spec/c2d.md 6.
#include "emulator/core/base/encoding.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

using namespace hub;
using namespace test;

namespace {

const DeviceId d{"d"};
const DeviceId m{"d", "m"};

DeviceSpec spec_of(DeviceId id) {
  DeviceSpec spec;
  spec.id = std::move(id);
  return spec;
}

std::string module_token(TestHub& t, std::string_view sr = "localhost/devices/d/modules/m",
                         std::string_view key = module_key) {
  return make_sas_token(sr, key, t.now + 1h);
}

Presence connect(TestHub& t, const DeviceId& id, Transport transport = Transport::mqtt) {
  return *t.hub.connections().connect(
      id, transport, [&t] { ++t.wakes; }, t.now);
}

bool is_connected(TestHub& t, const DeviceId& id) {
  return t.hub.registry().get(id, t.now)->connected;
}

// Whether a token lets its owner act as `id`.
bool opens(TestHub& t, const std::string& token, const DeviceId& id) {
  const auto principal = t.hub.access().authenticate_sas(token, t.now);
  return principal && t.hub.access().authorize_device(*principal, id, t.now).has_value();
}

}  // namespace

TEST_CASE("MOD-01 a module has an id below its device, keys, an etag and a generation of its own") {
  TestHub t;
  const auto device = t.create("d").identity;
  auto spec = spec_of(m);
  spec.managed_by = "somebody";
  const auto created = t.hub.registry().create(spec, t.now);
  REQUIRE(created);
  const DeviceIdentity& module = created->identity;
  CHECK(module.id == m);
  CHECK(module.managed_by == "somebody");
  CHECK(base64_decode(module.authentication.primary_key)->size() == 32);
  CHECK(module.authentication.primary_key != device.authentication.primary_key);
  CHECK(module.generation_id != device.generation_id);
  CHECK(module.etag != device.etag);
  CHECK(t.hub.registry().get(m, t.now)->identity.etag == module.etag);
  CHECK(t.hub.registry().get(d, t.now)->identity.etag == device.etag);

  t.create("e");
  CHECK(t.hub.registry().create(spec_of({"e", "m"}), t.now));  // the same id below another device
  CHECK(t.hub.registry().create(spec_of({"d", "M"}), t.now));  // case-sensitive
  CHECK(t.hub.registry().create(spec_of({"d", "$m:1"}), t.now));
}

TEST_CASE("MOD-01 what is wrong with a module has its own errors") {
  TestHub t;
  CHECK(t.hub.registry().create(spec_of(m), t.now).error().code == HubErrc::device_not_found);
  CHECK(t.hub.registry().get(m, t.now).error().code == HubErrc::device_not_found);
  CHECK(t.hub.registry().modules_of(d, t.now).error().code == HubErrc::device_not_found);
  t.create("d");
  CHECK(t.hub.registry().get(m, t.now).error().code == HubErrc::module_not_found);
  CHECK(t.hub.registry().update(spec_of(m), {}, t.now).error().code == HubErrc::module_not_found);
  CHECK(t.hub.registry().remove(m, {}, t.now).error().code == HubErrc::module_not_found);
  t.create_module("d", "m");
  CHECK(t.hub.registry().create(spec_of(m), t.now).error().code ==
        HubErrc::module_already_exists_on_device);
  for (const auto& bad : {std::string("a/b"), std::string("a b"), std::string(129, 'x')}) {
    CHECK(t.hub.registry().create(spec_of({"d", bad}), t.now).error().code ==
          HubErrc::argument_invalid);
  }
  auto spec = spec_of({"d", "long"});
  spec.managed_by = std::string(129, 'x');
  CHECK(t.hub.registry().create(spec, t.now).error().code == HubErrc::argument_invalid);
}

TEST_CASE("MOD-01 an id with a slash is never a module's") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  const DeviceId slashed{"d/m"};
  CHECK_FALSE(t.hub.registry().get(slashed, t.now));
  const auto module = t.hub.access().authenticate_sas(module_token(t), t.now);
  REQUIRE(module);
  CHECK_FALSE(t.hub.access().authorize_device(*module, slashed, t.now));
  CHECK_FALSE(t.hub.access().authenticate_sas(
      make_sas_token("localhost/devices/d%2Fm", module_key, t.now + 1h), t.now));
  CHECK_FALSE(t.hub.connections().connect(
      slashed, Transport::mqtt, [] {}, t.now));
}

TEST_CASE("MOD-01 modules are listed by device, in the order of their ids; devices without them") {
  TestHub t;
  for (const char* id : {"d", "d-2", "d!"}) t.create(id);
  for (const char* id : {"b", "a", "c"}) t.create_module("d", id);
  t.create_module("d-2", "z");
  std::vector<std::string> names;
  for (const auto& module : *t.hub.registry().modules_of(d, t.now))
    names.push_back(module.identity.id.name());
  CHECK(names == std::vector<std::string>{"d/a", "d/b", "d/c"});
  CHECK(t.hub.registry().modules_of({"d!"}, t.now)->empty());
  CHECK(t.hub.registry().list({}, 100, t.now).size() == 3);
  CHECK(t.hub.registry().statistics(t.now).total_device_count == 3);
}

TEST_CASE("MOD-02 a device has at most 50 modules") {
  TestHub t;
  t.create("d");
  t.create("e");
  for (int i = 0; i < 50; ++i) t.create_module("d", std::to_string(i));
  CHECK(t.hub.registry().create(spec_of(m), t.now).error().code ==
        HubErrc::too_many_modules_on_device);
  t.create_module("e", "m");
  REQUIRE(t.hub.registry().remove({"d", "7"}, {}, t.now));
  t.create_module("d", "m");
}

TEST_CASE("MOD-03 a module goes with its device, and is another one when it is made again") {
  TestHub t;
  t.create("d");
  t.create("e");
  const auto before = t.create_module("d", "m").identity;
  t.create_module("e", "m");
  const auto principal = t.hub.access().authenticate_sas(module_token(t), t.now);
  auto presence = connect(t, m);
  REQUIRE(t.hub.registry().remove(d, {}, t.now));
  CHECK(presence.closed() == CloseReason::device_deleted);
  CHECK_FALSE(t.hub.registry().get(m, t.now));
  CHECK(t.hub.registry().get({"e", "m"}, t.now));

  t.create("d");
  CHECK(t.hub.registry().modules_of(d, t.now)->empty());
  const auto after = t.create_module("d", "m").identity;
  CHECK(after.generation_id != before.generation_id);
  CHECK_FALSE(t.hub.access().authorize_device(*principal, m, t.now));  // of the former one
}

TEST_CASE("MOD-03 a disabled device's modules are refused and cut, an enabled one's come back") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  const auto principal = t.hub.access().authenticate_sas(module_token(t), t.now);
  auto presence = connect(t, m);
  auto spec = spec_of(d);
  spec.status = DeviceStatus::disabled;
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK(presence.closed() == CloseReason::device_disabled);
  CHECK_FALSE(t.hub.access().authenticate_sas(module_token(t), t.now));
  CHECK_FALSE(t.hub.access().authorize_device(*principal, m, t.now));
  CHECK_FALSE(t.hub.connections().connect(
      m, Transport::amqp, [] {}, t.now));
  CHECK(t.telemetry(m).error().code == HubErrc::device_not_found);
  CHECK(t.hub.registry().get(m, t.now));  // the back end still sees it
  spec.status = DeviceStatus::enabled;
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK(opens(t, module_token(t), m));
}

TEST_CASE("MOD-04 a module is updated and deleted by its own etag; what is not given stays") {
  TestHub t;
  const auto device = t.create("d").identity;
  auto spec = spec_of(m);
  spec.primary_key = module_key;
  spec.managed_by = "one";
  const auto module = t.hub.registry().create(spec, t.now)->identity;
  spec = spec_of(m);
  CHECK(t.hub.registry().update(spec, device.etag, t.now).error().code ==
        HubErrc::precondition_failed);
  auto updated = t.hub.registry().update(spec, module.etag, t.now);
  REQUIRE(updated);
  CHECK(updated->identity.managed_by == "one");
  CHECK(updated->identity.authentication == module.authentication);
  CHECK(updated->identity.etag != module.etag);
  spec.managed_by = "two";
  spec.status = DeviceStatus::disabled;  // modules have no status
  updated = t.hub.registry().update(spec, "*", t.now);
  REQUIRE(updated);
  CHECK(updated->identity.managed_by == "two");
  CHECK(updated->identity.status == DeviceStatus::enabled);
  CHECK(t.hub.registry().remove(m, module.etag, t.now).error().code ==
        HubErrc::precondition_failed);
  CHECK(t.hub.registry().remove(m, updated->identity.etag, t.now));
  CHECK(t.hub.registry().get(d, t.now)->identity.etag == device.etag);
}

TEST_CASE("MOD-05 a module's token opens that module, not its device, its sisters or others") {
  TestHub t;
  for (const char* id : {"d", "e"}) {
    t.create(id);
    t.create_module(id, "m");
    t.create_module(id, "n");
  }
  const auto principal = t.hub.access().authenticate_sas(module_token(t), t.now);
  REQUIRE(principal);
  CHECK(principal->kind == Principal::Kind::module);
  CHECK(principal->name == "d/m");
  CHECK(t.hub.access().authorize_device(*principal, m, t.now)->id == m);
  for (const DeviceId& other : {d, DeviceId{"d", "n"}, DeviceId{"e", "m"}, DeviceId{"e"}}) {
    CAPTURE(other.name());
    CHECK_FALSE(t.hub.access().authorize_device(*principal, other, t.now));
  }
  CHECK_FALSE(t.hub.access().authorize_service(*principal, Right::service_connect, {}, t.now));
  CHECK_FALSE(
      t.hub.access().authorize_service(*principal, Right::registry_read, m.resource(), t.now));
  CHECK(opens(t, module_token(t, "h/devices/d/modules/m/api-version=2016-11-14"), m));
  CHECK(opens(t, module_token(t, "h/devices/d/MODULES/m"), m));
  CHECK_FALSE(opens(t, module_token(t, "h/devices/d/modules/M"), m));
}

TEST_CASE("MOD-23 a module logs in with its device's key too, in a token for either of them") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  t.create_module("d", "n");
  const auto by = [&](std::string_view sr, std::string_view key, const DeviceId& id) {
    return opens(t, make_sas_token(sr, key, t.now + 1h), id);
  };
  CHECK(by("h/devices/d/modules/m", module_key, m));
  CHECK(by("h/devices/d/modules/m", device_key, m));
  CHECK(by("h/devices/d", device_key, d));
  CHECK(by("h/devices/d", device_key, m));
  // A token opens nothing beyond its sr, whoever signed it, and the module's key only the module.
  CHECK_FALSE(by("h/devices/d/modules/m", device_key, d));
  CHECK_FALSE(by("h/devices/d/modules/m", device_key, {"d", "n"}));
  CHECK_FALSE(by("h/devices/d/modules/m", module_key, d));
  CHECK_FALSE(by("h/devices/d", module_key, m));
  CHECK_FALSE(by("h/devices/d", module_key, d));
  const auto refused = t.hub.access().authenticate_sas(
      make_sas_token("h/devices/d/modules/m", well_known_key, t.now + 1h), t.now);
  CHECK(refused.error().detail.starts_with(
      "the signature fits neither key of module m of device d, nor one of its device"));
}

TEST_CASE("MOD-23 another device's key, name or certificate opens no module") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  DeviceSpec e = spec_of({"e"});
  e.primary_key = e.secondary_key = base64_encode("the key of e, of 32 bytes ------");
  REQUIRE(t.hub.registry().create(e, t.now));
  t.create_module("e", "m");
  CHECK_FALSE(opens(t, make_sas_token("h/devices/d/modules/m", e.primary_key, t.now + 1h), m));
  CHECK_FALSE(opens(t, make_sas_token("h/devices/e", e.primary_key, t.now + 1h), m));
  CHECK(opens(t, make_sas_token("h/devices/e", e.primary_key, t.now + 1h), {"e", "m"}));

  auto x = spec_of({"x"});
  x.primary_thumbprint = std::string(40, 'a');
  REQUIRE(t.hub.registry().create(x, t.now));
  t.create_module("x", "m");
  const auto by_certificate =
      t.hub.access().authenticate_certificate({"x"}, {std::string(40, 'a'), "", "x"}, t.now);
  CHECK_FALSE(t.hub.access().authorize_device(*by_certificate, {"x", "m"}, t.now));
  CHECK_FALSE(
      opens(t, make_sas_token("h/devices/x/modules/m", device_key, t.now + 1h), {"x", "m"}));
}

TEST_CASE("MOD-23 the device's key is good for a module for as long as it is for the device") {
  for (const char* sr : {"h/devices/d", "h/devices/d/modules/m"}) {
    CAPTURE(sr);
    TestHub t;
    t.create("d");
    t.create_module("d", "m");
    const auto token = make_sas_token(sr, device_key, t.now + 1h);
    const auto principal = t.hub.access().authenticate_sas(token, t.now);
    CHECK(t.hub.access().authorize_device(*principal, m, t.now));
    auto spec = spec_of(d);
    spec.authentication_type = AuthenticationType::certificate_authority;
    REQUIRE(t.hub.registry().update(spec, {}, t.now));
    CHECK(t.hub.access().authorize_device(*principal, m, t.now).error().detail ==
          "device d uses certificateAuthority since");
    CHECK_FALSE(opens(t, token, m));

    REQUIRE(t.hub.registry().remove(d, {}, t.now));
    t.create("d");
    t.create_module("d", "m");
    CHECK_FALSE(t.hub.access().authorize_device(*principal, m, t.now));  // both were made anew
    CHECK(opens(t, token, m));
    spec = spec_of(m);
    spec.authentication_type = AuthenticationType::certificate_authority;
    REQUIRE(t.hub.registry().update(spec, {}, t.now));
    CHECK_FALSE(opens(t, token, m));  // the module has its one method, too
  }
}

TEST_CASE(
    "MOD-23 neither disableDeviceSAS nor disableModuleSAS lets a device's key open a module") {
  for (const char* setting : {"disableModuleSAS", "disableDeviceSAS"}) {
    CAPTURE(setting);
    Settings settings;
    REQUIRE(settings.set(setting, "true"));
    TestHub t(settings);
    t.create("d");
    t.create_module("d", "m");
    CHECK_FALSE(opens(t, make_sas_token("h/devices/d", device_key, t.now + 1h), m));
    CHECK_FALSE(opens(t, make_sas_token("h/devices/d/modules/m", device_key, t.now + 1h), m));
  }
}

TEST_CASE("MOD-05 a policy with DeviceConnect stands for every module within its scope") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  const auto by = [&](std::string_view policy, std::string_view sr) {
    return opens(t, make_sas_token(sr, well_known_key, t.now + 1h, policy), m);
  };
  CHECK(by("device", "h"));
  CHECK(by("device", "h/devices/d"));
  CHECK(by("iothubowner", "h/devices/d/modules/m"));
  CHECK_FALSE(by("device", "h/devices/d/modules/n"));
  CHECK_FALSE(by("device", "h/devices/e"));
  CHECK_FALSE(by("service", "h"));
}

TEST_CASE("MOD-05 ids encoded once more inside sr are found, as C# writes them") {
  TestHub t;
  t.create("d=1");
  t.create_module("d=1", "m:1");
  CHECK(opens(t, module_token(t, "h/devices/d%3D1/modules/m%3A1"), {"d=1", "m:1"}));
}

TEST_CASE("MOD-06 a module by its certificate: thumbprint, or a CA and the common name D/M") {
  TestHub t;
  t.create("d");
  auto spec = spec_of(m);
  spec.authentication_type = AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(40, 'A');
  REQUIRE(t.hub.registry().create(spec, t.now));
  ClientCertificate certificate{std::string(40, 'a'), std::string(64, 'b'), "whatever"};
  const auto principal = t.hub.access().authenticate_certificate(m, certificate, t.now);
  REQUIRE(principal);
  CHECK(principal->kind == Principal::Kind::module);
  CHECK(t.hub.access().authorize_device(*principal, m, t.now));
  CHECK_FALSE(t.hub.access().authorize_device(*principal, d, t.now));
  CHECK_FALSE(t.hub.access().authenticate_certificate(d, certificate, t.now));
  CHECK_FALSE(
      t.hub.access().authenticate_sas(module_token(t), t.now));  // one method for each identity

  const DeviceId ca{"d", "by-ca"};
  spec = spec_of(ca);
  spec.authentication_type = AuthenticationType::certificate_authority;
  REQUIRE(t.hub.registry().create(spec, t.now));
  certificate = {std::string(40, 'a'), std::string(64, 'b'), "d/by-ca", true};
  CHECK(t.hub.access().authenticate_certificate(ca, certificate, t.now));
  for (const char* name : {"d", "by-ca", "d/m", "D/by-ca"}) {
    certificate.common_name = name;
    CHECK_FALSE(t.hub.access().authenticate_certificate(ca, certificate, t.now));
  }
  certificate = {std::string(40, 'a'), std::string(64, 'b'), "d/by-ca", false};
  CHECK_FALSE(t.hub.access().authenticate_certificate(ca, certificate, t.now));
}

TEST_CASE(
    "MOD-07 disableModuleSAS refuses the tokens of modules, disableDeviceSAS those of devices") {
  for (const bool modules : {true, false}) {
    Settings settings;
    REQUIRE(settings.set(modules ? "disableModuleSAS" : "disableDeviceSAS", "true"));
    TestHub t(settings);
    t.create("d");
    t.create_module("d", "m");
    CHECK(opens(t, module_token(t), m) == !modules);
    CHECK(opens(t, make_sas_token("h/devices/d", device_key, t.now + 1h), d) == modules);
    CHECK(opens(t, make_sas_token("h", well_known_key, t.now + 1h, "device"), m));
  }
}

TEST_CASE("MOD-08 a module has no queue: nothing is sent to it, received by it or purged") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  SendRequest request;
  request.device = m;
  CHECK(t.hub.c2d().send(SendRequest(request), t.now).error().code == HubErrc::module_not_found);
  REQUIRE(t.send("d"));
  CHECK(t.hub.c2d().receive_once({m}, 60s, t.now).error().code == HubErrc::module_not_found);
  CHECK(t.hub.c2d().purge(m, t.now).error().code == HubErrc::module_not_found);
  CHECK(t.hub.c2d().peek({m}).empty());
  CHECK(t.hub.registry().get(m, t.now)->c2d_message_count == 0);
  CHECK(t.depth("d") == 1);
}

TEST_CASE("MOD-09 a module's connection is its own: state, takeover and end") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  t.create_module("d", "n");
  auto device = connect(t, d);
  auto module = connect(t, m);
  auto sister = connect(t, {"d", "n"});
  CHECK_FALSE(device.closed());
  CHECK_FALSE(sister.closed());
  CHECK(t.hub.connections().connected_device_count(t.now) == 1);  // modules are not counted

  auto newer = connect(t, m);
  CHECK(module.closed() == CloseReason::taken_over);
  CHECK_FALSE(device.closed());
  CHECK_FALSE(sister.closed());
  CHECK(is_connected(t, m));
  device.close(t.now);
  CHECK_FALSE(is_connected(t, d));
  CHECK(is_connected(t, m));
  CHECK(t.hub.registry().get(m, t.now)->connection_state_updated_time == t.now);
  t.now += 5s;
  newer.close(t.now);
  CHECK_FALSE(is_connected(t, m));
  CHECK(t.hub.registry().get(m, t.now)->connection_state_updated_time == t.now);
  CHECK(t.hub.connections().connected_device_count(t.now) == 0);
}

TEST_CASE("MOD-09 deleting a module, or another way for it to log in, ends its connection only") {
  TestHub t;
  t.create("d");
  t.create_module("d", "m");
  t.create_module("d", "n");
  auto device = connect(t, d);
  auto module = connect(t, m);
  auto sister = connect(t, {"d", "n"});
  auto spec = spec_of(m);
  spec.secondary_key = std::string(device_key);
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK_FALSE(module.closed());  // a new key ends nothing
  spec.authentication_type = AuthenticationType::self_signed;
  spec.primary_thumbprint = std::string(40, 'a');
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK(module.closed() == CloseReason::authentication_changed);
  REQUIRE(t.hub.registry().remove({"d", "n"}, {}, t.now));
  CHECK(sister.closed() == CloseReason::device_deleted);
  CHECK_FALSE(device.closed());
  auto of_device = spec_of(d);
  of_device.authentication_type = AuthenticationType::certificate_authority;
  auto again = connect(t, m);
  REQUIRE(t.hub.registry().update(of_device, {}, t.now));
  CHECK(device.closed() == CloseReason::authentication_changed);
  CHECK_FALSE(again.closed());
}

TEST_CASE(
    "MOD-10 telemetry of a module bears both ids, its generation, and goes where the device's "
    "goes") {
  TestHub t;
  const auto device = t.create("d").identity;
  const auto module = t.create_module("d", "m").identity;
  auto presence = connect(t, m);
  t.now += 5s;
  REQUIRE(t.telemetry(d));
  REQUIRE(t.telemetry(m));
  CHECK(t.telemetry({"d", "n"}).error().code == HubErrc::module_not_found);
  for (std::uint32_t partition = 0; partition < t.hub.events().partition_count(); ++partition) {
    const auto events = t.hub.events().read(partition, 0, 10);
    if (events.empty()) continue;
    REQUIRE(events.size() == 2);
    CHECK(events[0]->origin->device.module.empty());
    CHECK(events[0]->origin->auth_generation_id == device.generation_id);
    CHECK(events[1]->origin->device.text == "d");
    CHECK(events[1]->origin->device.module == "m");
    CHECK(events[1]->origin->auth_generation_id == module.generation_id);
  }
  CHECK(t.hub.registry().get(m, t.now)->last_activity_time == t.now);
  CHECK(t.hub.registry().get(d, t.now)->last_activity_time != t.now);
}

TEST_CASE("MOD-10 iothub-connection-auth-method says whose word it was") {
  Principal principal;
  principal.kind = Principal::Kind::module;
  CHECK(auth_method_of(principal) ==
        R"({"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
  principal.by_certificate = true;
  CHECK(auth_method_of(principal) ==
        R"({"scope":"module","type":"x509","issuer":"iothub","acceptingIpFilterRule":null})");
  principal.kind = Principal::Kind::policy;
  CHECK(auth_method_of(principal).starts_with(R"({"scope":"hub","type":"sas")"));
}

TEST_CASE("MOD-19 an edge device comes with its system modules, other devices with none") {
  TestHub t({}, true);
  auto spec = spec_of(d);
  spec.iot_edge = true;
  REQUIRE(t.hub.registry().create(spec, t.now));
  t.create("e");
  MemoryStore store;
  store.apply(t.hub.monitor().take_changes().first);
  std::vector<std::string> names;
  for (const auto& identity : store.load().devices) names.push_back(identity.id.name());
  CHECK(names == std::vector<std::string>{"d", "d/$edgeAgent", "d/$edgeHub", "e"});
  CHECK(t.hub.registry().modules_of(d, t.now)->size() == 2);
  CHECK(t.hub.registry().modules_of({"e"}, t.now)->empty());
}

TEST_CASE("REG-12 an update makes or removes the system modules; the others stay") {
  TestHub t({}, true);
  t.create("d");
  t.create_module("d", "m");
  auto spec = spec_of(d);
  const auto names = [&] {
    std::string all;
    for (const auto& each : *t.hub.registry().modules_of(d, t.now))
      all += each.identity.id.module + " ";
    return all;
  };
  spec.iot_edge = true;
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK(names() == "$edgeAgent $edgeHub m ");
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK(names() == "$edgeAgent $edgeHub m ");
  REQUIRE(t.hub.registry().remove({"d", "$edgeHub"}, {}, t.now));
  const auto agent = t.hub.connections().connect(
      {"d", "$edgeAgent"}, Transport::mqtt, [] {}, t.now);
  spec.iot_edge = false;
  REQUIRE(t.hub.registry().update(spec, {}, t.now));
  CHECK(names() == "m ");
  CHECK(agent->closed() == CloseReason::device_deleted);
  MemoryStore store;
  store.apply(t.hub.monitor().take_changes().first);
  CHECK(store.load().devices.size() == 2);

  // No room for both: nothing is changed.
  for (int i = 0; i < 48; ++i) t.create_module("d", "m" + std::to_string(i));
  spec.iot_edge = true;
  CHECK(t.hub.registry().update(spec, {}, t.now).error().code ==
        HubErrc::too_many_modules_on_device);
  CHECK_FALSE(t.hub.registry().get(d, t.now)->identity.iot_edge);
}

TEST_CASE("MOD-11 a restart keeps modules and their MQTT sessions, and none that was deleted") {
  MemoryStore store;
  TestHub old({}, true);
  old.create("d");
  const auto module = old.create_module("d", "m").identity;
  old.create_module("d", "gone");
  old.create("e");
  old.create_module("e", "m");
  old.hub.connections().store_mqtt_session(d, {{{"#", 1, 1}}}, old.now);
  old.hub.connections().store_mqtt_session(m, {{{"$iothub/twin/res/#", 0, 0}}}, old.now);
  old.hub.connections().store_mqtt_session({"d", "gone"}, {{{"#", 1, 1}}}, old.now);
  REQUIRE(old.send("d"));
  REQUIRE(old.hub.registry().remove({"d", "gone"}, {}, old.now));
  REQUIRE(old.hub.registry().remove({"e"}, {}, old.now));

  store.apply(old.hub.monitor().take_changes().first);
  TestHub anew({}, true);
  anew.now = old.now;
  anew.hub.restore(store.load(), anew.now);
  CHECK(anew.hub.registry().modules_of(d, anew.now)->size() == 1);
  const auto kept = anew.hub.registry().get(m, anew.now);
  REQUIRE(kept);
  CHECK(kept->identity.etag == module.etag);
  CHECK(kept->identity.authentication == module.authentication);
  CHECK(kept->identity.generation_id == module.generation_id);
  CHECK(anew.hub.connections().mqtt_session(m) == MqttSessionState{{{"$iothub/twin/res/#", 0, 0}}});
  CHECK(anew.hub.connections().mqtt_session(d) == MqttSessionState{{{"#", 1, 1}}});
  CHECK_FALSE(anew.hub.connections().mqtt_session({"d", "gone"}));
  CHECK(anew.depth("d") == 1);
  anew.create("e");
  CHECK(anew.hub.registry().modules_of({"e"}, anew.now)->empty());
  CHECK(std::stoull(anew.create_module("d", "new").identity.generation_id) >
        std::stoull(module.generation_id));
}
