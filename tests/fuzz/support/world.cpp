#include "tests/fuzz/support/world.hpp"

#include <algorithm>

namespace fuzz {

namespace {

// What a session may hold for a peer that does not read: its own bound, what one read can add to
// it, and room to spare. Net has the same bound in ConnectionLimits (N-01).
constexpr protocols::ShellLimits shell_limits;
constexpr std::size_t output_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t read_bytes_max = 64 * 1024;  // of one on_bytes, as in net
constexpr std::size_t output_kept = 1024 * 1024;
constexpr int rounds_max = 1000;  // then a session is spinning

constexpr std::string_view policy_key = "aW90aHViLWVtdWxhdG9yL3dlbGwta25vd24vb3duZXI=";
constexpr std::string_view device_key = "ZGV2aWNlLWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM=";

// Not string_view::find: libFuzzer watches comparisons and would learn what is looked for, after
// which the peer knows the secret.
#ifdef __clang__
__attribute__((no_sanitize("coverage")))
#endif
bool contains(std::string_view text, std::string_view secret) {
  const char* const t = text.data();
  const char* const s = secret.data();
  for (std::size_t at = 0; at + secret.size() <= text.size(); ++at) {
    std::size_t same = 0;
    while (same < secret.size() && t[at + same] == s[same]) ++same;
    if (same == secret.size()) return true;
  }
  return false;
}

hub::DeviceId id_of(std::string_view name) { return {std::string(name)}; }

}  // namespace

void SecretlessLog::write(hub::LogLevel, std::string_view event,
                          std::initializer_list<hub::LogField> fields) {
  const auto check = [](std::string_view text) {
    HUB_ASSERT(!contains(text, device_key));
    HUB_ASSERT(!contains(text, policy_key));
    HUB_ASSERT(!contains(text, World::attacker_token()));
    HUB_ASSERT(!contains(text, World::owner_token()));
  };
  check(event);
  // At `debug` a message is shown as it was sent, whatever its sender has put into it.
  const auto is_sent = [](std::string_view key) {
    return key == "id" || key == "properties" || key == "body";
  };
  for (const auto& [key, value] : fields) {
    if (!is_sent(key)) check(value);
  }
}

World::World(hub::Settings settings)
    : hub({"localhost", hub::default_policies(policy_key), settings, {}}, ids, log, now) {
  create(attacker);
  create(victim);
  HUB_ASSERT(send(victim, victim_secret, 47h));
  victim_before_ = *hub.registry().get(id_of(victim), now);
}

void World::create(std::string_view id) {
  hub::DeviceSpec spec;
  spec.id = id_of(id);
  spec.primary_key = device_key;
  (void)hub.registry().create(spec, now);  // it may be there
}

bool World::send(std::string_view device, std::string_view body, hub::Duration ttl) {
  hub::SendRequest request;
  request.device = id_of(device);
  request.ack = hub::Ack::full;
  request.content.body = body;
  request.content.absolute_expiry = now + ttl;
  return hub.c2d().send(std::move(request), now).has_value();
}

const std::string& World::attacker_token() {
  static const std::string token = hub::make_sas_token("localhost/devices/dev1", device_key,
                                                       hub::from_unix_seconds(1'800'003'600));
  return token;
}

const std::string& World::owner_token() {
  static const std::string token = hub::make_sas_token(
      "localhost", policy_key, hub::from_unix_seconds(1'800'003'600), "iothubowner");
  return token;
}

void World::event(Input& input) {
  hub::DeviceSpec spec;
  spec.id = id_of(attacker);
  switch (input.byte() % 8) {
    case 0:
      advance(std::chrono::milliseconds{1 << (input.byte() % 23)});  // up to 70 minutes
      return;
    case 1:
      (void)hub.c2d().purge(spec.id, now);
      return;
    case 2:
      spec.status = input.flag() ? hub::DeviceStatus::disabled : hub::DeviceStatus::enabled;
      (void)hub.registry().update(spec, std::nullopt, now);
      return;
    case 3:
      (void)hub.registry().remove(spec.id, std::nullopt, now);
      if (input.flag()) create(attacker);
      return;
    case 4: {  // somebody else receives the device's messages
      const auto delivery = hub.c2d().receive_once({spec.id}, 10s, now);
      if (delivery && *delivery && input.flag()) {
        (void)hub.c2d().complete(hub::QueueId{spec.id}, (*delivery)->lock_token, now);
      }
      return;
    }
    default: {
      hub::SendRequest request;
      request.device = spec.id;
      request.ack = hub::Ack::full;
      request.ack_given = input.flag();
      request.content.to = "/devices/dev1/messages/devicebound";
      request.content.body = input.text();
      request.content.message_id = hub::MessageId::of("m");
      request.content.properties = {{std::string(input.text()), std::string(input.text())}};
      (void)hub.c2d().send(std::move(request), now);
    }
  }
}

void World::check_victim() {
  const auto after = hub.registry().get(id_of(victim), now);
  HUB_ASSERT(after);
  HUB_ASSERT(after->identity.etag == victim_before_.identity.etag);
  HUB_ASSERT(after->identity.generation_id == victim_before_.identity.generation_id);
  HUB_ASSERT(!after->connected);
  HUB_ASSERT(!after->connection_state_updated_time && !after->last_activity_time);
  HUB_ASSERT(!hub.connections().mqtt_session(id_of(victim)));
  if (now < hub::from_unix_seconds(1'800'000'000) + 47h) {
    const auto queue = hub.c2d().peek({id_of(victim)});
    HUB_ASSERT(queue.size() == 1);
    HUB_ASSERT(queue[0].delivery_count == 0 && !queue[0].locked);
  }
  for (std::uint32_t partition = 0; partition < hub.events().partition_count(); ++partition) {
    for (const auto& event : hub.events().read(partition, 0, 10'000)) {
      HUB_ASSERT(event->origin->device.text == attacker);
    }
  }
}

void World::check_not_shown(std::string_view output) {
  HUB_ASSERT(!contains(output, victim_secret));
}

Runner::Runner(World& world, const MakeSession& make, bool guard_victim)
    : world_(world), guard_victim_(guard_victim) {
  protocols::PeerInfo peer;
  peer.address = "192.0.2.1:4";
  peer.encrypted = true;
  auto session = make(
      world.hub, std::move(peer), [wakes = wakes_] { ++*wakes; }, world.now);
  session_ = session.get();
  shell_.emplace(std::move(session), nullptr, shell_limits);
}

Runner::~Runner() {
  peer_closed();
  if (!guard_victim_) return;
  shell_.reset();
  world_.check_victim();
}

void Runner::bytes(std::string_view bytes) {
  held_ += bytes;
  std::size_t taken = 0;
  while (taken < held_.size() && !closed_ && shell_->takes_input()) {
    const auto piece = std::string_view(held_).substr(taken, read_bytes_max);
    taken += piece.size();
    shell_->on_bytes(piece, world_.now);
    settle();
  }
  held_.erase(0, taken);
  if (closed_) held_.clear();
  HUB_ASSERT(held_.size() < output_bytes_max * 16);
}

void Runner::settle() {
  for (int round = 0;; ++round) {
    HUB_ASSERT(round < rounds_max);
    shell_->end_turn(world_.now);
    drain();
    if (std::exchange(*wakes_, 0) > 0) {
      shell_->on_wake(world_.now);
    } else if (const auto due = shell_->next_deadline(); due && *due <= world_.now) {
      shell_->on_time(world_.now);
    } else {
      break;
    }
  }
  check();
}

void Runner::drain() {
  const auto out = shell_->output();
  HUB_ASSERT(out.size() <= output_bytes_max);
  if (closed_) HUB_ASSERT(out.empty());  // what is said after the last word
  if (guard_victim_) World::check_not_shown(out);
  if (!reading_ && !session_->wants_close()) return;
  output_ += out;
  // In two bites, since a socket need not take all of it.
  const std::size_t half = out.size() / 2, rest = out.size() - half;
  shell_->consume(half);
  shell_->consume(rest);
  if (output_.size() > output_kept) output_.erase(0, output_.size() - output_kept / 2);
  if (session_->wants_close() && session_->output().empty()) closed_ = true;
}

void Runner::check() {
  HUB_ASSERT(!closed_ || session_->wants_close());  // there is no way back
  HUB_ASSERT(!closed_ || session_->output().empty());
}

void Runner::peer_closed() {
  session_->on_peer_closed(world_.now);
  HUB_ASSERT(session_->output().empty());
  HUB_ASSERT(session_->wants_close());
  closed_ = true;
  // Late calls must do nothing.
  session_->on_wake(world_.now);
  session_->on_time(world_.now);
  session_->on_shutdown(world_.now);
  session_->end_turn(world_.now);
  HUB_ASSERT(session_->output().empty());
}

void Runner::shut_down() {
  if (closed_) return;
  shell_->on_shutdown(world_.now);
  HUB_ASSERT(session_->wants_close());
  settle();
}

void Runner::set_reading(bool reading) {
  reading_ = reading;
  settle();
  if (reading) bytes({});
}

}  // namespace fuzz
