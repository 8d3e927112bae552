#include "clients/cli/run_tool.hpp"
#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"
#include "clients/hub_client/service_client.hpp"
#include "clients/iothub-service/commands.hpp"

#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <vector>

namespace iothub::cli {
namespace {

std::string read_all(std::istream& in) {
  return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

std::string body_of(const ServiceOptions& options) {
  if (options.body && options.body_file) throw UsageError{"give BODY or --file, not both"};
  if (options.body_file) {
    std::ifstream file{*options.body_file, std::ios::binary};
    if (!file) throw UsageError{"cannot read --file " + *options.body_file};
    return read_all(file);
  }
  if (!options.body) throw UsageError{"no message: give BODY, --file FILE, or - for stdin"};
  return *options.body == "-" ? read_all(std::cin) : *options.body;
}

// The message number `index` of `count`: several copies need ids of their own.
Message message_of(const ServiceOptions& options, const std::string& body, std::uint64_t index) {
  auto message = options.message;
  message.body = body;
  if (!options.ack.empty()) message.ack = options.ack;
  if (options.wait_feedback) {
    if (options.ack.empty()) message.ack = "full";
    // Feedback refers to the message by its id.
    if (!message.message_id) message.message_id = make_uuid();
  }
  if (options.expiry) message.expires_at = now() + *options.expiry;
  if (options.created_now) message.created_at = now();
  if (message.message_id && options.message.message_id && options.count > 1) {
    *message.message_id += "-" + std::to_string(index + 1);
  }
  return message;
}

// Feedback is one queue for the whole hub. A batch with a record of ours is completed; the others
// are held until the end and then abandoned, so that their owner gets them.
class FeedbackWaiter {
 public:
  FeedbackWaiter(ServiceClient& service, Output& out) : service_(service), out_(out) {}

  void expect(const std::string& message_id) { missing_.insert(message_id); }
  bool done() const { return missing_.empty(); }

  bool wait(Duration timeout) {
    const Deadline deadline{timeout};
    while (!missing_.empty() && !deadline.passed() && !stop_requested()) {
      const auto batch = service_.receive_feedback(deadline.remaining());
      if (!batch) continue;
      bool ours = false;
      for (const auto& record : batch->records) {
        if (missing_.erase(record.original_message_id) == 0) continue;
        ours = true;
        out_.feedback(record);
      }
      if (ours) {
        service_.complete(*batch);
      } else {
        others_.push_back(*batch);
      }
    }
    for (const auto& batch : others_) service_.abandon(batch);
    return missing_.empty();
  }

 private:
  ServiceClient& service_;
  Output& out_;
  std::set<std::string> missing_;
  std::vector<FeedbackBatch> others_;
};

}  // namespace

int send(const ServiceOptions& options) {
  if (options.wait_feedback && options.ack == "none") {
    throw UsageError{"--wait-feedback needs --ack positive, negative or full"};
  }
  const auto client = options_of(options);
  const auto body = body_of(options);
  Output out{options.common.json()};
  ServiceClient service{client};
  FeedbackWaiter waiter{service, out};
  stop_on_signals();
  // Before the send, as in the tutorial: nothing can be missed.
  if (options.wait_feedback) service.open_feedback();
  for (std::uint64_t i = 0; i < options.count && !stop_requested(); ++i) {
    const auto message = message_of(options, body, i);
    service.send(options.device.device_id, message);
    out.message_sent(options.device.device_id, message);
    if (options.wait_feedback) waiter.expect(*message.message_id);
    show_progress("sent", i + 1, options.count);
  }
  if (!options.wait_feedback || waiter.wait(options.timeout)) return exit_done;
  std::cerr << "iothub-service: no feedback within the timeout; the message is still in the queue, "
               "or its --ack asks for none in this case\n";
  return exit_nothing_came;
}

int feedback(const ServiceOptions& options) {
  ServiceClient service{options_of(options)};
  Output out{options.common.json()};
  stop_on_signals();
  service.open_feedback();
  std::uint64_t came = 0;
  std::vector<FeedbackBatch> held;
  Deadline deadline{options.timeout};
  while (!stop_requested() && came < options.feedback_count.value_or(UINT64_MAX)) {
    const auto batch = service.receive_feedback(deadline.remaining());
    if (!batch) {
      if (deadline.passed()) break;
      continue;
    }
    // A batch is settled as a whole, so it is printed as a whole, even beyond --count.
    for (const auto& record : batch->records) out.feedback(record);
    came += batch->records.size();
    if (options.abandon) {
      held.push_back(*batch);  // not at once: it would come straight back
    } else {
      service.complete(*batch);
    }
    deadline = Deadline{options.timeout};
  }
  for (const auto& batch : held) service.abandon(batch);
  if (stop_requested()) return exit_done;
  return came == 0 || came < options.feedback_count.value_or(0) ? exit_nothing_came : exit_done;
}

}  // namespace iothub::cli
