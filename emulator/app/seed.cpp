#include "emulator/app/seed.hpp"

#include "emulator/app/json_text.hpp"
#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/spelling.hpp"

#include <boost/json.hpp>

#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

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
    known_.push_back(key);
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
    if (left_.empty()) return;
    const std::string_view key = left_.begin()->key();
    std::string hint = hub::did_you_mean(key, known_);
    if (hint.empty()) {
      for (const auto known : known_)
        hint.append(hint.empty() ? "; known are " : ", ").append(known);
    }
    fail("unknown key \"" + std::string(key) + "\"" + hint);
  }

 private:
  std::string place_;
  json::object left_;
  std::vector<std::string_view> known_;  // what was asked for
};

// The SDKs call it deviceId, the registry's table and we id.
std::string device_id_from(Reader& reader) {
  auto id = reader.text("id");
  auto by_sdk = reader.text("deviceId");
  if (!id.empty() && !by_sdk.empty())
    reader.fail("id and deviceId are the same thing: one of them");
  return id.empty() ? by_sdk : id;
}

hub::DeviceSpec device_from(Reader reader) {
  hub::DeviceSpec device;
  device.id = {device_id_from(reader), reader.text("moduleId")};
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
  device.authentication_type =
      by_certificate ? hub::AuthenticationType::self_signed : hub::AuthenticationType::sas;
  reader.expect_end();
  if (device.id.text.empty()) reader.fail("id is missing");
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

// Where each thing stands that may stand there once.
class Places {
 public:
  void note(const std::string& what, const std::string& file, const std::string& place) {
    const auto [it, is_new] = places_.emplace(what, place);
    if (!is_new)
      throw std::runtime_error(file + ": " + place + ": " + what + " is already " + it->second);
  }

 private:
  std::map<std::string, std::string> places_;
};

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

Seed load_seed(const std::string& text, const hub::Settings& settings) {
  const bool is_inline = is_json_object(text);
  const std::string file = is_inline ? "the JSON given" : text;
  Seed seed{.devices = {}, .policies = {}, .settings = settings};
  Reader reader(is_inline ? parse_json_text(text, file) : parse_json_file(text), file);
  Places places;
  for (const auto& item : reader.list("devices")) {
    const std::string place = "devices[" + std::to_string(seed.devices.size()) + "]";
    seed.devices.push_back(device_from({item, file + ": " + place}));
    places.note(hub::described(seed.devices.back().id), file, place);
  }
  for (const auto& item : reader.list("policies")) {
    const std::string place = "policies[" + std::to_string(seed.policies.size()) + "]";
    seed.policies.push_back(policy_from({item, file + ": " + place}));
    places.note("policy " + seed.policies.back().name, file, place);
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
    const auto existing = hub.registry().get(spec.id, now);
    if (existing && is_as(existing->identity, spec)) continue;
    const auto put = existing ? hub.registry().update(spec, std::nullopt, now)
                              : hub.registry().create(spec, now);
    if (!put) throw std::runtime_error(hub::described(spec.id) + ": " + put.error().detail);
  }
}

}  // namespace app
