#include "tests/simulation/simulation.hpp"

#include "protocols/amqp/session.hpp"
#include "protocols/http/hub_service.hpp"
#include "protocols/mqtt/session.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/test_hub.hpp"
#include "tests/unit/storage/support.hpp"

#include <algorithm>
#include <tuple>

namespace simulation {

namespace {

constexpr std::size_t trace_lines = 80;
constexpr std::size_t connections_max = 9;
const std::string thumbprint(40, 'd');

std::string ms(hub::Duration d) { return std::to_string(d.count()) + "ms"; }

}  // namespace

// In memory, or SQLite in a folder of its own.
class Simulation::AnyStore {
 public:
  explicit AnyStore(bool sqlite) {
    if (sqlite) folder_ = std::make_unique<storage_test::TempFolder>();
    open();
  }
  void apply(const std::vector<hub::Change>& changes) { store().apply(changes); }
  // What a new process finds.
  hub::Snapshot load_anew() {
    sqlite_.reset();
    open();
    return store().load();
  }

 private:
  void open() {
    if (folder_) sqlite_ = storage::SqliteStore::open(folder_->path());
  }
  hub::Store& store() { return sqlite_ ? static_cast<hub::Store&>(*sqlite_) : memory_; }
  std::unique_ptr<storage_test::TempFolder> folder_;
  std::unique_ptr<storage::SqliteStore> sqlite_;
  test::MemoryStore memory_;
};

// A connection: two streams of bytes, and the rules of net::Connection.
struct Simulation::Wire {
  Line line;
  std::unique_ptr<protocols::SessionShell> shell;  // null: the hub has closed it
  std::unique_ptr<Peer> peer;
  std::shared_ptr<bool> woken = std::make_shared<bool>(false);
  std::string to_hub, to_peer;
  std::uint64_t fed = 0;  // of all bytes the peer has written

