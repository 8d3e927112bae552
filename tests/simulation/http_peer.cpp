#include "emulator/core/access/auth.hpp"
#include "tests/simulation/peer.hpp"
#include "tests/support/test_hub.hpp"

#include <cstdlib>
#include <map>
#include <vector>

namespace simulation {

namespace {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
};

// One request at a time on a connection that stays open.
class HttpPeer : public Peer {
 public:
  using Peer::Peer;

  void take(std::string_view bytes) final {
    in_.append(bytes);
    const auto end = in_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    Answer answer;
    answer.status = std::atoi(in_.substr(9, 3).c_str());
    for (std::size_t at = in_.find("\r\n") + 2; at < end + 2;) {
      const auto eol = in_.find("\r\n", at);
      const auto colon = in_.find(": ", at);
      answer.headers[in_.substr(at, colon - at)] = in_.substr(colon + 2, eol - colon - 2);
      at = eol + 2;
    }
    const auto length = answer.headers.find("Content-Length");
    const std::size_t size = length == answer.headers.end() ? 0 : std::stoul(length->second);
    if (in_.size() < end + 4 + size) return;
    answer.body = in_.substr(end + 4, size);
    in_.erase(0, end + 4 + size);
    const OpPtr op = std::exchange(asked_, nullptr);
    got(*op, answer);
  }

  void act() final {
    if (asked_ == nullptr) ask();
  }

 protected:
  virtual void ask() = 0;
  virtual void got(const Op& op, const Answer& answer) = 0;

  void request(const std::string& method, const std::string& path, const std::string& token,
               OpPtr op, const std::string& headers = {}, const std::string& body = {}) {
    std::string text =
        method + " " + path + "?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n";
    text += authorization(token) + headers;
    op->token_end = token_end_;
    if (method != "GET") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    asked_ = op;
    write(text + "\r\n" + body, std::move(op));
  }

  // A lock that an answer has shown: its name for the auditor, and the hub's token.
  struct Held {
    hub::LockToken token;
    std::string etag;
  };
  void keep(const Op& op, const Answer& answer) {
    if (answer.status != 200) return;
    Seen seen;
    const auto header = [&](const char* name) {
      const auto found = answer.headers.find(name);
      return found == answer.headers.end() ? std::string{} : found->second;
    };
    seen.body = answer.body;
    seen.property = header("iothub-app-body");
    seen.message_id = header("iothub-messageid");
    seen.sequence = std::stoull(header("iothub-sequencenumber"));
    seen.delivery_count = static_cast<std::uint32_t>(std::stoul(header("iothub-deliverycount")));
    seen.enqueued = hub::parse_iso8601(header("iothub-enqueuedtime"));
    if (const auto expiry = header("iothub-expiry"); !expiry.empty()) {
      seen.expiry = hub::parse_iso8601(expiry);
    }
    const std::string etag = header("ETag");
    seen.token = etag;
    held_.push_back(
        {world_.auditor.delivered(line_, op.queue, seen), etag.substr(1, etag.size() - 2)});
    if (held_.size() > 20) held_.erase(held_.begin());
  }
  void settle(const std::string& path, const std::string& token, const std::string& queue,
              bool may_reject) {
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::settle;
    op->queue = queue;
    op->verb = world_.some_verb();
    if (op->verb == Verb::release || (op->verb == Verb::reject && !may_reject)) {
      op->verb = Verb::complete;
    }
    const std::size_t at =
        held_.size() - 1 - world_.random.below(std::min<std::size_t>(3, held_.size()));
    op->token = held_[at].token;
    std::string target = path + "/" + held_[at].etag;
    if (!world_.random.chance(5)) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    if (op->verb == Verb::abandon) return request("POST", target + "/abandon", token, op);
    // The query begins with what request() appends.
    const std::string text = op->verb == Verb::reject ? "?reject=true&api-version=2021-04-12"
                                                      : "?api-version=2021-04-12";
    asked_ = op;
    op->token_end = token_end_;
    write("DELETE " + target + text + " HTTP/1.1\r\nHost: localhost\r\n" + authorization(token) +
              "\r\n",
          op);
  }

