#include "tests/open_hub/devices.hpp"

#include "emulator/core/base/encoding.hpp"

namespace open_hub {

hub::DeviceId device_for(hub::Hub& hub, std::string_view name, hub::TimePoint now) {
  // What is no plain id, or would read as one of these, is spelled in hex or by its digest.
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  hub::DeviceId id{std::string(name)};
  if (name.empty() || name.size() > 128 || name.starts_with("hex-") ||
      name.find_first_not_of(plain) != std::string_view::npos) {
    id.text = "hex-" + hub::hex_encode(name);
    if (id.text.size() > 128) id.text = "hex-" + hub::hex_encode(hub::hmac_sha256(name, "name"));
  }
  hub::DeviceSpec spec;
  spec.id = id;
  spec.primary_key = key;
  (void)hub.registry().create(spec, now);  // or it is there
  return id;
}

}  // namespace open_hub
