// Load generator for the emulator and its peers: one thread, one epoll loop.
//   pub      W1          MQTT QoS 1 publishers, closed loop
//   c2d      W2, W3, W7  AMQP or MQTT sender -> MQTT or AMQP receivers
//   http     W4          HTTP steps (post, get = lock, del = complete) or plain GET
// and what gen_start, gen_rpc, gen_events and gen_hubs say at their head. Every address is in
// 127/8. A command prints one line of key=value pairs; bench/anchors.md says what they mean.
#include <signal.h>

#include "bench/load/gen.hpp"
using namespace lb;

// ---- W1 -----------------------------------------------------------------------
struct Pub : Conn {
  std::string hello, msg;
  size_t pid_off = 0, body_off = 0;
  int window = 10, fly = 0;
  uint16_t pid = 0;
  bool up = false, go = false;
  uint64_t acked = 0;
  std::deque<uint64_t> sent;
  Lat* lat = nullptr;
  explicit Pub(Loop& l) : Conn(l) {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override {
    if (go || !up) die("connection lost: " + hello.substr(14, 12));
  }
  void fill() {
    while (go && fly < window) {
      if (!++pid) pid = 1;
      msg[pid_off] = char(pid >> 8);
      msg[pid_off + 1] = char(pid & 255);
      put(msg.data(), msg.size());
      ++fly;
      sent.push_back(now_ns());
    }
  }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    const uint64_t t = now_ns();
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      int type = uint8_t(p[u]) >> 4;
      if (type == 2) {
        if (p[u + 3]) die("CONNACK refused");
        up = true;
      } else if (type == 4) {
        --fly;
        ++acked;
        if (lat) lat->add(t - sent.front());
        sent.pop_front();
      }
    }
    fill();
    return u;
  }
};

static int cmd_pub(Args& a) {
  Target t(a);
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  const size_t n = size_t(a.n("clients", 100));
  const std::string body = body_of(size_t(a.n("size", 256))),
                    topic = a.s("topic", "devices/{id}/messages/events/");
  std::vector<std::unique_ptr<Pub>> c;
  for (size_t i = 0; i < n; ++i) {
    auto p = std::make_unique<Pub>(loop);
    p->hello = t.connect(t.id(i));
    p->msg = mqtt_publish(subst(topic, t.id(i)), body, p->pid_off, p->body_off);
    p->window = int(a.n("window", 10));
    p->dial(t.at, t.tls);
    const uint64_t end = now_ns() + 10000000000ull;
    while (!p->up && now_ns() < end) loop.once(100);
    if (!p->up) die("no CONNACK");
    c.push_back(std::move(p));
  }
  Ends e(a, now_ns());
  for (auto& p : c) p->go = true, p->fill();
  while (now_ns() < e.warm) loop.once(10);
  auto total = [&] {
    uint64_t s = 0;
    for (auto& p : c) s += p->acked;
    return s;
  };
  Lat lat;
  for (auto& p : c) p->lat = &lat;
  uint64_t a0 = total();
  m.start();
  while (now_ns() < e.stop) loop.once(10);
  const uint64_t ops = total() - a0;
  const double dt = double(now_ns() - m.t0) / 1e9;
  printf("w=pub msgs=%llu rate=%.0f", static_cast<unsigned long long>(ops), double(ops) / dt);
  m.report(double(ops));
  lat.report("ack");
  puts("");
  for (auto& p : c) p->go = false;
  return 0;
}

// ---- W2, W3, W7 -----------------------------------------------------------------
struct MqttSub : Conn {
  C2d& x;
  std::string hello, sub;
  bool up = false;
  MqttSub(Loop& l, C2d& c) : Conn(l), x(c) {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override {
    if (x.go || !up) die("subscriber lost");
  }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      const char* q = p + u;
      int type = uint8_t(*q) >> 4;
      if (type == 2) {
        if (q[3]) die("CONNACK refused");
        put(sub.data(), sub.size());
      } else if (type == 9) {
        if (uint8_t(q[4]) == 0x80) die("SUBACK refused");
        up = true;
      } else if (type == 3) {
        size_t tl = be16(q + head), body = head + 2 + tl;
        if ((*q >> 1) & 3) {
          const char ack[4] = {0x40, 2, q[body], q[body + 1]};
          put(ack, 4);
          body += 2;
        }
        x.received(q + body, k - body);
      }
    }
    x.kick();
    return u;
  }
};