  static std::string authorization(const std::string& token) {
    return token.empty() ? "" : "Authorization: " + token + "\r\n";
  }

  std::optional<TimePoint> token_end_;
  std::string in_;
  OpPtr asked_;
  std::vector<Held> held_;
};

class HttpDevice final : public HttpPeer {
 public:
  HttpDevice(Surroundings& world, Line& line, std::string device)
      : HttpPeer(world, line), device_(std::move(device)) {
    renew();
  }

 private:
  void renew() {
    if (has_certificate(device_)) return;
    token_end_ = world_.some_token_end();
    token_ = device_token(device_, *token_end_);
  }
  void ask() override {
    if (world_.random.chance(10)) renew();
    const std::string path = "/devices/" + device_ + "/messages/deviceBound";
    if (!held_.empty() && world_.random.chance(2)) return settle(path, token_, device_, true);
    if (!world_.random.chance(5)) return;  // or the others would never get a message
    const auto op = std::make_shared<Op>();
    op->kind = Op::Kind::get;
    op->queue = device_;
    const int seconds = world_.random.one_of({1, 5, 60, 60, 300});
    op->lock = std::chrono::seconds{seconds};
    request("GET", path, token_, op,
            "IotHub-MessageLockTimeout: " + std::to_string(seconds) + "\r\n");
  }
  void got(const Op& op, const Answer& answer) override {
    if (op.kind == Op::Kind::get) return keep(op, answer);
    world_.auditor.answered(op, answer.status == 204);
  }

  std::string device_, token_;
};

class HttpService final : public HttpPeer {
 public:
  HttpService(Surroundings& world, Line& line)
      : HttpPeer(world, line),
        token_(hub::make_sas_token("localhost", test::well_known_key, world.now + token_lifetime,
                                   "iothubowner")) {}

 private:
  void ask() override {
    const std::string feedback = "/messages/serviceBound/feedback";
    switch (world_.random.below(8)) {
      case 0:
        if (world_.random.chance(3)) {
          const auto op = std::make_shared<Op>();
          op->kind = Op::Kind::purge;
          op->queue = world_.some_device();
          return request("DELETE", "/devices/" + op->queue + "/commands", token_, op);
        }
        return;
      case 1:
      case 2:
        if (held_.empty()) return;
        return settle(feedback, token_, "", false);
      case 3:
      case 4: {
        const auto op = std::make_shared<Op>();
        op->kind = Op::Kind::get;
        return request("GET", feedback, token_, op);
      }
      default: {
        const OpPtr op = world_.some_message();
        std::string headers =
            "iothub-to: /devices/" + op->queue +
            "/messages/devicebound\r\niothub-ack: " + std::string(to_text(op->ack)) +
            "\r\niothub-app-body: " + op->body + "\r\n";
        headers += "iothub-messageid: " + op->message_id + "\r\n";
        if (op->expiry) headers += "iothub-expiry: " + hub::to_iso8601(*op->expiry) + "\r\n";
        return request("POST", "/messages/deviceBound", token_, op, headers, op->body);
      }
    }
  }
  void got(const Op& op, const Answer& answer) override {
    switch (op.kind) {
      case Op::Kind::get:
        return keep(op, answer);
      case Op::Kind::purge:
        if (answer.status == 200) {
          const auto at = answer.body.find("\"totalMessagesPurged\":");
          world_.auditor.purged(op, at == std::string::npos
                                        ? std::size_t(-1)
                                        : std::stoul(answer.body.substr(at + 22)));
        }
        return;
      default:
        return world_.auditor.answered(op, answer.status == 204);
    }
  }

  std::string token_;
};

}  // namespace

std::unique_ptr<Peer> make_http_device(Surroundings& world, Line& line, const std::string& device) {
  return std::make_unique<HttpDevice>(world, line, device);
}
std::unique_ptr<Peer> make_http_service(Surroundings& world, Line& line) {
  return std::make_unique<HttpService>(world, line);
}

}  // namespace simulation
