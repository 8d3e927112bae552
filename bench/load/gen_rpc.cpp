// Requests and answers.
//   twin     W8  MQTT devices ask for their twin or report one property; QoS 0, closed loop
//   rr       W8, W9  what a user builds instead on a broker: two topics and a client that answers
//   desired  W8  HTTP PATCH of a twin -> the device's notification
//   method   W9  HTTP POST -> the device's method request -> its answer -> HTTP 200
#include "bench/load/gen.hpp"

namespace lb {

// An MQTT client with subscriptions that gets publishes.
struct Client : Conn {
  std::string hello;
  std::vector<std::string> filters;
  size_t granted = 0;
  bool up = false;
  explicit Client(Loop& l) : Conn(l) {}
  virtual void on_publish(std::string_view topic, std::string_view body) = 0;
  virtual void on_batch() {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override { die("MQTT connection lost"); }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      const char* q = p + u;
      const int type = uint8_t(*q) >> 4;
      if (type == 2) {
        if (q[3]) die("CONNACK refused");
        for (size_t i = 0; i < filters.size(); ++i) {
          auto s = mqtt_subscribe(uint16_t(i + 1), filters[i], 0);
          put(s.data(), s.size());
        }
        up = filters.empty();
      } else if (type == 9) {
        if (uint8_t(q[4]) == 0x80) die("SUBACK refused");
        up = ++granted == filters.size();
      } else if (type == 3) {
        const size_t t = be16(q + head), b = head + 2 + t + ((*q >> 1) & 3 ? 2 : 0);
        on_publish({q + head + 2, t}, {q + b, k - b});
      }
    }
    on_batch();
    return u;
  }
  void login(const Target& t, const std::string& id) {
    hello = t.connect(id);
    dial(t.at, t.tls);
    await(
        loop, [this] { return up; }, "MQTT client not ready");
  }
};

struct Count {
  uint64_t done = 0, errors = 0;
  bool timing = false;
  Lat lat;
};

// The request id is eight hex digits, so that it is patched in place.
static void put_hex(char* at, uint32_t v) {
  for (int i = 7; i >= 0; --i, v >>= 4) at[i] = "0123456789abcdef"[v & 15];
}
static void put_number(char* at, uint32_t v) {  // eight decimal digits, another each time
  v = 10000000 + v % 89999999;
  for (int i = 7; i >= 0; --i, v /= 10) at[i] = char('0' + v % 10);
}
static uint32_t get_hex(std::string_view s) {
  return uint32_t(strtoul(std::string(s.substr(0, 8)).c_str(), nullptr, 16));
}

// Keeps `window` requests under way, in turn from its packets (one for each device of a back end;
// one for a device).
struct Asker : Client {
  static constexpr size_t SLOTS = 4096;
  struct Ask {
    std::string packet;
    size_t rid, value;  // where to patch; value: npos if there is none
  };
  Count& x;
  std::vector<Ask> asks;
  std::string want;  // in the answer's topic
  size_t window = 1, fly = 0, next = 0;
  uint32_t rid = 0;
  std::vector<uint64_t> sent = std::vector<uint64_t>(SLOTS);
  bool go = false;
  Asker(Loop& l, Count& c) : Client(l), x(c) {}
  void add(
      std::string topic,
      const std::string& body) {  // "{rid}" in the topic; "########" in the body becomes a number
    auto m = mqtt_publish0(topic.replace(topic.find("{rid}"), 5, "00000000"), body);
    asks.push_back({m, m.find("00000000"), m.find("########")});
  }
  void on_batch() override {
    for (; go && fly < window; ++fly) {
      Ask& k = asks[next];
      next = next + 1 == asks.size() ? 0 : next + 1;
      put_hex(&k.packet[k.rid], ++rid);
      if (k.value != std::string::npos) put_number(&k.packet[k.value], rid);
      sent[rid % SLOTS] = now_ns();
      put(k.packet.data(), k.packet.size());
    }
  }
  void on_publish(std::string_view topic, std::string_view) override {
    auto r = topic.find("$rid=");
    const uint32_t id =
        get_hex(r == topic.npos ? topic.substr(topic.size() - 8) : topic.substr(r + 5));
    if (!sent[id % SLOTS]) return;  // not ours
    if (!want.empty() && topic.find(want) == topic.npos && ++x.errors == 1)
      fprintf(stderr, "answer %.*s\n", int(topic.size()), topic.data());
    if (x.timing) x.lat.add(now_ns() - sent[id % SLOTS]);
    sent[id % SLOTS] = 0;
    ++x.done;
    --fly;
  }
};

