// CONNECT: who is it, and what did it leave here (spec/mqtt.md 2).
#include <algorithm>

#include "emulator/core/base/printable.hpp"
#include "protocols/mqtt/errors.hpp"
#include "protocols/mqtt/session.hpp"
#include "protocols/mqtt/topic.hpp"
#include "protocols/mqtt/username.hpp"

namespace mqtt {

namespace {

// M-18: 1.5 times what the client asks for, never above the cap; 0 asks for the cap.
hub::Duration keep_alive_timeout(std::uint16_t seconds, const hub::Limits& limits) {
  if (seconds == 0) return limits.keep_alive_max;
  const hub::Duration timeout = std::chrono::milliseconds{1500} * seconds;
  return std::min(timeout, limits.keep_alive_max);
}

std::string other_version(std::uint8_t level) {
  constexpr int bridge = 0x80 | protocol_level_3_1_1;  // mosquitto's bridges ask for it first
  const std::string came = "MQTT level " + std::to_string(level);
  if (level == bridge) {
    return came +
           ", a bridge's own form of 3.1.1; it comes again without, or set try_private false";
  }
  return came + (level == protocol_level_5 ? ", which is MQTT 5" : "") +
         "; the hub speaks 3.1.1, level 4: set the client's protocol version to that";
}

std::string bad_username(std::optional<std::string_view> username) {
  const std::string wanted =
      "the user name is not {host}/{device id}[/{module id}]/?api-version=…: ";
  if (!username) return wanted + "there is none";
  if (hub::holds_secret(*username)) {
    return wanted + "it is a connection string or a token, and a token is the password";
  }
  return wanted + "it is '" + std::string(hub::shown(*username)) + "'";
}

}  // namespace

void Session::on_connect(const Connect& packet, TimePoint now) {
  if (state_ == State::connected) {
    return violation("a second CONNECT; a client logs in once on a connection", now);
  }
  if (packet.level != protocol_level_3_1_1) {  // M-70
    return refuse(ConnectReturn::unacceptable_protocol_version, other_version(packet.level), packet,
                  now);
  }
  const auto username = packet.username && !hub::holds_secret(*packet.username)
                            ? parse_username(*packet.username, packet.client_id)
                            : std::nullopt;
  if (!username) {
    return refuse(ConnectReturn::not_authorized, bad_username(packet.username), packet, now);
  }
  const hub::DeviceId device{std::string(username->device_id), std::string(username->module_id)};
  if (packet.client_id != device.name()) {
    return refuse(ConnectReturn::not_authorized,
                  "the client id is not the device id, or device id/module id, of the user name, "
                  "which says '" +
                      std::string(hub::shown(device.name())) + "'",
                  packet, now);
  }

  const auto principal = authenticate(packet, device, now);
  if (!principal) {
    return refuse(connect_return_of(principal.error().code), principal.error().detail, packet, now);
  }
  const auto allowed = hub_.access().authorize_device(*principal, device, now);
  if (!allowed) {
    return refuse(connect_return_of(allowed.error().code), allowed.error().detail, packet, now);
  }
  // Only now, with the newcomer known to be who it says, the older connection goes (2.7).
  auto presence = hub_.connections().connect(device, hub::Transport::mqtt, waker_, now, &*allowed);
  if (!presence) {
    return refuse(connect_return_of(presence.error().code), presence.error().detail, packet, now);
  }

  state_ = State::connected;
  presence_ = std::move(*presence);
  certificate_.reset();
  device_ = device;
  if (!username->model_id.empty()) extras().model_id = username->model_id;
  auth_method_ = hub::auth_method_of(*principal);
  clean_session_ = packet.clean_session;
  last_input_ = now;
  input_timeout_ = keep_alive_timeout(packet.keep_alive_s, hub_.limits());
  if (principal->expires_at) {  // M-15, contract.md 6
    token_deadline_ = *principal->expires_at + hub_.settings().sas_clock_skew +
                      hub_.settings().token_expiry_grace;
  }
  if (packet.will) store_will(*packet.will);

  const bool session_present = resume_session(now);
  hub_.log().info("device connected over MQTT",
                  {{"device", device_.name()},
                   {"peer", peer_address_},
                   {"client", hub::shown(username->client_type)},
                   {"session present", session_present ? "true" : "false"}});
  encode(output_, Connack{session_present, ConnectReturn::accepted});
  update_receiver(now);
}

// The password says which: a token, or none and a client certificate (2.4).
hub::Result<hub::Principal> Session::authenticate(const Connect& packet,
                                                  const hub::DeviceId& device, TimePoint now) {
  if (packet.password && !packet.password->empty()) {
    return hub_.access().authenticate_sas(*packet.password, now);
  }
  if (certificate_) return hub_.access().authenticate_certificate(device, *certificate_, now);
  return hub::fail(hub::HubErrc::iot_hub_unauthorized_access,
                   "neither a token as the password nor a client certificate; a device with a key "
                   "sends SharedAccessSignature sr=…&sig=…&se=… as the password");
}

void Session::refuse(ConnectReturn code, std::string_view reason, const Connect& packet,
                     TimePoint now) {
  encode(output_, Connack{false, code});
  const std::string_view client_id = hub::shown(packet.client_id);
  const std::string text = "CONNACK " + std::to_string(static_cast<int>(code)) + " to client id '" +
                           std::string(client_id) + "': " + std::string(reason);
  violation(text, now);
}

// True if there was a session to go on with (M-16, M-17).
bool Session::resume_session(TimePoint now) {
  if (!clean_session_) {
    if (auto stored = hub_.connections().mqtt_session(device_)) {
      subscriptions_ = std::move(*stored);
      return true;
    }
  }
  // Nothing published in an earlier, clean session counts as sent before in this one.
  hub_.connections().remove_mqtt_session(device_, now, &presence_);
  return false;
}

void Session::store_will(const Will& will) {
  const PublishTopic topic = classify_publish(will.topic, device_);
  if (topic.kind != PublishKind::telemetry) {
    hub_.log().warn(
        "will ignored: its topic is not the device's own for telemetry, "
        "devices/{id}/[modules/{id}/]messages/events/",
        {{"device", device_.name()}, {"topic", hub::shown(will.topic)}});
    return;
  }
  extras().will = {std::string(topic.bag), std::string(will.payload), will.retain};
}

Session::Extras& Session::extras() {
  if (!extras_) extras_ = std::make_unique<Extras>();
  return *extras_;
}

}  // namespace mqtt
