// What the registry tells the departments, and what it has staged.
#include "emulator/core/registry/registry.hpp"
#include "tests/support/department.hpp"

#include <doctest/doctest.h>

using namespace hub;

namespace {

struct Listener final : DeviceListener {
  std::vector<std::string> heard;
  void device_closed(DeviceRecord& device, CloseReason reason, TimePoint) override {
    heard.push_back("closed " + device.identity.id.name() + ": " + std::string(to_text(reason)));
  }
  void device_deleted(const DeviceId& id, DeviceRecord* device, TimePoint) override {
    heard.push_back("deleted " + id.name() + (device == nullptr ? "" : " with its record"));
  }
  void describe(const DeviceRecord&, DeviceView& view) const override { view.connected = true; }
};

struct Fixture : test::Ground {
  Listener listener;
  Fixture() { registry.set_listeners({&listener}); }

  void use(const DeviceId& id) {
    const Turn turn(monitor);
    REQUIRE(registry.usable_record(id));
  }
  Result<DeviceView> disable(const std::string& device) {
    DeviceSpec spec;
    spec.id = {device};
    spec.status = DeviceStatus::disabled;
    return registry.update(spec, "*", now);
  }
};

}  // namespace

TEST_CASE("C2D-16 whoever keeps something of a device hears that it goes, its modules first") {
  Fixture t;
  t.create("d");
  t.create("d", "m");
  t.use({"d", "m"});
  REQUIRE(t.registry.remove({"d"}, "*", t.now));
  CHECK(t.listener.heard == std::vector<std::string>{"deleted d/m with its record", "deleted d"});
  const auto staged = t.staged<change::DeviceDeleted>();
  REQUIRE(staged.size() == 2);
  CHECK(staged[0].id == DeviceId{"d", "m"});
  CHECK(staged[1].id == DeviceId{"d"});
}

TEST_CASE("C2D-16 a refused removal tells nobody") {
  Fixture t;
  t.create("d");
  CHECK(t.registry.remove({"d"}, "AAAA", t.now).error().code == HubErrc::precondition_failed);
  CHECK(t.listener.heard.empty());
}

TEST_CASE("MOD-03 a disabled device closes with its modules, as far as they did something") {
  Fixture t;
  t.create("d");
  t.create("d", "m");
  t.create("d", "idle");
  t.use({"d"});
  t.use({"d", "m"});
  REQUIRE(t.disable("d"));
  CHECK(t.listener.heard == std::vector<std::string>{"closed d: the device was disabled",
                                                     "closed d/m: the device was disabled"});
  const Turn turn(t.monitor);
  CHECK(t.registry.usable_record({"d"}).error().code == HubErrc::device_not_found);
}

TEST_CASE("a view is completed by those who keep something of the device") {
  Fixture t;
  t.create("d");
  CHECK(!t.registry.get({"d"}, t.now)->connected);
  t.use({"d"});
  CHECK(t.registry.get({"d"}, t.now)->connected);
}
