#pragma once
// The auditor: follows what every client has asked for and what it was told, keeps the naive model
// of tests/model in step, and compares it with what the hub shows, after every step. It is told
// nothing by the hub's code but the bytes on the wires and the View. A violation names its
// invariant of spec/c2d.md 8.1.
//
// A step is one call of one session (bytes, a wake, a deadline, an end), or one administrative
// call:
//   begin(now) .. [apply(op) | ended | created ...] .. compare(view)
// Only the line of that step may lock messages in it, which makes rules 5, 6 and 27 exact.
#include "tests/simulation/ops.hpp"
#include "tests/simulation/view.hpp"

#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace simulation {

struct Violation : std::runtime_error {
  Violation(int number, const std::string& text);
  int invariant;
};

enum class Protocol { mqtt, amqp, http, in_process };

// A lock as a client will learn of it, in the order in which they were made.
struct SentLock {
  hub::SequenceNumber sequence = 0;
  hub::LockToken token;
  std::uint32_t delivery_count = 0;
};

// A published message of an MQTT connection (M-39).
struct InFlightEntry {
  hub::SequenceNumber sequence = 0;
  hub::LockToken token;
  TimePoint lost_at{};
  std::uint16_t packet_id = 0;  // once the client has seen it
  bool acked = false;
};

// One receiver of one connection: an AMQP link, an MQTT subscription.
struct Receiving {
  std::string queue;
  hub::HolderId holder = 0;
  bool alive = true;      // not closed by anybody
  bool receiving = true;  // MQTT: still subscribed
  bool settles = true;    // false: QoS 0, pre-settled
  hub::SequenceNumber first = 0;
  std::uint64_t credit = 0, locks = 0;
  std::vector<InFlightEntry> in_flight;
};

// One connection as the auditor sees it.
struct Line {
  std::string name;
  Protocol protocol = Protocol::mqtt;
  std::string generation;  // of its device when the client connected
  // Whom the hub believes (credentials.cpp). AMQP by put-token: until the first there is no token.
  std::optional<TimePoint> token_end;  // none: for as long as it likes
  bool by_put_token = false;
  bool stranger = false;   // its certificate is of nobody
  std::string device;      // MQTT, once connected
  bool connected = false;  // MQTT
  bool clean = false;
  hub::MqttSessionState session;  // MQTT subscriptions
  bool ended = false;
  std::vector<Receiving> receivers;
  std::map<std::string, std::deque<SentLock>> sent;         // by queue
  std::map<hub::SequenceNumber, std::uint16_t> packet_ids;  // MQTT: as the client has seen them

  Receiving* find(const std::string& queue);
};

class Auditor {
 public:
  Auditor(const hub::Settings& settings, const hub::Limits& limits, TimePoint now);

  // ---- steps
  void begin(TimePoint now);
  // `output`: what the hub wrote in this step. Before compare().
  void apply(Line& line, Op& op, std::string_view output);
  void send(Op& op);  // in process; the hub should do as op.expected says
  void sent(Op& op, bool accepted, hub::SequenceNumber sequence);
  void ended(Line& line);  // the connection is gone for the hub
  void created(const std::string& device, const std::string& generation);
  void removed(const std::string& device);
  void set_enabled(const std::string& device, bool enabled);
  std::size_t purge(const std::string& device);
  void committed();               // everything so far is stored
  void restarted(TimePoint now);  // back to what was committed, without locks
  // `line`: whose step it was; nullptr: nobody's.
  // What the session was called for: a token that has ended ends what lives on it, before anything
  // else. `closed`: the session is.
  void outlive(Line& line, bool closed);
  void compare(View view, Line* line);
  void check_progress(const Line& line);  // nothing is on its way to or from it
  // At the end of a run: every acknowledged message is live or has ended, once.
  void finish();

  // ---- what clients saw
  hub::LockToken delivered(Line& line, const std::string& queue, const Seen& seen);
  void published(Line& line, const Seen& seen, std::uint16_t packet_id);  // MQTT; 0: QoS 0
  void answered(const Op& op, bool accepted);
  void purged(const Op& op, std::size_t count);