  const protocols::Session& session() const { return shell->session(); }
  bool is_due(TimePoint now) const {
    const auto next = shell->next_deadline();
    return next && *next <= now;
  }
};

// What is committed, as the sessions' shells ask for it.
struct Simulation::Gate : protocols::CommitGate {
  explicit Gate(const Simulation& of) : simulation(of) {}
  std::uint64_t staged() const override { return simulation.hub_->monitor().staged(); }
  std::uint64_t committed() const override {
    return simulation.durable_ && !simulation.sabotage_.no_gate ? simulation.committed_
                                                                : ~std::uint64_t{0} / 2;
  }
  void notify(std::uint64_t, hub::Waker) override {}  // whoever waits is looked at anyway
  const Simulation& simulation;
};

// ---- set-up -------------------------------------------------------------------------------------

hub::Settings Simulation::choose_settings() {
  using namespace std::chrono_literals;
  hub::Settings s;
  if (random_.chance(4)) {
    profile_ = "defaults";
    return s;
  }
  s.max_delivery_count = random_.one_of({1u, 2u, 3u, 10u});
  s.feedback_max_delivery_count = random_.one_of({1u, 2u, 10u});
  s.delivery_count_mode =
      random_.one_of({hub::DeliveryCountMode::abandon_only, hub::DeliveryCountMode::every_return});
  s.expire_while_locked =
      random_.chance(4) ? hub::ExpireWhileLocked::at_unlock : hub::ExpireWhileLocked::immediate;
  s.release_locks_on_disconnect = !random_.chance(5);
  s.redeliver_on_live_connection = !random_.chance(5);
  s.mqtt_backlog =
      random_.one_of({hub::MqttBacklog::reject, hub::MqttBacklog::keep, hub::MqttBacklog::deliver});
  s.mqtt_in_flight_max = random_.chance(4) ? 2 : 50;
  s.mqtt_out_of_order_ack =
      random_.one_of({hub::MqttOutOfOrderAck::hold, hub::MqttOutOfOrderAck::hold,
                      hub::MqttOutOfOrderAck::ignore, hub::MqttOutOfOrderAck::complete});
  s.default_ttl = random_.one_of<hub::Duration>({1min, 5min, 1h});
  s.feedback_lock_duration = random_.one_of<hub::Duration>({5s, 60s});
  s.feedback_ttl = random_.one_of<hub::Duration>({1min, 1h});
  s.feedback_window = random_.one_of<hub::Duration>({0ms, 100ms, 15s});
  s.feedback_batch_records = random_.one_of({2u, 3u, 64u});
  s.sas_clock_skew = random_.one_of<hub::Duration>({0s, 0s, 5s});
  s.token_expiry_grace = random_.one_of<hub::Duration>({0s, 0s, 10s});
  s.sku = random_.chance(3) ? hub::Sku::s1 : hub::Sku::none;
  s.daily_message_quota = random_.one_of<std::uint64_t>({0, 0, 0, 40});
  profile_ =
      "N=" + std::to_string(s.max_delivery_count) +
      (s.delivery_count_mode == hub::DeliveryCountMode::every_return ? " every-return"
                                                                     : " abandon-only") +
      (s.expire_while_locked == hub::ExpireWhileLocked::at_unlock ? " at-unlock" : "") +
      (s.release_locks_on_disconnect ? "" : " keep-locks") +
      (s.redeliver_on_live_connection ? "" : " no-redelivery") +
      " in-flight=" + std::to_string(s.mqtt_in_flight_max) + " ttl=" + ms(s.default_ttl) +
      " window=" + ms(s.feedback_window) + " batch=" + std::to_string(s.feedback_batch_records) +
      " feedback-N=" + std::to_string(s.feedback_max_delivery_count) +
      " skew=" + ms(s.sas_clock_skew) + " grace=" + ms(s.token_expiry_grace) +
      (s.sku == hub::Sku::s1 ? " S1" : "") + " quota=" + std::to_string(s.daily_message_quota);
  return s;
}

hub::Limits Simulation::choose_limits() {
  hub::Limits limits;
  limits.queue_depth_max = random_.one_of<std::size_t>({3, 10, 50});
  profile_ += " depth=" + std::to_string(limits.queue_depth_max);
  return limits;
}

Simulation::Simulation(std::uint64_t seed, Sabotage sabotage)
    : gate_(std::make_unique<Gate>(*this)),
      random_(seed),
      sabotage_(std::move(sabotage)),
      settings_(choose_settings()),
      auditor_(settings_, limits_ = choose_limits(), now_),
      world_{random_, auditor_, now_, next_body_},
      ids_(seed) {
  const bool sqlite = random_.chance(8);
  durable_ = sqlite || !random_.chance(4);
  profile_ += sqlite ? " sqlite" : durable_ ? " memory-store" : " not-durable";
  store_ = std::make_unique<AnyStore>(sqlite);
  start_hub();
}

Simulation::~Simulation() {
  for (auto& wire : wires_) wire->shell.reset();
}

void Simulation::start_hub() {
  hub::HubConfig config{"localhost", hub::default_policies(test::well_known_key), settings_,
                        limits_};
  if (sabotage_.settings) sabotage_.settings(config.settings);
  hub_ = std::make_unique<hub::Hub>(std::move(config), ids_, log_, now_, durable_);
  committed_ = 0;
}

void Simulation::run(std::uint64_t steps) {
  while (steps-- > 0) step();
  auditor_.finish();
}

void Simulation::step() {
  ++steps_;
  if (steps_ <= 3) return administer();
  switch (random_.below(60)) {
    case 0:
    case 1:
      return open_connection();
    case 2:
      if (!wires_.empty() && random_.chance(8)) cut(*wires_[random_.below(wires_.size())]);
      return;
    case 3:
    case 4:
    case 5:
    case 6:
      return commit();
    case 7:
    case 8:
    case 9:
      return advance();
    case 10:
      if (random_.chance(4)) administer();
      return;
    case 11:
      if (random_.chance(20)) restart();
      return;
    case 12:
      return send_in_process();
    default:
      break;
  }
  if (wires_.empty()) return open_connection();
  if (!random_.chance(3)) return move_bytes();
  Wire& wire = *wires_[random_.below(wires_.size())];
  for (int i = 0; i < 3 && wire.shell != nullptr; ++i) wire.peer->act();
}

// ---- an audited step ----------------------------------------------------------------------------

void Simulation::note(const std::string& line) {
  trace_.push_back(std::to_string(steps_) + " +" +
                   ms(now_ - hub::from_unix_seconds(1'800'000'000)) + " " + line);
  if (trace_.size() > trace_lines) trace_.erase(trace_.begin());
  mix(line);
}

void Simulation::mix(std::string_view bytes) {
  for (const char c : bytes) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 1099511628211ull;
}

std::string Simulation::trace() const {
  std::string out = profile_ + "\n";
  for (const auto& line : trace_) out += "  " + line + "\n";
  return out;
}

void Simulation::audited(Wire& wire, const std::string& what, const std::function<void()>& call,
                         const std::vector<OpPtr>& ops, bool acts) {
  note(wire.line.name + " " + what);
  auditor_.begin(now_);
  const std::size_t before = wire.session().output().size();
  call();
  std::string written;
  if (wire.shell) {
    const std::string_view output = wire.session().output();
    if (output.size() > before) written = output.substr(before);
    mix(written);
  }
  if (acts) auditor_.outlive(wire.line, !wire.shell || wire.session().wants_close());
  for (const OpPtr& op : ops) auditor_.apply(wire.line, *op, written);
  if (!wire.shell || wire.session().wants_close()) auditor_.ended(wire.line);
  finish_step(&wire.line);
}

void Simulation::turn(Wire& wire, const std::string& what, const std::function<void()>& call,
                      const std::vector<OpPtr>& ops) {
  audited(
      wire, what,
      [&] {
        call();
        wire.shell->end_turn(now_);
      },
      ops);
}

void Simulation::audited(const std::string& what, const std::function<void()>& call) {
  note(what);
  auditor_.begin(now_);
  call();
  finish_step(nullptr);
}

void Simulation::finish_step(Line* line) {
  if (sabotage_.rogue) sabotage_.rogue(*hub_, now_, trace_.back());
  View view = look_at(*hub_, now_);
  if (sabotage_.view) sabotage_.view(view, trace_.back());
  auditor_.compare(std::move(view), line);
  if (!durable_) auditor_.committed();  // nothing waits for a store
  check_progress();
}

void Simulation::check_progress() {
  for (const auto& wire : wires_) {
    if (wire->shell == nullptr || !wire->to_hub.empty() || *wire->woken) continue;
    if (wire->session().wants_close() || wire->is_due(now_) || !wire->session().wants_input())
      continue;
    auditor_.check_progress(wire->line);
  }
}

// ---- bytes --------------------------------------------------------------------------------------

void Simulation::move_bytes() {
  // Any connection that has something to do, beginning somewhere.
  const std::size_t begin = random_.below(wires_.size());
  for (std::size_t i = 0; i < wires_.size(); ++i) {
    Wire& wire = *wires_[(begin + i) % wires_.size()];
    wire.to_hub += wire.peer->take_output();
    std::vector<int> choices;
    if (wire.shell != nullptr) {
      // N-40: while the store is behind nobody is read from, and what may lie unread is not missed.
      const bool reads = !wire.shell->store_is_behind();
      if (reads && !wire.to_hub.empty() && wire.shell->takes_input()) choices.push_back(0);
      if (*wire.woken) choices.push_back(1);
      if (reads && wire.is_due(now_)) choices.push_back(2);
      if (!wire.session().output().empty()) choices.push_back(3);
      if (wire.shell->next() == protocols::SessionShell::Next::close) choices.push_back(4);
    }
    if (!wire.to_peer.empty()) choices.push_back(5);
    if (wire.peer->wants_close() || (wire.shell == nullptr && wire.to_peer.empty())) {
      choices.push_back(4);
    }
    if (choices.empty()) continue;
    const bool wakes_first =
        wire.shell != nullptr && *wire.woken && wire.line.protocol == Protocol::amqp;
    // An AMQP session serves its wakes before anything else: a step of its own, for the auditor. If
    // it is idle for too long as well, it would lock, close and release in one: nobody could
    // follow.
    if (wakes_first) choices = {wire.is_due(now_) ? 4 : 1};
    switch (choices[random_.below(choices.size())]) {
      case 0:
        return feed(wire);
      case 1:
        *wire.woken = false;
        return turn(wire, "wakes", [&] { wire.shell->on_wake(now_); });
      case 2:
        return call_due(wire);
      case 3:
        return flush(wire);
      case 4:
        return cut(wire);
      default:
        return deliver(wire);
    }
  }
}

// INV-37: who is called at the time it has asked for does something, or asks for another one.
void Simulation::call_due(Wire& wire) {
  const auto seen = [&] {
    const auto& session = wire.session();
    return std::tuple(session.output().size(), session.wants_input(), session.wants_close());
  };
  const auto before = seen();
  turn(wire, "is due", [&] {
    if (!sabotage_.sleepy) wire.shell->on_time(now_);
  });
  if (wire.is_due(now_) && seen() == before) {
    throw Violation(
        37, wire.line.name + " asks again for a time that has passed, and has done nothing");
  }
}

// Some bytes of the client's: a part of its next operation, that one, or several that the auditor
// can tell apart although they come in one read, since none of them puts a message back.
void Simulation::feed(Wire& wire) {
  auto& waiting = wire.peer->ops;
  const bool pubacks = settings_.mqtt_out_of_order_ack != hub::MqttOutOfOrderAck::complete;
  const auto simple = [pubacks](const Op& op) {
    const bool ends_message = op.verb == Verb::complete || op.verb == Verb::reject;
    return op.kind == Op::Kind::send || (op.kind == Op::Kind::puback && pubacks) ||
           op.kind == Op::Kind::flow || op.kind == Op::Kind::other ||
           (op.kind == Op::Kind::settle && ends_message);
  };
  std::size_t size = wire.to_hub.size();
  if (!waiting.empty()) {
    std::size_t last = 0;
    while (simple(*waiting[last].second) && last + 1 < waiting.size() &&
           simple(*waiting[last + 1].second) && !random_.chance(3)) {
      ++last;
    }
    size = std::min<std::size_t>(size, waiting[last].first - wire.fed);
  }
  if (random_.chance(6)) size = 1 + random_.below(size);
  const std::string bytes = wire.to_hub.substr(0, size);
  wire.to_hub.erase(0, size);
  wire.fed += size;
  std::vector<OpPtr> ops;
  std::string what = std::to_string(size) + " bytes";
  for (; !waiting.empty() && waiting.front().first <= wire.fed; waiting.pop_front()) {
    ops.push_back(waiting.front().second);
    if (ops.back()->kind == Op::Kind::send) ++tally_.sends;
    if (ops.back()->kind == Op::Kind::settle) ++tally_.settlements;
    what += ", " + text_of(*ops.back());
  }
  turn(
      wire, what, [&] { wire.shell->on_bytes(bytes, now_); }, ops);
}

void Simulation::flush(Wire& wire) {
  std::size_t size = wire.shell->output().size();
  if (size == 0) return;  // it waits for a commit
  if (random_.chance(6)) size = 1 + random_.below(size);
  audited(
      wire, std::to_string(size) + " bytes leave",
      [&] {
        std::string bytes(wire.session().output().substr(0, size));
        wire.shell->consume(size);
        if (sabotage_.output) sabotage_.output(bytes);
        wire.to_peer += bytes;
      },
      {}, false);
}

void Simulation::deliver(Wire& wire) {
  std::size_t size = wire.to_peer.size();
  if (random_.chance(6)) size = 1 + random_.below(size);
  const std::string bytes = wire.to_peer.substr(0, size);
  wire.to_peer.erase(0, size);
  note(wire.line.name + " reads " + std::to_string(size) + " bytes");
  wire.peer->take(bytes);
}

// ---- connections --------------------------------------------------------------------------------

void Simulation::open_connection() {
  if (wires_.size() >= connections_max || (wires_.size() > 4 && !random_.chance(12))) return;
  auto wire = std::make_unique<Wire>();
  const std::string device = world_.some_device();
  const auto waker = [woken = wire->woken, deaf = sabotage_.deaf] { *woken = !deaf; };
  protocols::PeerInfo peer{"sim", true, false, "", {}};
  std::size_t kind = random_.below(10);
  // A takeover is worth a look, a life of nothing but takeovers is not.
  const bool is_taken = std::ranges::any_of(wires_, [&](const auto& other) {
    return other->line.protocol != Protocol::http &&
           other->line.name.find("-" + device + "-") != std::string::npos;
  });
  if (is_taken && kind < 5 && !random_.chance(8)) kind = 8 + random_.below(2);
  Line& line = wire->line;
  if (kind < 8 && has_certificate(device)) {
    line.stranger = random_.chance(6);
    peer.certificate = {line.stranger ? std::string(40, 'e') : thumbprint, std::string(64, 'f'),
                        device};
  }
  const auto number = std::to_string(++connections_);
  const auto& queues = auditor_.model().queues;
  if (const auto known = queues.find(device); known != queues.end()) {
    line.generation = known->second.generation;
  }
  if (kind < 3) {
    line.protocol = Protocol::mqtt;
    line.name = "mqtt-" + device + "-" + number;
    wire->shell = shell_of(std::make_unique<mqtt::Session>(*hub_, peer, waker, now_));
    wire->peer = make_mqtt_device(world_, line, device);
  } else if (kind < 5 || kind == 8) {
    line.protocol = Protocol::amqp;
    line.name = kind == 8 ? "amqp-service-" + number : "amqp-" + device + "-" + number;
    wire->shell = shell_of(std::make_unique<amqp::Session>(*hub_, peer, waker, now_));
    wire->peer =
        kind == 8 ? make_amqp_service(world_, line) : make_amqp_device(world_, line, device);
  } else {
    line.protocol = Protocol::http;
    line.name = kind == 9 ? "http-service-" + number : "http-" + device + "-" + number;
    wire->shell = shell_of(http::make_hub_session(*hub_, peer, now_));
    wire->peer =
        kind == 9 ? make_http_service(world_, line) : make_http_device(world_, line, device);
  }
  note(line.name + " connects");
  ++tally_.connections;
  wires_.push_back(std::move(wire));
}

std::unique_ptr<protocols::SessionShell> Simulation::shell_of(
    std::unique_ptr<protocols::Session> session) {
  return std::make_unique<protocols::SessionShell>(std::move(session), gate_.get(), shell_limits);
}

// The connection is gone, wherever its bytes were.
void Simulation::cut(Wire& wire) {
  if (wire.shell != nullptr) {
    ++tally_.cuts;
    audited(wire,
            "is cut, " + std::to_string(wire.to_hub.size()) + " and " +
                std::to_string(wire.to_peer.size()) + " bytes on their way",
            [&] {
              wire.shell->end(now_);
              wire.shell.reset();
            });
  }
  std::erase_if(wires_, [&](const auto& other) { return other.get() == &wire; });
}

// ---- the service, the committer, time -----------------------------------------------------------

void Simulation::commit() {
  auto [changes, sequence] = hub_->monitor().take_changes();
  note("commit of " + std::to_string(changes.size()));
  if (sabotage_.changes) sabotage_.changes(changes);
  if (durable_ && !changes.empty()) store_->apply(changes);
  committed_ = sequence;
  auditor_.committed();
}

void Simulation::advance() {
  using namespace std::chrono_literals;
  auto by = random_.one_of<hub::Duration>({1ms, 10ms, 100ms, 1s});
  if (random_.chance(6)) {
    // To what is due next in the hub, or just before it; seldom to the end of somebody's patience.
    auto next = hub_->monitor().next_deadline();
    for (const auto& wire : wires_) {
      const auto due = wire->shell ? wire->shell->next_deadline() : std::nullopt;
      if (due && random_.chance(20) && (!next || *due < *next)) next = due;
    }
    if (next && *next > now_) by = *next - now_ - random_.one_of<hub::Duration>({0ms, 0ms, 1ms});
  } else if (random_.chance(60)) {
    by = random_.one_of<hub::Duration>({5s, 15s, 30s, 60s, 61s, 10min});
    if (random_.chance(20)) by = 2h;
  }
  // In strides, so that no feedback message is born and dead between two looks.
  for (const hub::Duration stride = settings_.feedback_ttl / 2; by > 0ms;
       by -= std::min(by, stride)) {
    const auto part = std::min(by, stride);
    now_ += part;
    audited("time passes: " + ms(part), [&] { hub_->monitor().on_time(now_); });
  }
}

void Simulation::send_in_process() {
  const OpPtr op = world_.some_message();
  ++tally_.sends;
  audited("in process: " + text_of(*op), [&] {
    hub::SendRequest request;
    request.device.text = op->queue;
    request.ack = op->ack;
    request.content.message_id = hub::MessageId::of(op->message_id);
    request.content.body = op->body;
    request.content.properties = {{"body", op->body}};
    request.content.absolute_expiry = op->expiry;
    auditor_.send(*op);
    const auto sequence = hub_->c2d().send(std::move(request), now_);
    auditor_.sent(*op, sequence.has_value(), sequence ? *sequence : 0);
  });
}

void Simulation::administer() {
  const std::string device = steps_ <= 3 ? std::string(1, "abc"[steps_ - 1]) : world_.some_device();
  const bool known = auditor_.model().queues.contains(device);
  hub::DeviceSpec spec;
  spec.id.text = device;
  if (!known) {
    return audited("create " + device, [&] {
      if (has_certificate(device)) {
        spec.primary_thumbprint = thumbprint;
      } else {
        spec.primary_key = test::device_key;
      }
      auditor_.created(device, hub_->registry().create(spec, now_)->identity.generation_id);
    });
  }
  if (random_.chance(4)) {
    return audited("delete " + device, [&] {
      (void)hub_->registry().remove({device}, std::nullopt, now_);
      auditor_.removed(device);
    });
  }
  if (random_.chance(4)) {
    return audited("purge " + device, [&] {
      Op op;
      op.count = auditor_.purge(device);
      const auto count = hub_->c2d().purge({device}, now_);
      auditor_.purged(op, count ? *count : std::size_t(-1));
    });
  }
  const bool enable = !auditor_.usable(device) || random_.chance(2);
  audited((enable ? "enable " : "disable ") + device, [&] {
    spec.status = enable ? hub::DeviceStatus::enabled : hub::DeviceStatus::disabled;
    (void)hub_->registry().update(spec, std::nullopt, now_);
    auditor_.set_enabled(device, enable);
  });
}

// kill -9, and some time later a start from what was stored.
void Simulation::restart() {
  if (!durable_) return;
  ++tally_.restarts;
  for (auto& wire : wires_) wire->shell.reset();
  hub_.reset();
  wires_.clear();
  now_ += random_.one_of<hub::Duration>(
      {hub::Duration{0}, hub::Duration{1}, hub::Duration{20'000}, std::chrono::hours{2}});
  note("kill -9 and restart");
  start_hub();
  hub_->restore(store_->load_anew(), now_);
  auditor_.restarted(now_);
  finish_step(nullptr);
}

}  // namespace simulation
