// What a step does to the model: spec/c2d.md 2.6, row by row.
#include "protocols/mqtt/codec.hpp"
#include "tests/simulation/auditor.hpp"
#include "tests/unit/amqp/support/frames.hpp"

#include <algorithm>
#include <cstdlib>

namespace simulation {

using hub::HubErrc;
using model_test::ModelMessage;

namespace {

bool wrote_frame(std::string_view output, amqp::Descriptor code) {
  return amqp_test::count(amqp_test::frames_of(std::string(output)), code) > 0;
}

// The status of the one answer in `output`; 0: there is none.
int http_status(std::string_view output) {
  return output.size() < 12 ? 0 : std::atoi(std::string(output.substr(9, 3)).c_str());
}

constexpr std::string_view connack_accepted_fresh("\x20\x02\x00\x00", 4);
constexpr std::string_view connack_accepted_present("\x20\x02\x01\x00", 4);

}  // namespace

std::string text_of(const Op& op) {
  static constexpr const char* names[] = {
      "send",        "settle", "attach",    "flow",      "detach", "close", "connect", "subscribe",
      "unsubscribe", "puback", "telemetry", "put-token", "get",    "purge", "other"};
  std::string text = names[static_cast<int>(op.kind)];
  if (op.kind == Op::Kind::settle) text = name_of(op.verb);
  if (!op.queue.empty()) text += " " + op.queue;
  if (op.kind == Op::Kind::send) {
    text += " " + op.body + " ack=" + std::string(to_text(op.ack));
    if (op.ttl) text += " ttl=" + std::to_string(op.ttl->count()) + "ms";
  }
  if (op.kind == Op::Kind::puback) text += " id=" + std::to_string(op.packet_id);
  if (op.kind == Op::Kind::flow) text += " credit=" + std::to_string(op.credit);
  return text;
}

Violation::Violation(int number, const std::string& text)
    : runtime_error((number < 10 ? "INV-0" : "INV-") + std::to_string(number) + ": " + text),
      invariant(number) {}

Receiving* Line::find(const std::string& queue) {
  for (auto& receiver : receivers) {
    if (receiver.queue == queue && receiver.alive) return &receiver;
  }
  return nullptr;
}

Auditor::Auditor(const hub::Settings& settings, const hub::Limits& limits, TimePoint now)
    : settings_(settings),
      limits_(limits),
      model_(settings, limits),
      committed_model_(model_),
      now_(now),
      started_(now) {}

void Auditor::violation(int number, const std::string& text) const {
  throw Violation(number, text);
}

void Auditor::require(bool holds, int number, const std::string& text) {
  ++checks_;
  if (!holds) violation(number, text);
}

void Auditor::begin(TimePoint now) {
  now_ = now;
  model_.run_timers(now);
  line_ = nullptr;
  restarted_ = connection_ended_ = refused_settlement_ = https_ended_ = puback_ = false;
  touched_.clear();
  abandoned_.clear();
}

bool Auditor::usable(const std::string& device) const {
  const auto found = model_.queues.find(device);
  return found != model_.queues.end() && found->second.enabled;
}

Auditor::Info& Auditor::edit(const std::string& body) {
  const auto found = infos_.find(body);
  undo_.emplace_back(body, found == infos_.end() ? std::nullopt : std::optional{found->second});
  return infos_[body];
}

Auditor::Info* Auditor::info_of(const std::string& queue, hub::SequenceNumber sequence) {
  const auto found = model_.queues.find(queue);
  if (found == model_.queues.end() || queue.empty()) return nullptr;
  const auto body = bodies_.find({queue + "/" + found->second.generation, sequence});
  return body == bodies_.end() ? nullptr : &infos_.at(body->second);
}

// ---- sending ------------------------------------------------------------------------------------

void Auditor::send(Op& op) {
  ModelMessage message;
  message.body = op.body;
  message.message_id = op.message_id;
  message.ack = op.ack;
  message.expires = op.expiry.value_or(now_ + settings_.default_ttl);
  const auto before = model_.queues.contains(op.queue) ? model_.queues[op.queue].last : 0;
  const auto expires = message.expires;
  op.done = true;
  op.expected = admits(op) && !model_.send(op.queue, std::move(message), now_);
  touched_.insert(op.queue);
  if (!op.expected) return;
  ++allowance_.messages, ++allowance_.shown;
  const auto& queue = model_.queues[op.queue];
  const auto key = op.queue + "/" + queue.generation;
  require(queue.last > acknowledged_[key], 7, "a sequence number that was given out before");
  auto& info = edit(op.body);
  info = {op.queue, queue.generation, op.message_id, before + 1, now_, expires, {}, false, false};
  bodies_[{key, info.sequence}] = op.body;
}

void Auditor::sent(Op& op, bool accepted, hub::SequenceNumber sequence) {
  require(
      accepted == op.expected, 2,
      "send of " + op.body + ": the hub says " + (accepted ? "yes" : "no") + ", the rules do not");
  if (!accepted) return;
  require(sequence == infos_.at(op.body).sequence, 7, "another sequence number than the next");
}

void Auditor::answered(const Op& op, bool accepted) {
  if (op.kind == Op::Kind::send) {
    require(accepted == op.expected, 2,
            "the answer to the send of " + op.body + " is " + (accepted ? "yes" : "no") +
                " and should not be");
    if (!accepted) return;
    const auto found = infos_.find(op.body);
    require(found != infos_.end(), 2, op.body + " is acknowledged and was lost in a restart");
    require(found->second.committed, 2, op.body + " is acknowledged before it is stored");
    found->second.acknowledged = true;
    auto& highest = acknowledged_[found->second.device + "/" + found->second.generation];
    highest = std::max(highest, found->second.sequence);
    return;
  }
  if (op.kind == Op::Kind::put_token) {
    return require(
        accepted == op.expected, 36,
        std::string("a token is ") + (accepted ? "taken" : "refused") + " and should not be");
  }
  const bool before = settled_.contains(op.token) && !op.expected;
  require(accepted == op.expected, before ? 9 : 8,
          "a settlement that should be " + std::string(op.expected ? "accepted" : "refused") +
              " is " + (accepted ? "accepted" : "refused"));
}

void Auditor::purged(const Op& op, std::size_t count) {
  require(count == op.count, 28,
          "purge says " + std::to_string(count) + ", there were " + std::to_string(op.count));
}

// ---- administration -----------------------------------------------------------------------------

void Auditor::created(const std::string& device, const std::string& generation) {
  model_.queues[device].generation = generation;
  touched_.insert(device);
}

void Auditor::removed(const std::string& device) {
  for (auto& message : model_.queues[device].messages) edit(message.body).ended_by = "the deletion";
  model_.remove_device(device);  // first: its messages are dropped, not returned
  close_others(device);
  touched_.insert(device);
}

void Auditor::set_enabled(const std::string& device, bool enabled) {
  model_.queues[device].enabled = enabled;
  if (!enabled) close_others(device);
  touched_.insert(device);
}

std::size_t Auditor::purge(const std::string& device) {
  for (auto& message : model_.queues[device].messages) edit(message.body).ended_by = "a purge";
  touched_.insert(device);
  return model_.purge(device, now_);
}

void Auditor::committed() {
  committed_model_ = model_;
  for (auto& [body, old] : undo_) {
    if (const auto found = infos_.find(body); found != infos_.end()) found->second.committed = true;
  }
  undo_.clear();
}

void Auditor::restarted(TimePoint now) {
  now_ = started_ = now;
  line_ = nullptr;
  restarted_ = true;
  for (; !undo_.empty(); undo_.pop_back()) {
    auto& [body, old] = undo_.back();
    if (old) {
      infos_[body] = *old;
      continue;
    }
    const auto& info = infos_.at(body);
    require(!info.acknowledged, 2, body + " was acknowledged and is lost");
    bodies_.erase({info.device + "/" + info.generation, info.sequence});
    infos_.erase(body);
  }
  model_ = committed_model_;
  model_.restart();
  counts_seen_.clear();
  allowance_ = {};
  model_.run_timers(now);
  lines_.clear();  // they are gone already
}

// ---- connections --------------------------------------------------------------------------------

void Auditor::register_line(Line& line) {
  if (std::ranges::find(lines_, &line) == lines_.end()) lines_.push_back(&line);
}

void Auditor::end_receiver(Receiving& receiver, bool release) {
  if (!std::exchange(receiver.alive, false)) return;
  touched_.insert(receiver.queue);
  model_.begin_subscription(receiver.queue, 0, now_);
  if (!release || !settings_.release_locks_on_disconnect) return;
  model_.release_all(receiver.queue, receiver.holder, now_);
}

// A newcomer, or the administrator, closes all receivers of a device.
void Auditor::close_others(const std::string& queue) {
  if (queue.empty()) return;
  for (Line* line : lines_) {
    for (auto& receiver : line->receivers) {
      if (receiver.queue == queue) end_receiver(receiver, true);
    }
  }
}

void Auditor::ended(Line& line) {
  if (std::exchange(line.ended, true)) return;
  connection_ended_ = line.protocol != Protocol::http;
  https_ended_ = line.protocol == Protocol::http;
  for (auto& receiver : line.receivers) end_receiver(receiver, true);
  std::erase(lines_, &line);
}

bool Auditor::settle(const std::string& queue, const hub::LockToken& token, hub::HolderId holder,
                     Verb verb) {
  touched_.insert(queue);
  std::string body;
  if (const auto found = model_.queues.find(queue); found != model_.queues.end()) {
    for (const auto& message : found->second.messages) {
      if (message.lock && message.lock->token == token) body = message.body;
    }
  }
  if (!model_.settle(queue, token, holder, verb, now_)) {
    refused_settlement_ = true;
    return false;
  }
  require(settled_.insert(token).second, 9, "one lock settled twice");
  if (queue.empty()) return true;
  auto& info = edit(body);
  if (verb == Verb::complete || verb == Verb::reject) info.ended_by = name_of(verb);
  if (verb == Verb::abandon) abandoned_ = body;
  return true;
}

void Auditor::apply(Line& line, Op& op, std::string_view output) {
  line_ = &line;
  op.done = true;
  if (!line.ended) register_line(line);
  using Kind = Op::Kind;
  switch (op.kind) {
    case Kind::send:
      send(op);
      if (line.protocol != Protocol::http) return;
      return require(
          (http_status(output) == 204) == op.expected, 2,
          "send of " + op.body + " over HTTPS: status " + std::to_string(http_status(output)));
    case Kind::settle:
      return apply_settle(line, op, output);
    case Kind::attach:
      return apply_attach(line, op, output);
    case Kind::flow: {
      Receiving* receiver = line.find(op.queue);
      if (receiver == nullptr) return;
      const auto total = op.delivery_count + op.credit;
      receiver->credit = total > receiver->locks ? total - receiver->locks : 0;
      return;
    }
    case Kind::detach:
      connection_ended_ = true;
      if (Receiving* receiver = line.find(op.queue)) end_receiver(*receiver, true);
      return;
    case Kind::close:
      return ended(line);
    case Kind::connect:
    case Kind::subscribe:
    case Kind::unsubscribe:
    case Kind::puback:
      return apply_mqtt(line, op, output);
    case Kind::get:
    case Kind::purge:
      return apply_http(line, op, output);
    case Kind::telemetry:
      return apply_telemetry(line, output);
    case Kind::put_token:
      return apply_put_token(line, op);
    case Kind::other:
      return;
  }
}

void Auditor::apply_settle(Line& line, Op& op, std::string_view output) {
  if (line.protocol == Protocol::http) {
    const int status = http_status(output);
    if (!op.queue.empty() && !usable(op.queue)) {
      refused_settlement_ = true;
      require(status >= 400, 33, "a device that is disabled or gone settles");
      return;
    }
    if (!authenticates(line, op)) {
      refused_settlement_ = true;
      return require(status == 401, 36,
                     "a device settles without a token or certificate that is good");
    }
    op.expected = settle(op.queue, op.token, 0, op.verb);
    return answered(op, status == 204);
  }
  Receiving* receiver = line.find(op.queue);
  op.expected = receiver != nullptr && settle(op.queue, op.token, receiver->holder, op.verb);
  if (receiver == nullptr) refused_settlement_ = true;
}

void Auditor::apply_attach(Line& line, Op& op, std::string_view output) {
  const bool opened = wrote_frame(output, amqp::Descriptor::attach) &&
                      !wrote_frame(output, amqp::Descriptor::detach);
  if (!op.queue.empty()) {
    require(!opened || usable(op.queue), 33,
            "a receiver opens for " + op.queue + ", which may not");
    require(!opened || may_attach(line), 36,
            "a receiver opens for whom the hub has no reason to believe");
    // A token of an earlier generation opens nothing (SEC-08).
    require(opened || !usable(op.queue) || !may_attach(line) ||
                model_.queues[op.queue].generation != line.generation,
            33, "a receiver of " + op.queue + " is refused, and the device is enabled");
  }
  if (!opened) return;
  close_others(op.queue);
  std::erase_if(line.receivers, [&](const Receiving& r) { return r.queue == op.queue; });
  line.sent[op.queue].clear();
  Receiving receiver;
  receiver.queue = op.queue;
  receiver.holder = next_holder_++;
  receiver.settles = !op.presettled;
  line.receivers.push_back(std::move(receiver));
}

// ---- MQTT ---------------------------------------------------------------------------------------

namespace {
std::string filter_of(const std::string& device) {
  return "devices/" + device + "/messages/devicebound/#";
}
}  // namespace

void Auditor::set_mqtt_receiver(Line& line) {
  Receiving* receiver = line.find(line.device);
  if (line.session.subscriptions.empty()) {
    if (receiver != nullptr) receiver->receiving = false;
    return;
  }
  if (receiver == nullptr) {
    close_others(line.device);
    line.receivers.clear();
    Receiving fresh;
    fresh.queue = line.device;
    fresh.holder = next_holder_++;
    receiver = &line.receivers.emplace_back(std::move(fresh));
  }
  receiver->receiving = true;
  receiver->first = line.session.subscriptions[0].first_sequence;
  model_.begin_subscription(line.device, receiver->first, now_);
  touched_.insert(line.device);
  receiver->settles = line.session.subscriptions[0].qos > 0;
}

void Auditor::apply_mqtt(Line& line, Op& op, std::string_view output) {
  if (op.kind == Op::Kind::connect) {
    const bool accepted =
        output.starts_with(connack_accepted_fresh) || output.starts_with(connack_accepted_present);
    require(!accepted || authenticates(line, op), 36,
            "CONNECT of " + op.queue + " is accepted without a good token or certificate");
    require(accepted == (usable(op.queue) && authenticates(line, op)), 33,
            "CONNECT of " + op.queue + (accepted ? " is accepted" : " is refused") +
                (usable(op.queue) ? ", and the device is enabled" : ", and the device may not"));
    if (!accepted) return;
    line.token_end = op.token_end;
    close_others(op.queue);
    line.device = op.queue;
    line.clean = op.clean;
    line.connected = true;
    auto& queue = model_.queues[op.queue];
    if (!op.clean && queue.session) {
      line.session = *queue.session;
    } else {
      queue.session.reset();
      for (auto& message : queue.messages) message.published = false;
    }
    touched_.insert(op.queue);
    return set_mqtt_receiver(line);
  }
  if (!line.connected || line.ended) return;
  if (op.kind == Op::Kind::puback) {
    puback_ = true;
    Receiving* receiver = line.find(line.device);
    if (receiver == nullptr) return;
    auto& entries = receiver->in_flight;
    const auto entry =
        std::ranges::find_if(entries, [&](const auto& e) { return e.packet_id == op.packet_id; });
    if (entry == entries.end()) return;
    if (now_ >= entry->lost_at) {
      entries.erase(entry);
      return;
    }
    const bool in_turn = std::none_of(entries.begin(), entry,
                                      [&](const auto& e) { return !e.acked && now_ < e.lost_at; });
    if (in_turn || settings_.mqtt_out_of_order_ack != hub::MqttOutOfOrderAck::ignore) {
      entry->acked = true;
    }
    return;
  }
  // Closed by a takeover that its session finds out only now: nothing is answered then.
  const bool subscribes = op.kind == Op::Kind::subscribe;
  if (output.empty() || static_cast<unsigned char>(output[0]) != (subscribes ? 0x90 : 0xb0)) return;
  auto& subscriptions = line.session.subscriptions;
  if (!subscribes) {
    subscriptions.clear();
  } else if (!subscriptions.empty()) {
    subscriptions[0].qos = op.qos;
  } else {
    const bool all = settings_.mqtt_backlog == hub::MqttBacklog::deliver;
    subscriptions.push_back(
        {filter_of(line.device), op.qos, all ? 0 : model_.queues[line.device].last + 1});
  }
  if (!line.clean && model_.queues.contains(line.device)) {
    model_.queues[line.device].session = line.session;
  }
  set_mqtt_receiver(line);
}

// ---- HTTPS --------------------------------------------------------------------------------------

void Auditor::apply_http(Line& line, Op& op, std::string_view output) {
  const int status = http_status(output);
  if (op.kind == Op::Kind::purge) {
    const bool known = model_.queues.contains(op.queue);
    require((status == 200) == known, 28, "purge: status " + std::to_string(status));
    if (known) op.count = purge(op.queue);
    return;
  }
  if (!op.queue.empty() && !usable(op.queue)) {
    return require(status >= 400, 33, "a device that is disabled or gone receives");
  }
  if (!op.queue.empty() && !authenticates(line, op)) {
    return require(status == 401, 36, "a device receives without a good token or certificate");
  }
  ModelMessage* next = model_.next_for(op.queue, 0, 0);
  require(status == (next != nullptr ? 200 : 204), 19,
          "GET answers " + std::to_string(status) + " while " +
              (next != nullptr ? "a message waits" : "no message can be received"));
  const auto duration = op.queue.empty() ? settings_.feedback_lock_duration : op.lock;
  if (next != nullptr) lock(line, op.queue, *next, nullptr, duration);
  touched_.insert(op.queue);
}

}  // namespace simulation
