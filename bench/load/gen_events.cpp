// W10 events: telemetry of MQTT devices (or, for brokers, of an AMQP sender) read back by AMQP
// partition receivers, pre-settled.
//   --mode live     end to end, as fast as it goes or at --rate; at most --behind events are sent
//                   and not yet received
//   --mode catchup  stores --events first, then reads all of them again and again from the start
//                   (--destructive 1: a queue, filled again before each round, unmeasured)
#include <unistd.h>

#include "bench/load/gen.hpp"

namespace lb {

static std::string part(std::string t, size_t p) {
  for (size_t i; (i = t.find("{p}")) != t.npos;) t.replace(i, 3, std::to_string(p));
  return t;
}

struct EventPub : Conn {
  C2d& x;
  std::string hello, msg;
  size_t dev, pid_off = 0, body_off = 0, fly = 0, window = 10;
  uint16_t pid = 0;
  bool up = false;
  EventPub(Loop& l, C2d& c, size_t d) : Conn(l), x(c), dev(d) {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override { die("publisher lost"); }
  void fill() {
    while (x.go && x.budget && fly < window && x.pending[dev] < x.max_pending) {
      if (!++pid) pid = 1;
      msg[pid_off] = char(pid >> 8), msg[pid_off + 1] = char(pid & 255);
      stamp(&msg[body_off], dev);
      put(msg.data(), msg.size());
      ++fly;
      x.did_send(dev);
    }
  }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      const int type = uint8_t(p[u]) >> 4;
      if (type == 2) {
        if (p[u + 3]) die("CONNACK refused");
        up = true;
      } else if (type == 4) {
        --fly, ++x.settled, --x.unsettled;
      }
    }
    fill();
    return u;
  }
};