  const model_test::Model& model() const { return model_; }
  bool usable(const std::string& device) const;
  std::uint64_t checks() const { return checks_; }
  // So that a test can see that these have happened.
  struct Refusals {
    std::uint64_t outlived = 0, tokens = 0, strangers = 0, throttled = 0, over_quota = 0,
                  renewed = 0;
  };
  const Refusals& refusals() const { return refusals_; }

 private:
  struct Info {  // a message, by its body
    std::string device, generation, message_id;
    hub::SequenceNumber sequence = 0;
    TimePoint enqueued{}, expires{};
    std::string ended_by;
    bool acknowledged = false;  // its sender was told
    bool committed = false;
  };

  [[noreturn]] void violation(int number, const std::string& text) const;
  void require(bool holds, int number, const std::string& text);

  // apply.cpp
  void apply_settle(Line& line, Op& op, std::string_view output);
  void apply_attach(Line& line, Op& op, std::string_view output);
  void apply_mqtt(Line& line, Op& op, std::string_view output);
  void apply_http(Line& line, Op& op, std::string_view output);
  void set_mqtt_receiver(Line& line);
  void close_others(const std::string& queue);
  void end_receiver(Receiving& receiver, bool release);
  bool settle(const std::string& queue, const hub::LockToken& token, hub::HolderId holder,
              Verb verb);

  // credentials.cpp
  bool authenticates(const Line& line, const Op& op) const;
  bool outlived(const Line& line) const;
  bool may_attach(const Line& line) const;
  void apply_put_token(Line& line, Op& op);
  void apply_telemetry(Line& line, std::string_view output);
  bool admits(const Op& op);  // what the tier and the quota allow
  bool within_quota();
  void compare_allowance(const View& view);

  // compare.cpp
  void absorb_all(Line& line, bool feedback);
  void absorb(Line& line, Receiving& receiver, const View::Messages& messages);
  hub::LockToken lock(Line& line, const std::string& queue, model_test::ModelMessage& message,
                      Receiving* receiver, hub::Duration duration);
  void compare_queue(const std::string& name, const View::Messages& messages);
  void missing(const std::string& name, const model_test::ModelMessage& message);
  void unexpected(const std::string& name, const hub::MessageQueue::View& seen);
  void compare_message(const std::string& name, const hub::MessageQueue::View& seen,
                       const model_test::ModelMessage& message);
  void compare_device(const View::Device& device);
  void compare_counts(const View& view);
  void observe_feedback(const View::Messages& feedback);

  Info* info_of(const std::string& queue, hub::SequenceNumber sequence);
  Info& edit(const std::string& body);
  void register_line(Line& line);

  hub::Settings settings_;
  hub::Limits limits_;
  model_test::Model model_, committed_model_;
  TimePoint now_, started_;
  View view_;  // the one being compared
  std::map<std::string, Info> infos_;
  std::vector<std::pair<std::string, std::optional<Info>>> undo_;  // since the last commit
  std::map<std::pair<std::string, hub::SequenceNumber>, std::string>
      bodies_;                                        // "device/generation"
  std::map<std::string, std::uint32_t> counts_seen_;  // delivery count by body: never decreases
  std::set<std::string> tokens_;                      // every token a client has seen
  std::set<hub::LockToken> settled_;                  // locks that ended by a settlement
  std::vector<Line*> lines_;                          // that have done something
  std::map<std::string, hub::SequenceNumber> acknowledged_;  // highest told, by device/generation
  hub::HolderId next_holder_ = 1;
  std::uint64_t next_token_ = 1;
  std::uint64_t checks_ = 0;
  // The minute's sends, the day's messages, what the metric says of them; gone with a restart.
  struct Allowance {
    std::int64_t minute = 0, day = 0;
    std::uint64_t sends = 0, messages = 0, shown = 0, throttled = 0;
  };
  Allowance allowance_;
  mutable Refusals refusals_;
  // Of the current step: what it was, and what helps to name a difference.
  Line* line_ = nullptr;
  bool restarted_ = false, connection_ended_ = false, refused_settlement_ = false;
  bool https_ended_ = false, puback_ = false;
  std::set<std::string> touched_;  // queues that this step may change
  std::string abandoned_;          // body
};

}  // namespace simulation
