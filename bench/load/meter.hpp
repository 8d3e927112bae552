// What a run costs: CPU time and memory of the server and the generator, from /proc, and latencies.
#pragma once
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "bench/load/lb.hpp"

namespace lb {

struct CpuUse {
  double user = 0, sys = 0;
  double total() const { return user + sys; }
};

inline CpuUse cpu_of(int pid) {
  std::ifstream f("/proc/" + std::to_string(pid) + "/stat");
  std::string s;
  std::getline(f, s);
  auto p = s.rfind(')');
  if (p == std::string::npos) return {};
  unsigned long u = 0, k = 0;
  sscanf(s.c_str() + p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k);
  const double hz = double(sysconf(_SC_CLK_TCK));
  return {double(u) / hz, double(k) / hz};
}

inline long status_kb(int pid, const char* key) {
  std::ifstream f("/proc/" + std::to_string(pid) + "/status");
  for (std::string l; std::getline(f, l);)
    if (l.rfind(key, 0) == 0) return strtol(l.c_str() + strlen(key) + 1, nullptr, 10);
  return 0;
}

// pid and all of its descendants
inline std::vector<int> family(const std::vector<int>& roots) {
  std::multimap<int, int> kids;
  if (DIR* d = opendir("/proc")) {
    while (dirent* e = readdir(d)) {
      int p = atoi(e->d_name);
      if (p > 0) kids.emplace(int(status_kb(p, "PPid:")), p);
    }
    closedir(d);
  }
  std::vector<int> all = roots;
  for (size_t i = 0; i < all.size(); ++i) {
    auto r = kids.equal_range(all[i]);
    for (auto k = r.first; k != r.second; ++k) all.push_back(k->second);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

struct Meter {
  std::vector<int> pids;
  uint64_t t0 = 0;
  CpuUse s0, g0;
  double all0 = 0, steal0 = 0;

  void target(const std::string& list) {
    std::vector<int> roots;
    for (size_t i = 0; i < list.size();) {
      roots.push_back(atoi(list.c_str() + i));
      auto c = list.find(',', i);
      if (c == std::string::npos) break;
      i = c + 1;
    }
    if (!roots.empty()) pids = family(roots);
  }
  CpuUse server() const {
    CpuUse r;
    for (int p : pids) {
      auto c = cpu_of(p);
      r.user += c.user;
      r.sys += c.sys;
    }
    return r;
  }
  long rss_kb() const {
    long r = 0;
    for (int p : pids) r += status_kb(p, "VmRSS:");
    return r;
  }
  static void machine(double& busy, double& steal) {
    std::ifstream f("/proc/stat");
    std::string cpu;
    double u, n, s, i, w, q, sq, st;
    f >> cpu >> u >> n >> s >> i >> w >> q >> sq >> st;
    busy = (u + n + s + q + sq) / 100.0;
    steal = st / 100.0;
  }
  void start() {
    s0 = server();
    g0 = cpu_of(getpid());
    machine(all0, steal0);
    t0 = now_ns();
  }
  // what happens between pause() and resume() is left out
  Meter* held = nullptr;
  void pause() {
    held = new Meter(*this);
    held->start();
  }
  void resume() {
    Meter n(*this);
    n.start();
    s0.user += n.s0.user - held->s0.user, s0.sys += n.s0.sys - held->s0.sys;
    g0.user += n.g0.user - held->g0.user, g0.sys += n.g0.sys - held->g0.sys;
    all0 += n.all0 - held->all0, steal0 += n.steal0 - held->steal0, t0 += n.t0 - held->t0;
    delete held;
    held = nullptr;
  }
  // prints the common tail: server us/op, shares, noise
  void report(double ops) const {
    const double dt = double(now_ns() - t0) / 1e9;
    const CpuUse s = server(), g = cpu_of(getpid());
    double all1, st1;
    machine(all1, st1);
    const double sc = s.total() - s0.total(), gc = g.total() - g0.total();
    const double o = ops > 0 ? ops : 1;
    printf(
        " srv_us=%.2f srv_user_us=%.2f srv_sys_us=%.2f srv_cpu=%.2f gen_us=%.2f gen_cpu=%.2f "
        "other_cpu=%.2f steal=%.2f rss_mb=%.1f",
        sc * 1e6 / o, (s.user - s0.user) * 1e6 / o, (s.sys - s0.sys) * 1e6 / o, sc / dt,
        gc * 1e6 / o, gc / dt, std::max(0.0, (all1 - all0 - sc - gc) / dt), (st1 - steal0) / dt,
        double(rss_kb()) / 1024.0);
  }
};

struct Lat {
  std::vector<uint32_t> us10;  // tenths of a microsecond
  void add(uint64_t ns) {
    if (us10.size() < 4000000) us10.push_back(uint32_t(std::min<uint64_t>(ns / 100, UINT32_MAX)));
  }
  void report(const char* name) {
    if (us10.empty()) return;
    std::sort(us10.begin(), us10.end());
    auto q = [&](double p) { return us10[size_t(p * double(us10.size() - 1))] / 10.0; };
    printf(" %s_p50_us=%.0f %s_p99_us=%.0f %s_max_us=%.0f", name, q(.5), name, q(.99), name, q(1));
  }
};

}  // namespace lb