struct Reader : AmqpConn {
  C2d& x;
  std::vector<pn_link_t*> links;
  std::vector<char> buf = std::vector<char>(4096);
  size_t ready = 0;
  int credit = 300;
  bool closing = false;
  Reader(Loop& l, C2d& c) : AmqpConn(l), x(c) {}
  void on_shut() override {
    if (!closing) die("reader lost");
  }
  void close() {  // in order, so that a broker gives the messages to the next reader
    closing = true;
    pn_connection_close(d.connection);
    pump();
    for (const uint64_t end = now_ns() + 1000000000ull;
         fd >= 0 && !(pn_connection_state(d.connection) & PN_REMOTE_CLOSED) && now_ns() < end;)
      loop.once(10);
  }
  void setup(Args& a, const Target& t, size_t first, size_t step, size_t parts,
             const std::string& select) {
    credit = int(a.n("credit", 300));
    amqp_login(*this, a, "recv", "reader" + std::to_string(first));
    for (size_t p = first; p < parts;
         p += step) {  // a session for each link, as the Event Hubs clients have
      pn_session_t* s = pn_session(d.connection);
      pn_session_open(s);
      pn_link_t* l = pn_receiver(s, ("r" + std::to_string(p)).c_str());
      pn_terminus_t* src = pn_link_source(l);
      pn_terminus_set_address(src, subst(part(a.s("source"), p), t.id(p)).c_str());
      if (a.n("durable", 0)) pn_terminus_set_durability(src, PN_DELIVERIES);
      if (!select.empty()) {
        static const char key[] = "apache.org:selector-filter:string";
        pn_data_t* f = pn_terminus_filter(src);
        pn_data_put_map(f), pn_data_enter(f);
        pn_data_put_symbol(f, pn_bytes(sizeof key - 1, key));
        pn_data_put_described(f), pn_data_enter(f);
        pn_data_put_ulong(f, 0x468C00000004);
        pn_data_put_string(f, pn_bytes(select.size(), select.data()));
        pn_data_exit(f), pn_data_exit(f);
      }
      pn_link_set_snd_settle_mode(l, PN_SND_SETTLED);
      pn_link_set_rcv_settle_mode(l, PN_RCV_FIRST);
      pn_link_open(l);
      pn_link_flow(l, credit);
      links.push_back(l);
    }
    dial(t.at, t.tls);
    await(
        loop, [&] { return ready == links.size(); }, "receiver not ready");
  }
  void on_event(pn_event_t* e) override {
    if (!closing) amqp_complain(e);
    switch (pn_event_type(e)) {
      case PN_LINK_REMOTE_OPEN:
        ++ready;
        break;
      case PN_DELIVERY: {
        pn_delivery_t* dl = pn_event_delivery(e);
        if (!pn_delivery_readable(dl) || pn_delivery_partial(dl)) break;
        pn_link_t* l = pn_delivery_link(dl);
        const size_t n = pn_delivery_pending(dl);
        if (n > buf.size()) buf.resize(n);
        const ssize_t k = pn_link_recv(l, buf.data(), n);
        pn_link_advance(l);
        if (k > 0) x.received(buf.data(), size_t(k));
        if (!pn_delivery_settled(dl)) pn_delivery_update(dl, PN_ACCEPTED);
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

struct Subscriber : Conn {  // in place of a reader where the peer has no AMQP: MQTT, QoS 0
  C2d& x;
  std::string hello, sub;
  bool up = false;
  Subscriber(Loop& l, C2d& c) : Conn(l), x(c) {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override { die("subscriber lost"); }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      const char* q = p + u;
      const int type = uint8_t(*q) >> 4;
      if (type == 2)
        put(sub.data(), sub.size());
      else if (type == 9)
        up = true;
      else if (type == 3)
        x.received(q + head, k - head);
    }
    x.kick();
    return u;
  }
};

struct Source {  // the publishers, or the AMQP sender with a link for each partition
  C2d& x;
  std::vector<std::unique_ptr<EventPub>> pubs;
  std::unique_ptr<AmqpSender> amqp;
  size_t who = 0;
  Source(Args& a, Loop& loop, C2d& c, size_t parts) : x(c) {
    Target t(a, "send-port");
    if (a.s("send", "mqtt") == "amqp") {
      amqp = std::make_unique<AmqpSender>(loop, x);
      amqp->setup(a, t);
      amqp->dial(t.at, t.tls);
      await(
          loop, [&] { return amqp->up(); }, "amqp sender not ready");
      return;
    }
    const std::string body = body_of(size_t(a.n("size", 256))),
                      topic = a.s("topic", "devices/{id}/messages/events/");
    for (size_t i = 0; i < x.devices; ++i) {
      auto p = std::make_unique<EventPub>(loop, x, i);
      p->hello = t.connect(t.id(i));
      p->window = size_t(a.n("window", 10));
      p->msg = mqtt_publish(part(subst(topic, t.id(i)), i % parts), body, p->pid_off, p->body_off);
      p->dial(t.at, t.tls);
      await(
          loop, [&] { return p->up; }, "publisher not ready");
      pubs.push_back(std::move(p));
    }
  }
  void fill() {
    if (amqp) return amqp->fill();
    for (auto& p : pubs) p->fill();
  }
  void one() {  // one message, of the next device
    x.budget = 1;
    if (amqp)
      amqp->fill();
    else
      pubs[who++ % pubs.size()]->fill();
    x.budget = 0;
  }
  void tick() {
    if (amqp) amqp->tick();
  }
};

int cmd_events(Args& a) {
  const bool live = a.s("mode", "live") == "live", destructive = a.n("destructive", 0);
  const size_t parts = size_t(a.n("partitions", 4)), conns = size_t(a.n("conns", 1));
  const long rate = a.n("rate", 0), events = a.n("events", 40000);
  if (a.s("send", "mqtt") == "amqp") a.kv["devices"] = std::to_string(parts);
  Target rt(a, "recv-port");
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  C2d x(a);
  x.window = a.s("send", "mqtt") == "amqp" ? size_t(a.n("window", 1000)) : SIZE_MAX;
  x.max_pending = live ? size_t(a.n("behind", 4000)) / x.devices : SIZE_MAX;
  x.kick = [] {};
  x.last.resize(x.devices);
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  auto attach = [&](const std::string& select) {
    if (a.s("recv", "amqp") == "mqtt") {
      for (size_t p = 0; p < parts; ++p) {
        subscribers.push_back(std::make_unique<Subscriber>(loop, x));
        auto& s = *subscribers.back();
        s.hello = mqtt_connect("reader" + std::to_string(p), "", "", true);
        s.sub = mqtt_subscribe(1, part(a.s("filter"), p), 0);
        s.dial(rt.at, rt.tls);
        await(
            loop, [&] { return s.up; }, "subscriber not ready");
      }
      return;
    }
    for (size_t i = 0; i < std::min(conns, parts); ++i) {
      readers.push_back(std::make_unique<Reader>(loop, x));
      readers.back()->setup(a, rt, i, std::min(conns, parts), parts,
                            a.n("selector", 1) ? select : "");
    }
  };
  if (live) attach("amqp.annotation.x-opt-offset > '@latest'");
  Source src(a, loop, x, parts);
  uint64_t last_tick = 0, due = 0;
  auto turn = [&] {
    const uint64_t t = now_ns();
    if (t - last_tick > 1000000000ull) {
      last_tick = t;
      src.tick();
      for (auto& r : readers) r->tick();
    }
    int ms = 10;
    if (rate && x.go) {
      for (; due <= t; due += 1000000000ull / uint64_t(rate)) src.one();
      ms = int((due - t) / 1000000) + 1;
    }
    loop.once(ms);
  };
  const auto say = [&](const char* w, uint64_t ops) {
    const double dt = double(now_ns() - m.t0) / 1e9;
    printf("w=%s events=%llu rate=%.0f", w, static_cast<unsigned long long>(ops), double(ops) / dt);
    m.report(double(ops));
  };
  if (live) {
    if (rate)
      x.budget = 0;
    else
      x.kick = [&] { src.fill(); };
    Ends e(a, now_ns());
    x.go = true;
    due = now_ns();
    x.kick();
    while (now_ns() < e.warm) turn();
    x.timing = true;
    const uint64_t g0 = x.got;
    m.start();
    while (now_ns() < e.stop) turn();
    say("events", x.got - g0);
    x.go = x.timing = false;
    for (const uint64_t end = now_ns() + 3000000000ull; x.got < x.sent && now_ns() < end;) turn();
    x.lat.report("e2e");
    for (auto& r : readers) r->close();
    printf(" sent=%llu got=%llu disorder=%llu\n", static_cast<unsigned long long>(x.sent),
           static_cast<unsigned long long>(x.got), static_cast<unsigned long long>(x.disorder));
    fflush(stdout);
    _exit(x.got == x.sent && !x.disorder ? 0 : 3);
  }
  auto store = [&] {
    x.go = true;
    x.budget = events;
    const uint64_t want = x.settled + uint64_t(events);
    src.fill();
    for (const uint64_t end = now_ns() + 60000000000ull; x.settled < want && now_ns() < end;)
      turn();
    if (x.settled < want) die("events are not stored");
    x.go = false;
  };
  const double rss0 = double(m.rss_kb()) / 1024;
  store();
  const double rss1 = double(m.rss_kb()) / 1024;
  uint64_t rounds = 0, got = 0, missing = 0;
  Lat round;
  m.start();
  do {
    const uint64_t t = now_ns(), g0 = x.got;
    x.last.assign(x.devices, 0);
    attach("amqp.annotation.x-opt-offset > '-1'");
    uint64_t seen = x.got, since = t;
    while (x.got - g0 < uint64_t(events)) {
      turn();
      if (x.got != seen)
        seen = x.got, since = now_ns();
      else if (now_ns() - since > 2000000000ull)
        break;
    }
    round.add(now_ns() - t);
    got += x.got - g0, missing += std::max(g0 + uint64_t(events), x.got) - x.got, ++rounds;
    for (auto& r : readers) r->close();
    readers.clear();
    if (destructive && rounds < uint64_t(a.n("rounds", 1000000))) {
      m.pause();
      store();
      m.resume();
    }
  } while (rounds < uint64_t(a.n("rounds", 1000000)) &&
           now_ns() - m.t0 < uint64_t(a.n("secs", 4)) * 1000000000ull);
  say("catchup", got);
  round.report("round");
  printf(" rounds=%llu missing=%llu disorder=%llu rss0_mb=%.1f rss1_mb=%.1f b_per_event=%.0f\n",
         static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(missing),
         static_cast<unsigned long long>(x.disorder), rss0, rss1,
         (rss1 - rss0) * 1048576 / double(events));
  fflush(stdout);
  _exit(missing || x.disorder ? 3 : 0);
}

}  // namespace lb
