#include "clients/hub_client/service_client.hpp"
#include "tests/unit/clients/kind_of.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

using namespace iothub;
using namespace std::chrono_literals;

namespace {

struct Script {
  std::deque<ErrorKind> errors{};  // of sends and receives, in order
  std::deque<FeedbackBatch> batches{};
  std::vector<std::string> log{};
};

class FakeTransport : public ServiceTransport {
 public:
  explicit FakeTransport(Script& script) : script_(script) {}
  void open(const std::string&, Duration) override { script_.log.push_back("open"); }
  void send(const std::string& device_id, const Message& message, Duration) override {
    throw_next();
    script_.log.push_back("send " + message.body + " to " + device_id);
  }
  void open_feedback(Duration) override {}
  std::optional<FeedbackBatch> receive_feedback(Duration) override {
    throw_next();
    if (script_.batches.empty()) return std::nullopt;
    auto batch = script_.batches.front();
    batch.delivery = 1;
    script_.batches.pop_front();
    return batch;
  }
  void settle(const FeedbackBatch& batch, Disposition disposition, Duration) override {
    CHECK(batch.delivery == 1);
    script_.log.emplace_back(to_string(disposition));
  }
  void close() noexcept override { script_.log.emplace_back("close"); }

 private:
  void throw_next() {
    if (script_.errors.empty()) return;
    const auto kind = script_.errors.front();
    script_.errors.pop_front();
    throw Error{kind, "scripted"};
  }
  Script& script_;
};

ClientOptions options() {
  ClientOptions out;
  out.connection =
      ConnectionString::parse("HostName=h;SharedAccessKeyName=p;SharedAccessKey=c2VjcmV0");
  return out;
}

ServiceClient client(Script& script, const ClientOptions& with = options()) {
  return ServiceClient{
      with, [&script](const ClientOptions&) { return std::make_unique<FakeTransport>(script); }};
}

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("one connection serves many calls, and a refusal does not end it") {
  Script script{.errors = {ErrorKind::queue_full}};
  auto service = client(script);
  CHECK(kind_of([&] { service.send("d", {.body = "a"}); }) == ErrorKind::queue_full);
  service.send("d", {.body = "b"});
  CHECK(script.log == Log{"open", "send b to d"});
}

TEST_CASE("what may have ended the connection does, and nothing is sent twice") {
  for (const auto kind : {ErrorKind::connection_lost, ErrorKind::timeout, ErrorKind::cancelled}) {
    Script script{.errors = {kind}};
    auto service = client(script);
    CHECK(kind_of([&] { service.send("d", {.body = "a"}); }) == kind);
    service.send("d", {.body = "b"});
    CHECK(script.log == Log{"open", "close", "open", "send b to d"});
  }
}

TEST_CASE("a cancelled wait for feedback keeps the connection") {
  Script script{.errors = {ErrorKind::cancelled}, .batches = {FeedbackBatch{}}};
  auto service = client(script);
  CHECK_FALSE(service.receive_feedback(1h));
  const auto batch = service.receive_feedback(1h);
  REQUIRE(batch);
  service.abandon(*batch);
  CHECK(script.log == Log{"open", "abandon"});
}

TEST_CASE("an idle connection, or one of an old token, is replaced unless a batch is held") {
  for (const bool idle : {true, false}) {
    CAPTURE(idle);
    auto with = options();
    (idle ? with.idle_max : with.token_ttl) = -1s;
    Script script{.batches = {FeedbackBatch{}}};
    auto service = client(script, with);
    const auto batch = service.receive_feedback(1h);
    service.send("d", {.body = "a"});
    service.complete(*batch);
    service.send("d", {.body = "b"});
    CHECK(script.log == Log{"open", "send a to d", "complete", "close", "open", "send b to d"});
  }
}

TEST_CASE("feedback that was held over a new connection has lost its lock") {
  Script script{.batches = {FeedbackBatch{}}};
  auto service = client(script);
  const auto batch = service.receive_feedback(1h);
  script.errors = {ErrorKind::connection_lost};
  CHECK(kind_of([&] { service.send("d", {.body = "a"}); }) == ErrorKind::connection_lost);
  CHECK(kind_of([&] { service.complete(*batch); }) == ErrorKind::lock_lost);
  // Nor is it mistaken for the first batch of the next connection.
  service.send("d", {.body = "b"});
  CHECK(kind_of([&] { service.complete(*batch); }) == ErrorKind::lock_lost);
}
