// The control API.
//   hubs   W11  create N hubs, keep them idle, create and delete one more in a loop
//   clock  W12  fill queues with messages that will expire, advance the clock over all of them
#include "bench/load/gen.hpp"

namespace lb {

struct Caller : HttpConn {
  bool up = false, waiting = false;
  int code = 0;
  std::string body;
  using HttpConn::HttpConn;
  void on_open() override { up = true; }
  void on_shut() override { die("control connection closed"); }
  void answer(int c, std::string_view, std::string_view b) override {
    code = c;
    if (c >= 400) body = b;
    waiting = false;
  }
  void send(const std::string& r) {
    put(r.data(), r.size());
    waiting = true;
  }
  void call(const std::string& verb, const std::string& path, const std::string& headers,
            const std::string& json, uint64_t limit_s = 60) {
    send(http_request(verb, path, headers, json));
    const uint64_t end = now_ns() + limit_s * 1000000000ull;
    while (waiting && now_ns() < end) loop.once(100);
    if (waiting || code >= 400)
      die(verb + " " + path + ": " + (waiting ? "no answer" : std::to_string(code) + " " + body));
  }
};

static double rss_mb(const Meter& m) { return double(m.rss_kb()) / 1024; }

int cmd_hubs(Args& a) {
  Target t(a);
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  const size_t n = size_t(a.n("n", 1000));
  const std::string path = a.s("path", "/hubs/{id}"), json = a.s("body", "{}"),
                    headers = a.s("header").empty() ? "" : a.s("header") + "\r\n";
  const std::string prefix = a.s("id", "idle");
  Caller c(loop);
  c.dial(t.at, t.tls);
  await(
      loop, [&] { return c.up; }, "no control connection");
  auto name = [&](const std::string& kind, size_t i) {
    return subst(path, kind + std::to_string(i));
  };
  const double rss0 = rss_mb(m);
  const uint64_t t0 = now_ns();
  m.start();
  for (size_t i = 0; i < n; ++i) c.call("PUT", name(prefix, i), headers, json);
  const double create_us = (m.server().total() - m.s0.total()) * 1e6 / double(n),
               create_ms = double(now_ns() - t0) / 1e6 / double(n);
  const double hold = double(a.n("hold", 5));
  m.start();
  for (const uint64_t end = now_ns() + uint64_t(hold * 1e9); now_ns() < end;) loop.once(100);
  const double idle_ms = (m.server().total() - m.s0.total()) * 1e3 / hold, rss1 = rss_mb(m);
  Lat create, both;
  uint64_t ops = 0;
  m.start();
  for (const uint64_t end = now_ns() + uint64_t(a.n("secs", 4)) * 1000000000ull; now_ns() < end;
       ++ops) {
    const auto p = name("more", ops);
    const uint64_t t1 = now_ns();
    c.call("PUT", p, headers, json);
    create.add(now_ns() - t1);
    c.call("DELETE", p, headers, "");
    both.add(now_ns() - t1);
  }
  printf("w=hubs hubs=%zu rate=%.0f", n, double(ops) / (double(now_ns() - m.t0) / 1e9));
  m.report(double(ops));
  both.report("cycle");
  create.report("create");
  printf(
      " first_create_us=%.1f first_create_ms=%.3f rss0_mb=%.1f rss1_mb=%.1f kb_per_hub=%.2f "
      "idle_cpu_ms_per_s=%.2f",
      create_us, create_ms, rss0, rss1, (rss1 - rss0) * 1024 / double(n), idle_ms);
  if (!a.n("keep", 0)) {
    for (size_t i = 0; i < n; ++i) c.call("DELETE", name(prefix, i), headers, "");
    printf(" rss_after_mb=%.1f", rss_mb(m));
  }
  puts("");
  fflush(stdout);
  _exit(0);
}

int cmd_clock(Args& a) {
  Target t(a), ft(a, "fill-port");
  Loop loop;
  Meter m;
  m.target(a.s("pid"));
  const size_t timers = size_t(a.n("timers", 100000)), depth = size_t(a.n("depth", 50)),
               devices = (timers + depth - 1) / depth, conns = size_t(a.n("conns", 32));
  const std::string headers = a.s("header").empty() ? "" : a.s("header") + "\r\n";
  Caller c(loop);
  c.dial(t.at, t.tls);
  await(
      loop, [&] { return c.up; }, "no control connection");
  if (!a.s("device").empty())
    for (size_t i = 0; i < devices; ++i)
      c.call("PUT", subst(a.s("device"), t.id(i)), headers, a.s("device-body", "{}"));
  std::vector<std::unique_ptr<Caller>> fill;
  for (size_t i = 0; i < conns; ++i) {
    fill.push_back(std::make_unique<Caller>(loop));
    fill.back()->dial(ft.at, ft.tls);
    await(
        loop, [&] { return fill.back()->up; }, "no connection to fill by");
  }
  const std::string path = a.s("fill", "/devices/{id}/messages"),
                    json = a.s("fill-body", R"({"body":"x","expiry":"PT1H"})");
  const double rss0 = rss_mb(m);
  const uint64_t end = now_ns() + 120000000000ull;
  for (size_t sent = 0; sent < timers;) {
    for (auto& f : fill) {
      if (f->waiting || sent == timers) continue;
      if (f->code >= 400) die("fill: " + std::to_string(f->code) + " " + f->body);
      std::string b = json;  // "{n}": 0, 1, 2, ...: each timer its own instant
      if (auto k = b.find("{n}"); k != b.npos) b.replace(k, 3, std::to_string(sent));
      f->send(http_request("POST", subst(path, t.id(sent++ % devices)), headers, b));
    }
    loop.once(10);
    if (now_ns() > end) die("filling takes too long");
  }
  while (std::any_of(fill.begin(), fill.end(), [](auto& f) { return f->waiting; }) &&
         now_ns() < end)
    loop.once(10);
  const double rss1 = rss_mb(m);
  const uint64_t t0 = now_ns();
  m.start();
  c.call("POST", a.s("advance", "/clock/advance"), headers,
         a.s("advance-body", R"({"by":"PT2H","maxEvents":0})"), 110);
  const double ms = double(now_ns() - t0) / 1e6;
  printf("w=clock timers=%zu ms=%.2f", timers, ms);
  m.report(double(timers));
  const uint64_t t1 = now_ns();
  c.call("POST", a.s("advance", "/clock/advance"), headers, a.s("empty-body", R"({"by":"PT1H"})"),
         110);
  printf(" empty_ms=%.3f rss0_mb=%.1f rss1_mb=%.1f\n", double(now_ns() - t1) / 1e6, rss0, rss1);
  fflush(stdout);
  _exit(0);
}

}  // namespace lb