// Answers what it is asked on .../req/{rid} with .../res/{rid}.
struct Answerer : Client {
  std::string body;
  using Client::Client;
  void on_publish(std::string_view topic, std::string_view) override {
    std::string t(topic);
    if (auto r = t.rfind("/req/"); r != t.npos) t.replace(r, 5, "/res/");
    auto m = mqtt_publish0(t, body);
    put(m.data(), m.size());
  }
};

static int measure(Args& a, Count& x, const char* w, const std::function<void()>& begin,
                   const std::function<void()>& turn, const std::function<void()>& more) {
  Meter m;
  m.target(a.s("pid"));
  Ends e(a, now_ns());
  begin();
  while (now_ns() < e.warm) turn();
  const uint64_t d0 = x.done;
  x.timing = true;
  m.start();
  while (now_ns() < e.stop) turn();
  const uint64_t ops = x.done - d0;
  printf("w=%s ops=%llu rate=%.0f", w, static_cast<unsigned long long>(ops),
         double(ops) / (double(now_ns() - m.t0) / 1e9));
  m.report(double(ops));
  more();
  printf(" errors=%llu\n", static_cast<unsigned long long>(x.errors));
  fflush(stdout);
  _exit(ops && !x.errors ? 0 : 3);
}

int cmd_twin(Args& a) {
  Target t(a);
  Loop loop;
  Count x;
  const bool get = a.s("op", "patch") == "get";
  std::vector<std::unique_ptr<Asker>> c;
  for (size_t i = 0; i < size_t(a.n("clients", 100)); ++i) {
    auto d = std::make_unique<Asker>(loop, x);
    d->window = size_t(a.n("window", 1));
    d->filters = {"$iothub/twin/res/#"};
    d->want = get ? "/res/200/" : "/res/204/";
    d->add(
        get ? "$iothub/twin/GET/?$rid={rid}" : "$iothub/twin/PATCH/properties/reported/?$rid={rid}",
        get ? " " : R"({"temperature":########})");
    d->login(t, t.id(i));
    c.push_back(std::move(d));
  }
  return measure(
      a, x, "twin",
      [&] {
        for (auto& d : c) d->go = true, d->on_batch();
      },
      [&] { loop.once(10); }, [&] { x.lat.report("req"); });
}

// --shape device: every device asks, one back end answers (W8). --shape backend: it asks them in
// turn (W9).
int cmd_rr(Args& a) {
  Target t(a);
  Loop loop;
  Count x;
  const bool device = a.s("shape", "device") == "device";
  const size_t n = size_t(a.n("clients", 100)), window = size_t(a.n("window", device ? 1 : 32));
  const std::string ask(size_t(a.n("size", 24)), 'x'), reply(size_t(a.n("answer", 0)), 'x');
  std::vector<std::unique_ptr<Asker>> askers;
  std::vector<std::unique_ptr<Answerer>> answerers;
  for (size_t i = 0; i < (device ? 1 : n); ++i) {
    auto b = std::make_unique<Answerer>(loop);
    b->filters = {device ? "rr/+/req/+" : "rr/" + t.id(i) + "/req/+"};
    b->body = reply;
    b->login(t, device ? "backend" : t.id(i));
    answerers.push_back(std::move(b));
  }
  for (size_t i = 0; i < (device ? n : 1); ++i) {
    auto d = std::make_unique<Asker>(loop, x);
    d->window = window;
    d->filters = {device ? "rr/" + t.id(i) + "/res/+" : "rr/+/res/+"};
    for (size_t k = 0; k < (device ? 1 : n); ++k)
      d->add("rr/" + t.id(device ? i : k) + "/req/{rid}", ask);
    d->login(t, device ? t.id(i) : "backend");
    askers.push_back(std::move(d));
  }
  return measure(
      a, x, "rr",
      [&] {
        for (auto& d : askers) d->go = true, d->on_batch();
      },
      [&] { loop.once(10); }, [&] { x.lat.report("req"); });
}