struct MqttSender : Conn {
  C2d& x;
  std::string hello;
  std::vector<std::string> msg;
  size_t pid_off = 0, body_off = 0;
  std::vector<std::pair<size_t, size_t>> offs;
  uint16_t pid = 0;
  bool up = false;
  MqttSender(Loop& l, C2d& c) : Conn(l), x(c) {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override { die("sender lost"); }
  void fill() {
    while (up && x.may_send()) {
      size_t d = x.pick();
      if (d == x.devices) return;
      if (!++pid) pid = 1;
      std::string& m = msg[d];
      m[offs[d].first] = char(pid >> 8);
      m[offs[d].first + 1] = char(pid & 255);
      stamp(m.data() + offs[d].second, d);
      put(m.data(), m.size());
      x.did_send(d);
    }
  }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      int type = uint8_t(p[u]) >> 4;
      if (type == 2) {
        if (p[u + 3]) die("CONNACK refused");
        up = true;
      } else if (type == 4) {
        ++x.settled;
        --x.unsettled;
      }
    }
    fill();
    return u;
  }
};

struct AmqpReceiver : AmqpConn {
  C2d& x;
  pn_link_t* l = nullptr;
  int credit = 100;
  bool up = false;
  std::vector<char> buf = std::vector<char>(4096);
  AmqpReceiver(Loop& lp, C2d& c) : AmqpConn(lp), x(c) {}
  void on_shut() override { die("amqp receiver lost"); }
  void setup(Args& a, const Target& t, size_t i) {
    credit = int(a.n("credit", 100));
    amqp_login(*this, a, "recv", t.id(i));
    pn_session_t* s = pn_session(d.connection);
    pn_session_open(s);
    l = pn_receiver(s, "r");
    pn_terminus_set_address(pn_link_source(l), subst(a.s("source"), t.id(i)).c_str());
    if (a.n("durable", 0)) pn_terminus_set_durability(pn_link_source(l), PN_DELIVERIES);
    pn_link_set_rcv_settle_mode(l, PN_RCV_FIRST);
    pn_link_open(l);
    pn_link_flow(l, credit);
  }
  void on_event(pn_event_t* e) override {
    amqp_complain(e);
    switch (pn_event_type(e)) {
      case PN_LINK_REMOTE_OPEN:
        up = true;
        break;
      case PN_DELIVERY: {
        pn_delivery_t* dl = pn_event_delivery(e);
        if (!pn_delivery_readable(dl) || pn_delivery_partial(dl)) break;
        size_t n = pn_delivery_pending(dl);
        if (n > buf.size()) buf.resize(n);
        ssize_t k = pn_link_recv(l, buf.data(), n);
        pn_link_advance(l);
        if (k > 0) x.received(buf.data(), size_t(k));
        pn_delivery_update(dl, PN_ACCEPTED);
        pn_delivery_settle(dl);
        if (pn_link_credit(l) <= credit / 2) pn_link_flow(l, credit - pn_link_credit(l));
        break;
      }
      default:
        break;
    }
  }
  size_t on_data(const char* p, size_t n) override {
    AmqpConn::on_data(p, n);
    x.kick();
    return n;
  }
};

