// Connections and starts.
//   storm    W5  so many MQTT connections, a few at a time; then their memory
//   startup  W6  fork and exec of a server until its first answer in MQTT, AMQP or HTTP
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/load/gen.hpp"

namespace lb {

struct Knock : Conn {
  std::string hello;
  bool up = false;
  size_t *done, *lost;
  uint64_t t = 0;
  Lat& lat;
  Knock(Loop& l, size_t* d, size_t* x, Lat& la) : Conn(l), done(d), lost(x), lat(la) {}
  void on_open() override { put(hello.data(), hello.size()); }
  void on_shut() override { ++*lost; }
  size_t on_data(const char* p, size_t n) override {
    if (n < 4) return 0;
    if (p[0] != 0x20 || p[3]) die("CONNACK refused");
    if (!up) ++*done, up = true, lat.add(now_ns() - t);
    return n;
  }
};
int cmd_storm(Args& a) {
  Target t(a);
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  const size_t n = size_t(a.n("clients", 2000)), conc = size_t(a.n("conc", 64));
  size_t done = 0, lost = 0;
  Lat lat;
  std::vector<std::unique_ptr<Knock>> c;
  c.reserve(n);
  const long rss0 = m.rss_kb();
  m.start();
  while (done + lost < n) {
    while (c.size() < n && c.size() - done - lost < conc) {
      auto k = std::make_unique<Knock>(loop, &done, &lost, lat);
      k->hello = t.connect(t.id(c.size()));
      k->t = now_ns();
      k->dial(t.at, t.tls);
      c.push_back(std::move(k));
    }
    loop.once(100);
    if (now_ns() - m.t0 > 120000000000ull) die("storm takes too long");
  }
  const double dt = double(now_ns() - m.t0) / 1e9;
  printf("w=storm conns=%zu lost=%zu rate=%.0f", done, lost, double(done) / dt);
  m.report(double(done));
  lat.report("conn");
  for (uint64_t end = now_ns() + uint64_t(a.n("hold", 2)) * 1000000000ull; now_ns() < end;)
    loop.once(100);
  printf(" rss0_mb=%.1f rss1_mb=%.1f kb_per_conn=%.2f\n", double(rss0) / 1024,
         double(m.rss_kb()) / 1024, double(m.rss_kb() - rss0) / double(n));
  fflush(stdout);
  _exit(0);
}

struct Probe : Conn {
  std::string ask;
  bool ok = false, dead = false;
  explicit Probe(Loop& l) : Conn(l) {}
  void on_open() override { put(ask.data(), ask.size()); }
  void on_shut() override { dead = true; }
  size_t on_data(const char* p, size_t n) override {
    if (n >= 4 && ((uint8_t(p[0]) == 0x20 && !p[3]) || !memcmp(p, "HTTP", 4))) ok = true;
    return n;
  }
};
struct AmqpProbe : AmqpConn {
  bool ok = false, dead = false;
  explicit AmqpProbe(Loop& l) : AmqpConn(l) {}
  void on_shut() override { dead = true; }
  void on_event(pn_event_t* e) override {
    if (pn_event_type(e) == PN_CONNECTION_REMOTE_OPEN) ok = true;
    if (pn_event_type(e) == PN_TRANSPORT_CLOSED && !ok) dead = true;
  }
};
int cmd_startup(Args& a) {
  Target t(a);
  Loop loop;
  const std::string proto = a.s("proto", "mqtt");
  const uint64_t t0 = now_ns();
  const pid_t kid = fork();
  if (!kid) {
    setsid();
    int z = open("/dev/null", O_RDWR);
    dup2(z, 0), dup2(z, 1), dup2(z, 2);
    std::vector<char*> v;
    for (auto& s : a.rest) v.push_back(s.data());
    v.push_back(nullptr);
    execvp(v[0], v.data());
    _exit(127);
  }
  uint64_t t_tcp = 0;
  bool ok = false;
  const uint64_t end = t0 + 90000000000ull;
  while (!ok && now_ns() < end) {
    bool dead = false;
    const uint64_t give_up = now_ns() + 3000000000ull;
    if (proto == "amqp") {
      AmqpProbe p(loop);
      amqp_login(p, a, "send", "probe");
      p.dial(t.at, t.tls);
      while (!p.ok && !p.dead && now_ns() < give_up) loop.once(1);
      ok = p.ok, dead = !ok;
    } else {
      Probe p(loop);
      p.ask = proto == "mqtt" ? t.connect("probe")
                              : "GET " + a.s("get", "/") +
                                    " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
      p.dial(t.at, t.tls);
      while (!p.ok && !p.dead && now_ns() < give_up) {
        if (p.open && !t_tcp) t_tcp = now_ns();
        loop.once(1);
      }
      ok = p.ok, dead = !ok;
    }
    if (dead) usleep(500);
  }
  const double ms = double(now_ns() - t0) / 1e6;
  Meter m;
  m.target(std::to_string(kid));
  const double cpu = m.server().total();
  const long r0 = m.rss_kb();
  usleep(useconds_t(a.n("settle-ms", 2000)) * 1000);
  m.target(std::to_string(kid));
  printf("w=startup ok=%d ms=%.1f cpu_ms=%.0f rss_mb=%.1f rss_settled_mb=%.1f procs=%zu\n", ok, ms,
         cpu * 1e3, double(r0) / 1024, double(m.rss_kb()) / 1024, m.pids.size());
  fflush(stdout);
  auto all = m.pids;
  for (int p : all) kill(p, SIGTERM);
  for (int i = 0; i < 300 && waitpid(kid, nullptr, WNOHANG) == 0; ++i) usleep(20000);
  for (int p : all)
    if (p > 1 && getsid(p) == kid) kill(p, SIGKILL);
  waitpid(kid, nullptr, WNOHANG);
  return !ok;
}

}  // namespace lb
