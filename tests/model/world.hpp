#pragma once
// A hub and its model side by side. Every operation is done to both, and what they answer and what
// can be seen of them afterwards must be the same (spec/c2d.md 8.1). The first difference throws,
// with the whole history.
#include "emulator/core/hub/hub.hpp"
#include "tests/model/model.hpp"
#include "tests/support/memory_store.hpp"

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace model_test {

struct Difference : std::runtime_error {
  using runtime_error::runtime_error;
};

class World {
 public:
  World(const hub::Settings& settings, const hub::Limits& limits);

  // ---- operations; `device` "" is the feedback queue where a queue is meant
  void create(const std::string& device);
  void remove(const std::string& device);
  void set_enabled(const std::string& device, bool enabled);
  void send(const std::string& device, hub::Ack ack, std::optional<hub::Duration> ttl);
  void purge(const std::string& device);
  void get(const std::string& queue, hub::Duration lock);
  void settle_once(const std::string& queue, const hub::LockToken& token, Verb verb);
  void open(const std::string& queue, hub::Transport transport, hub::SequenceNumber first = 0);
  void receive(std::size_t link, bool and_complete = false);
  void settle(std::size_t link, const hub::LockToken& token, Verb verb);
  void close(std::size_t link);
  void connect(const std::string& device, hub::Transport transport);
  void disconnect(std::size_t presence);
  void put_session(const std::string& device);
  void remove_session(const std::string& device);
  // Untold, the next operation finds the timers due.
  void advance(hub::Duration by, bool tell_hub = true);
  // kill -9, `down` later a start from what was stored.
  void restart(hub::Duration down);

  // ---- to choose operations from
  std::size_t links() const { return links_.size(); }
  std::size_t presences() const { return presences_.size(); }
  const std::vector<hub::LockToken>& tokens() const { return tokens_; }  // all ever given out
  hub::TimePoint now() const { return now_; }
  std::optional<hub::TimePoint> next_deadline() const { return hub_->monitor().next_deadline(); }
  const Model& model() const { return model_; }
  bool exists(const std::string& device) const { return model_.queues.contains(device); }
  bool can_receive(const std::string& queue) const;  // there, and enabled

 private:
  struct Link {
    hub::Receiver receiver;
    hub::HolderId holder = 0;
    std::string queue;
    hub::Transport transport{};
    hub::SequenceNumber first = 0;
    bool live = true;     // not closed by the hub
    bool hungry = false;  // found nothing when it last looked, and was not woken since
    std::shared_ptr<int> wakes;
  };

  struct Connected {
    hub::Presence presence;
    std::string device;
    hub::Transport transport{};
    bool live = true;
  };

  hub::Hub& hub() { return *hub_; }
  void start_hub();
  void begin(std::string operation);  // one line of history; model timers
  void end();                         // compares everything that can be seen
  void expect(bool same, const std::string& what) const;
  void expect_code(const std::optional<hub::HubErrc>& expected, std::uint32_t number);
  template <class T>
  void expect_result(const std::optional<hub::HubErrc>& expected, const hub::Result<T>& result);
  void expect_delivery(const std::string& queue, ModelMessage* expected,
                       const std::optional<hub::Delivery>& delivery, hub::HolderId holder,
                       hub::Duration lock, bool mqtt);
  // What the hub closes: all of the device, or what loses against a newcomer of this transport.
  void close_links(const std::string& queue, std::optional<hub::Transport> newcomer = {});
  void close_presences(const std::string& device, std::optional<hub::Transport> newcomer = {});
  void release(const Link& link);
  void observe_feedback();
  void compare_queue(const std::string& name, const ModelQueue& queue);
  void compare_device(const std::string& name, const ModelQueue& queue);
  void compare_links();
  void compare_metrics();
  void compare_deadline();

  hub::Settings settings_;
  hub::Limits limits_;
  hub::SeededIdSource ids_{7};
  hub::NullLog log_;
  hub::TimePoint now_ = hub::from_unix_seconds(1'800'000'000);
  hub::TimePoint started_ = now_;
  test::MemoryStore store_;
  std::unique_ptr<hub::Hub> hub_;
  Model model_;
  std::vector<Link> links_;  // after hub_: gone before it
  std::vector<Connected> presences_;
  hub::HolderId next_holder_ = 1;
  std::uint64_t next_body_ = 1;
  std::vector<hub::LockToken> tokens_;
  std::set<hub::LockToken> known_tokens_;
  std::string history_;
};

}  // namespace model_test