static int cmd_c2d(Args& a) {
  Target rt(a, "recv-port");
  Target st(a, "send-port");
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  C2d x(a);
  x.kick = [] {};
  auto wait = [&](const std::function<bool()>& ok, const char* what) {
    const uint64_t end = now_ns() + 20000000000ull;
    while (!ok() && now_ns() < end) loop.once(100);
    if (!ok()) die(what);
  };
  std::vector<std::unique_ptr<Conn>> rx;
  const bool ramqp = a.s("recv", "mqtt") == "amqp", samqp = a.s("send", "amqp") == "amqp";
  std::vector<AmqpConn*> ticks;
  for (size_t i = 0; i < x.devices; ++i) {
    if (ramqp) {
      auto r = std::make_unique<AmqpReceiver>(loop, x);
      r->setup(a, rt, i);
      r->dial(rt.at, rt.tls);
      wait([&] { return r->up; }, "amqp receiver not ready");
      ticks.push_back(r.get());
      rx.push_back(std::move(r));
    } else {
      auto r = std::make_unique<MqttSub>(loop, x);
      r->hello = rt.connect(rt.id(i), !a.n("persistent", 0));
      r->sub = mqtt_subscribe(
          1, subst(a.s("filter", "devices/{id}/messages/devicebound/#"), rt.id(i)), 1);
      r->dial(rt.at, rt.tls);
      wait([&] { return r->up; }, "subscriber not ready");
      rx.push_back(std::move(r));
    }
  }
  std::unique_ptr<AmqpSender> as;
  std::unique_ptr<MqttSender> ms;
  std::function<void()> fill;
  if (samqp) {
    as = std::make_unique<AmqpSender>(loop, x);
    as->setup(a, st);
    as->dial(st.at, st.tls);
    wait([&] { return as->up(); }, "amqp sender not ready");
    ticks.push_back(as.get());
    fill = [&] { as->fill(); };
  } else {
    ms = std::make_unique<MqttSender>(loop, x);
    ms->hello = mqtt_connect("perf-sender", a.s("send-user"), a.s("send-pass"), true);
    const std::string body = body_of(size_t(a.n("size", 256)));
    for (size_t i = 0; i < x.devices; ++i) {
      size_t po, bo;
      ms->msg.push_back(mqtt_publish(subst(a.s("addr"), st.id(i)), body, po, bo));
      ms->offs.push_back({po, bo});
    }
    ms->dial(st.at, st.tls);
    wait([&] { return ms->up; }, "mqtt sender not ready");
    fill = [&] { ms->fill(); };
  }
  x.kick = [&] {
    if (x.may_send()) fill();
  };
  const long rate = a.n("rate", 0);
  if (rate) x.budget = 0;
  uint64_t last_tick = 0, due = now_ns();
  auto turn = [&] {
    const uint64_t t = now_ns();
    if (t - last_tick > 1000000000ull) {
      last_tick = t;
      for (auto* c : ticks) c->tick();
    }
    int ms_wait = 10;
    if (rate && x.go) {
      while (due <= t) {
        if (x.budget < 100) ++x.budget;
        due += 1000000000ull / uint64_t(rate);
      }
      ms_wait = int((due - t) / 1000000) + 1;
    }
    x.kick();
    loop.once(ms_wait);
  };
  Ends e(a, now_ns());
  x.go = true;
  while (now_ns() < e.warm) turn();
  x.timing = true;
  const uint64_t g0 = x.got;
  m.start();
  while (now_ns() < e.stop) turn();
  const uint64_t ops = x.got - g0;
  const double dt = double(now_ns() - m.t0) / 1e9;
  printf("w=c2d msgs=%llu rate=%.0f", static_cast<unsigned long long>(ops), double(ops) / dt);
  m.report(double(ops));
  x.go = false;
  x.timing = false;
  const uint64_t drain = now_ns() + 3000000000ull;
  while (x.got < x.sent && now_ns() < drain) turn();
  x.lat.report("e2e");
  printf(" sent=%llu settled=%llu got=%llu notaccepted=%llu\n",
         static_cast<unsigned long long>(x.sent), static_cast<unsigned long long>(x.settled),
         static_cast<unsigned long long>(x.got), static_cast<unsigned long long>(x.bad));
  fflush(stdout);
  _exit(x.got ? 0 : 3);
}

// ---- W4 -----------------------------------------------------------------------
struct Http : HttpConn {
  std::vector<std::string> steps;  // "post", "get", "del"
  std::string post, get, del;      // request texts; del holds {token} and {receipt}
  std::string token, receipt;
  size_t step = 0;
  bool up = false, go = false;
  uint64_t reqs = 0, cycles = 0, errors = 0, empty = 0, t_req = 0, t_cycle = 0;
  Lat *lat = nullptr, *cyc = nullptr;
  explicit Http(Loop& l) : HttpConn(l) {}
  void on_open() override { up = true; }
  void on_shut() override { die("http connection closed"); }
  void next() {
    if (!go) return;
    t_req = now_ns();
    if (!step) t_cycle = t_req;
    const std::string& s = steps[step];
    if (s == "del") {
      std::string r = del;
      auto rep = [&](const char* k, const std::string& v) {
        if (auto p = r.find(k); p != std::string::npos) r.replace(p, strlen(k), v);
      };
      rep("{token}", token);
      rep("{receipt}", receipt);
      put(r.data(), r.size());
    } else {
      const std::string& r = s == "post" ? post : get;
      put(r.data(), r.size());
    }
  }
  static std::string between(std::string_view t, const char* a, const char* b) {
    auto i = t.find(a);
    if (i == t.npos) return {};
    i += strlen(a);
    auto j = t.find(b, i);
    return j == t.npos ? std::string{} : std::string(t.substr(i, j - i));
  }
  void answer(int code, std::string_view head, std::string_view body) override {
    const uint64_t t = now_ns();
    ++reqs;
    if (lat) lat->add(t - t_req);
    if (code >= 400 && ++errors == 1)
      fprintf(stderr, "HTTP %d %.*s\n", code, int(std::min<size_t>(body.size(), 300)), body.data());
    if (steps[step] == "get" && steps.size() > 1) {
      if (body.find("<PopReceipt>") != body.npos) {
        token = between(body, "<MessageId>", "<");
        receipt = pct(between(body, "<PopReceipt>", "<"));
      } else {
        token = between(head, "ETag: \"", "\"");
        if (token.empty()) token = between(head, "etag: \"", "\"");
      }
      if (token.empty()) {  // nothing to lock yet: ask again
        ++empty;
        return next();
      }
    }
    if (++step == steps.size()) {
      step = 0;
      ++cycles;
      if (cyc) cyc->add(t - t_cycle);
    }
    next();
  }
};

