#pragma once
// Clients of all protocols at once on a running emulator, each on a thread of its own, and an
// auditor of what they see: every message arrives, in order, once for each time that it was given
// back, and has one feedback record; telemetry is kept in order.
#include "clients/hub_client/device_client.hpp"
#include "clients/hub_client/service_client.hpp"
#include "tests/wire/tcp/front_doors.hpp"

#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace net_test {

// Of a back end or, by its name, of a device with device_key. It gives up at once when it is cut.
iothub::ClientOptions client_options(FrontDoors& doors, iothub::TransportKind transport,
                                     const std::string& device = {});

class Auditor {
 public:
  void sent(const std::string& id);  // and acknowledged
  // Whether to complete it; if not, give it back, once.
  bool received(const std::string& device, const iothub::ReceivedMessage& message, bool may_return);
  void told(const iothub::FeedbackRecord& record);
  void event_sent(const std::string& device);  // and acknowledged
  void complain(const std::string& what);

  std::size_t sent_count() const { return sent_; }
  std::size_t told_count() const { return told_; }
  // After all has come to rest.
  void check_all_arrived();
  // After a stop: what was acknowledged has been received, or is still there.
  void check_nothing_lost(hub::Hub& hub);
  void check_events(hub::Hub& hub, bool exact);
  void check_no_complaints();

 private:
  struct Fate {
    bool acknowledged = false;
    unsigned received = 0, returned = 0, told = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Fate> messages_;
  std::map<std::string, int> newest_;  // number by device and sender
  std::map<std::string, std::size_t> events_;
  std::vector<std::string> complaints_;
  std::atomic<std::size_t> sent_{0}, told_{0};
};

class Traffic {
 public:
  // Two devices on each of the five transports; two back ends send `messages` to each of them.
  Traffic(FrontDoors& doors, int messages);
  ~Traffic() { wait(); }
  Auditor& auditor() { return auditor_; }
  void expect_end() { ending_ = true; }  // from now on errors are nobody's fault
  void wait();                           // until every client is done

 private:
  void be_device(std::size_t number);
  void be_back_end(std::size_t number);
  void read_feedback();

  FrontDoors& doors_;
  const int messages_;
  Auditor auditor_;
  std::latch devices_ready_;
  std::atomic<bool> ending_{false};
  std::vector<std::future<void>> clients_;
};

}  // namespace net_test