// The back end over HTTP: each connection serves its own share of the devices, one request at a
// time.
struct Back : HttpConn {
  Count& x;
  std::vector<uint64_t>& sent;  // by device; 0: nothing under way
  struct Ask {
    size_t dev;
    std::string text;
    size_t value;
  };
  std::vector<Ask> asks;
  size_t at = 0;
  bool up = false, busy = false;
  uint32_t value = 0;
  long* budget;
  uint64_t t = 0, answers = 0;
  bool count;  // the answer is the operation (method); else the device's notification is
  Back(Loop& l, Count& c, std::vector<uint64_t>& s, long* b, bool answer)
      : HttpConn(l), x(c), sent(s), budget(b), count(answer) {}
  void on_open() override { up = true; }
  void on_shut() override { die("HTTP connection closed"); }
  void next() {
    if (busy || !*budget) return;
    if (*budget > 0) --*budget;
    Ask& k = asks[at];
    at = at + 1 == asks.size() ? 0 : at + 1;
    if (k.value != std::string::npos) put_number(&k.text[k.value], ++value);
    busy = true;
    sent[k.dev] = t = now_ns();
    put(k.text.data(), k.text.size());
  }
  void answer(int code, std::string_view, std::string_view body) override {
    busy = false;
    ++answers;
    if (code == 200 && (!count || body.find("\"status\":200") != body.npos)) {
      if (x.timing) req_lat->add(now_ns() - t);
      if (count) ++x.done;
    } else if (++x.errors == 1) {
      fprintf(stderr, "HTTP %d %.*s\n", code, int(std::min<size_t>(body.size(), 300)), body.data());
    }
    next();
  }
  Lat* req_lat = nullptr;
};

struct Listener : Client {  // gets desired notifications, answers methods
  Count& x;
  uint64_t& sent;
  std::string body;
  Listener(Loop& l, Count& c, uint64_t& s) : Client(l), x(c), sent(s) {}
  void on_publish(std::string_view topic, std::string_view) override {
    if (x.timing && sent) x.lat.add(now_ns() - sent);
    sent = 0;
    if (topic.substr(0, 20) == "$iothub/methods/POST") {
      auto r = topic.find("$rid=");
      auto m = mqtt_publish0("$iothub/methods/res/200/?" + std::string(topic.substr(r)), body);
      put(m.data(), m.size());
    } else {
      ++x.done;
    }
  }
};

static int back(Args& a, const char* w, bool method) {
  Target t(a), ht(a, "http-port");
  Loop loop;
  Count x;
  Lat req_lat;
  const size_t n = size_t(a.n("devices", 100)), conns = size_t(a.n("conns", 32));
  const long rate = a.n("rate", 0);
  long budget = 0;
  std::vector<uint64_t> sent(n);
  std::vector<std::unique_ptr<Listener>> devices;
  for (size_t i = 0; i < n; ++i) {
    auto d = std::make_unique<Listener>(loop, x, sent[i]);
    d->filters = {method ? "$iothub/methods/POST/#" : "$iothub/twin/PATCH/properties/desired/#"};
    d->body = R"({"p":")" + std::string(size_t(std::max(8l, a.n("answer", 64))) - 8, 'y') + R"("})";
    d->login(t, t.id(i));
    devices.push_back(std::move(d));
  }
  const std::string headers = a.s("header").empty() ? "" : a.s("header") + "\r\n",
                    version = a.s("query", "?api-version=2021-04-12");
  const std::string body = method
                               ? R"({"methodName":"m","payload":{"p":")" +
                                     std::string(size_t(std::max(8l, a.n("size", 256))) - 8, 'x') +
                                     R"("},"responseTimeoutInSeconds":30})"
                               : R"({"properties":{"desired":{"temperature":########}}})";
  std::vector<std::unique_ptr<Back>> c;
  for (size_t k = 0; k < conns; ++k) {
    auto b = std::make_unique<Back>(loop, x, sent, &budget, method);
    b->req_lat = &req_lat;
    for (size_t i = k % n; i < n; i += conns) {
      auto r =
          http_request(method ? "POST" : "PATCH",
                       "/twins/" + t.id(i) + (method ? "/methods" : "") + version, headers, body);
      b->asks.push_back({i, r, r.find("########")});
    }
    b->dial(ht.at, ht.tls);
    await(
        loop, [&] { return b->up; }, "HTTP connection not ready");
    c.push_back(std::move(b));
  }
  uint64_t due = now_ns();
  size_t who = 0;
  auto turn = [&] {
    int ms = 10;
    if (rate) {
      const uint64_t now = now_ns();
      for (; due <= now; due += 1000000000ull / uint64_t(rate)) {
        budget = 1;
        for (size_t k = 0; k < conns && budget; ++k) c[who = (who + 1) % conns]->next();
        budget = 0;
      }
      ms = int((due - now) / 1000000) + 1;
    }
    loop.once(ms);
  };
  return measure(
      a, x, w,
      [&] {
        due = now_ns();
        if (!rate) budget = -1;
        for (auto& b : c) b->next();
      },
      turn,
      [&] {
        x.lat.report("e2e");  // request written -> at the device
        req_lat.report("req");
      });
}
int cmd_desired(Args& a) { return back(a, "desired", false); }
int cmd_method(Args& a) { return back(a, "method", true); }

}  // namespace lb
