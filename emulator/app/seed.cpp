#include "emulator/app/seed.hpp"

#include "emulator/app/json_text.hpp"
#include "emulator/core/encoding.hpp"

#include <boost/json.hpp>

#include <stdexcept>
#include <utility>

namespace app {
namespace {

namespace json = boost::json;

// One object of the file, whose keys are taken one by one; what is left over is unknown.
class Reader {
 public:
  Reader(const json::value& value, std::string place) : place_(std::move(place)) {
    const auto* object = value.if_object();
    if (object == nullptr) fail("is no object");
    left_ = *object;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error(place_ + ": " + what);
  }

  std::optional<json::value> take(std::string_view key) {
    const auto it = left_.find(key);
    if (it == left_.end()) return std::nullopt;
    json::value value = it->value();
    left_.erase(it);
    return value;
  }

  std::string text(std::string_view key) {
    const auto value = take(key);
    if (!value) return {};
    if (!value->is_string()) fail(std::string(key) + " is no text");
    return scalar_text(*value);
  }

  std::string required(std::string_view key) {
    auto value = text(key);
    if (value.empty()) fail(std::string(key) + " is missing");
    return value;
  }

  json::array list(std::string_view key) {
    const auto value = take(key);
    if (!value) return {};
    if (!value->is_array()) fail(std::string(key) + " is no array");
    return value->get_array();
  }

  void expect_end() const {
    if (!left_.empty()) fail("unknown key \"" + std::string(left_.begin()->key()) + "\"");
  }

 private:
  std::string place_;
  json::object left_;
};

hub::DeviceSpec device_from(Reader reader) {
  hub::DeviceSpec device;
  device.id = {reader.required("id"), reader.text("moduleId")};
  device.primary_key = reader.text("primaryKey");
  device.secondary_key = reader.text("secondaryKey");
  device.primary_thumbprint = reader.text("primaryThumbprint");
  device.secondary_thumbprint = reader.text("secondaryThumbprint");
  if (!device.id.is_module()) {  // which has no status
    if (const auto status = reader.text("status"); !status.empty()) {
      device.status = hub::parse_device_status(status);
      if (!device.status) reader.fail("status is enabled or disabled");
    }
    if (auto reason = reader.text("statusReason"); !reason.empty()) {
      device.status_reason = std::move(reason);
    }
  }
  const bool by_certificate =
      !device.primary_thumbprint.empty() || !device.secondary_thumbprint.empty();
  if (by_certificate && !(device.primary_key.empty() && device.secondary_key.empty())) {
    reader.fail("keys or thumbprints, not both");
  }
  device.authentication_type = by_certificate ? hub::AuthenticationType::self_signed
                                              : hub::AuthenticationType::sas;
  reader.expect_end();
  return device;
}

hub::SharedAccessPolicy policy_from(Reader reader) {
  constexpr std::array rights{std::pair{"RegistryRead", hub::Right::registry_read},
                              std::pair{"RegistryWrite", hub::Right::registry_write},
                              std::pair{"ServiceConnect", hub::Right::service_connect},
                              std::pair{"DeviceConnect", hub::Right::device_connect}};
  hub::SharedAccessPolicy policy;
  policy.name = reader.required("name");
  policy.primary_key = reader.required("primaryKey");
  policy.secondary_key = reader.text("secondaryKey");
  if (policy.secondary_key.empty()) policy.secondary_key = policy.primary_key;
  for (const auto& key : {policy.primary_key, policy.secondary_key}) {
    if (!hub::base64_decode(key)) reader.fail("a key is not base64");
  }
  for (const auto& item : reader.list("rights")) {
    bool known = false;
    for (const auto& [name, right] : rights) {
      if (!item.is_string() || item.get_string() != name) continue;
      policy.rights |= static_cast<hub::Rights>(right);
      known = true;
    }
    if (!known) {
      reader.fail("rights are RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect; not " +
                  json::serialize(item));
    }
  }
  if (policy.rights == 0) reader.fail("rights are missing");
  reader.expect_end();
  return policy;
}

bool is_as(const hub::DeviceIdentity& identity, const hub::DeviceSpec& spec) {
  const auto& authentication = identity.authentication;
  const auto same = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || hub::iequals(wanted, is);
  };
  const auto same_key = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || wanted == is;
  };
  return spec.status.value_or(identity.status) == identity.status &&
         spec.status_reason.value_or(identity.status_reason) == identity.status_reason &&
         spec.authentication_type.value_or(authentication.type) == authentication.type &&
         same_key(spec.primary_key, authentication.primary_key) &&
         same_key(spec.secondary_key, authentication.secondary_key) &&
         same(spec.primary_thumbprint, authentication.primary_thumbprint) &&
         same(spec.secondary_thumbprint, authentication.secondary_thumbprint);
}

}  // namespace

Seed load_seed(const std::string& path, const hub::Settings& settings) {
  Seed seed{.devices = {}, .policies = {}, .settings = settings};
  Reader reader(parse_json_file(path), path);
  std::size_t count = 0;
  for (const auto& item : reader.list("devices")) {
    seed.devices.push_back(
        device_from({item, path + ": devices[" + std::to_string(count++) + "]"}));
  }
  count = 0;
  for (const auto& item : reader.list("policies")) {
    seed.policies.push_back(
        policy_from({item, path + ": policies[" + std::to_string(count++) + "]"}));
  }
  if (const auto given = reader.take("settings")) {
    if (!given->is_object()) reader.fail("settings is no object");
    for (const auto& [name, value] : given->get_object()) {
      const auto set = seed.settings.set(name, scalar_text(value));
      if (!set) reader.fail("settings: " + set.error().detail);
    }
  }
  reader.expect_end();
  return seed;
}

void merge_policies(std::vector<hub::SharedAccessPolicy>& into,
                    const std::vector<hub::SharedAccessPolicy>& from) {
  for (const auto& policy : from) {
    std::erase_if(into, [&](const auto& old) { return old.name == policy.name; });
    into.push_back(policy);
  }
}

void seed_devices(hub::Hub& hub, const std::vector<hub::DeviceSpec>& devices, hub::TimePoint now) {
  for (const auto& spec : devices) {
    const auto existing = hub.get_device(spec.id, now);
    if (existing && is_as(existing->identity, spec)) continue;
    const auto put = existing ? hub.update_device(spec, std::nullopt, now) : hub.create_device(spec, now);
    if (!put) throw std::runtime_error(hub::described(spec.id) + ": " + put.error().detail);
  }
}

}  // namespace app