static int cmd_http(Args& a) {
  Target t(a);
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  const std::string auth = a.s("header").empty() ? "" : a.s("header") + "\r\n", q = a.s("query");
  std::vector<std::string> steps;
  for (std::string s = a.s("steps", "get"), w; !s.empty();) {
    auto c = s.find(',');
    steps.push_back(s.substr(0, c));
    s = c == s.npos ? "" : s.substr(c + 1);
  }
  auto req = [&](const char* verb, const std::string& path, const std::string& body) {
    std::string r = std::string(verb) + " " + path +
                    (q.empty() ? "" : (path.find('?') == path.npos ? "?" : "&") + q) +
                    " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + auth;
    if (!body.empty() || *verb == 'P')
      r += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return r + "\r\n" + body;
  };
  std::string body =
      a.s("body-prefix") + std::string(size_t(a.n("size", 256)), 'x') + a.s("body-suffix");
  std::vector<std::unique_ptr<Http>> c;
  for (size_t i = 0; i < size_t(a.n("conns", 32)); ++i) {
    auto h = std::make_unique<Http>(loop);
    h->steps = steps;
    h->post = req("POST", subst(a.s("post"), t.id(i)), body);
    h->get = req("GET", subst(a.s("get", "/"), t.id(i)), "");
    h->del = req("DELETE", subst(a.s("del"), t.id(i)), "");
    h->dial(t.at, t.tls);
    while (!h->up) loop.once(100);
    c.push_back(std::move(h));
    if (!a.s("prepare").empty()) {  // e.g. create the queue; an error (exists) is fine
      auto& k = *c.back();
      auto keep = k.steps;
      k.steps = {"get"};
      auto g = k.get;
      k.get = req("PUT", subst(a.s("prepare"), t.id(i)), "");
      k.go = true;
      k.next();
      k.go = false;
      const uint64_t end = now_ns() + 5000000000ull;
      while (!k.reqs && now_ns() < end) loop.once(10);
      k.steps = keep, k.get = g, k.step = 0, k.cycles = k.reqs = k.errors = 0;
    }
  }
  Ends e(a, now_ns());
  for (auto& h : c) h->go = true, h->next();
  while (now_ns() < e.warm) loop.once(10);
  Lat lat, cyc;
  uint64_t c0 = 0, r0 = 0;
  for (auto& h : c) c0 += h->cycles, r0 += h->reqs, h->lat = &lat, h->cyc = &cyc;
  m.start();
  while (now_ns() < e.stop) loop.once(10);
  uint64_t cy = 0, rq = 0, er = 0, em = 0;
  for (auto& h : c) cy += h->cycles, rq += h->reqs, er += h->errors, em += h->empty;
  cy -= c0, rq -= r0;
  const double dt = double(now_ns() - m.t0) / 1e9;
  printf("w=http cycles=%llu rate=%.0f reqs=%.0f", static_cast<unsigned long long>(cy),
         double(cy) / dt, double(rq) / dt);
  m.report(double(cy));
  lat.report("req");
  cyc.report("cycle");
  printf(" errors=%llu empty=%llu\n", static_cast<unsigned long long>(er),
         static_cast<unsigned long long>(em));
  fflush(stdout);
  _exit(0);
}

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 2)
    die("usage: iotload pub|c2d|http|storm|startup|twin|rr|desired|method|events|hubs|clock --key "
        "value ...");
  Args a(argc - 2, argv + 2);
  const std::string c = argv[1];
  if (c == "pub") return cmd_pub(a);
  if (c == "c2d") return cmd_c2d(a);
  if (c == "http") return cmd_http(a);
  if (c == "storm") return cmd_storm(a);
  if (c == "startup") return cmd_startup(a);
  if (c == "twin") return cmd_twin(a);
  if (c == "rr") return cmd_rr(a);
  if (c == "desired") return cmd_desired(a);
  if (c == "method") return cmd_method(a);
  if (c == "events") return cmd_events(a);
  if (c == "hubs") return cmd_hubs(a);
  if (c == "clock") return cmd_clock(a);
  die("unknown command " + c);
}
