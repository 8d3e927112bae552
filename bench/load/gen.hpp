// What the commands of the load generator share: where to connect, how long to run, the count of
// messages under way, an AMQP sender, an HTTP client.
#pragma once
#include <deque>
#include <functional>
#include <memory>

#include "bench/load/lb.hpp"
#include "bench/load/meter.hpp"

namespace lb {

struct Target {
  sockaddr_in at;
  SSL_CTX* tls;
  std::string user, pass, prefix;
  Args& a;
  Target(Args& args, const char* port = "port")
      : at(addr_of(args.s("host", "127.0.0.1"), args.n(port, 1883))),
        tls(client_tls(args)),
        user(args.s("user")),
        pass(args.s("pass")),
        prefix(args.s("id", "dev")),
        a(args) {}
  std::string id(size_t i) const { return prefix + std::to_string(i); }
  // --pass, or a SAS token of --sas-key for the resource --sas-resource
  std::string pw(const std::string& id) const {
    return a.s("sas-key").empty() ? subst(pass, id)
                                  : sas(subst(a.s("sas-resource"), id), a.s("sas-key"), "");
  }
  std::string connect(const std::string& id, bool clean = true) const {
    return mqtt_connect(id, subst(user, id), pw(id), clean);
  }
};

struct Ends {
  uint64_t warm, stop;
  Ends(const Args& a, uint64_t n)
      : warm(n + uint64_t(a.n("warm", 2)) * 1000000000ull),
        stop(warm + uint64_t(a.n("secs", 5)) * 1000000000ull) {}
};

// ---- messages under way: who may send, what has arrived ---------------------------
struct C2d {
  size_t devices, window, max_pending;
  std::vector<uint32_t> pending;  // sent, not yet received, by device
  uint64_t sent = 0, settled = 0, bad = 0, got = 0;
  size_t unsettled = 0, next = 0;
  bool go = false, timing = false;
  std::vector<uint64_t> last;  // if not empty: the newest stamp received, by device
  uint64_t disorder = 0;       // stamps that were not newer
  long budget = -1;            // messages the rate limiter still allows; -1: no limiter
  Lat lat;
  C2d(Args& a)
      : devices(size_t(a.n("devices", 100))),
        window(size_t(a.n("window", 100))),
        max_pending(size_t(a.n("max-pending", 20))),
        pending(devices) {}
  std::function<void()> kick;
  bool may_send() const { return go && unsettled < window && budget != 0; }
  // the next device with room, or devices
  size_t pick() {
    for (size_t k = 0; k < devices; ++k) {
      size_t d = next;
      next = next + 1 == devices ? 0 : next + 1;
      if (pending[d] < max_pending) return d;
    }
    return devices;
  }
  void did_send(size_t d) {
    ++sent, ++unsettled, ++pending[d];
    if (budget > 0) --budget;
  }
  void received(const char* p, size_t n) {
    const char* m = find_stamp(p, n);
    if (!m) return;
    Stamp s;
    memcpy(&s, m, sizeof s);
    if (s.dev >= devices) return;
    ++got;
    if (pending[s.dev]) --pending[s.dev];
    if (!last.empty()) {
      if (s.ns <= last[s.dev]) ++disorder;
      last[s.dev] = s.ns;
    }
    if (timing) lat.add(now_ns() - s.ns);
  }
};
inline void stamp(char* at, size_t dev) {
  Stamp s;
  memcpy(s.magic, "PeRf", 4);
  s.dev = uint32_t(dev);
  s.ns = now_ns();
  memcpy(at, &s, sizeof s);
}

inline void amqp_login(AmqpConn& c, Args& a, const char* who, const std::string& id) {
  pn_connection_set_container(c.d.connection, id.c_str());
  pn_connection_set_hostname(c.d.connection, a.s("amqp-host", "localhost").c_str());
  std::string user = subst(a.s((std::string(who) + "-user").c_str()), id),
              pass = subst(a.s((std::string(who) + "-pass").c_str()), id);
  if (auto k = a.s((std::string(who) + "-sas-key").c_str()); !k.empty())
    pass = sas(subst(a.s((std::string(who) + "-sas-resource").c_str()), id), k,
               a.s((std::string(who) + "-sas-policy").c_str()));
  pn_sasl_t* s = pn_sasl(c.d.transport);
  pn_sasl_set_allow_insecure_mechs(s, true);
  pn_sasl_allowed_mechs(s, user.empty() ? "ANONYMOUS" : "PLAIN");
  if (!user.empty()) {
    pn_connection_set_user(c.d.connection, user.c_str());
    pn_connection_set_password(c.d.connection, pass.c_str());
  }
  pn_connection_open(c.d.connection);
}
inline void amqp_complain(pn_event_t* e) {
  auto say = [](const char* what, pn_condition_t* c) {
    die(std::string(what) + ": " + (pn_condition_get_name(c) ? pn_condition_get_name(c) : "?") +
        " " + (pn_condition_get_description(c) ? pn_condition_get_description(c) : ""));
  };
  switch (pn_event_type(e)) {
    case PN_TRANSPORT_ERROR:
      say("amqp transport", pn_transport_condition(pn_event_transport(e)));
      break;
    case PN_CONNECTION_REMOTE_CLOSE:
      say("amqp connection", pn_connection_remote_condition(pn_event_connection(e)));
      break;
    case PN_SESSION_REMOTE_CLOSE:
      say("amqp session", pn_session_remote_condition(pn_event_session(e)));
      break;
    case PN_LINK_REMOTE_CLOSE:
      say("amqp link", pn_link_remote_condition(pn_event_link(e)));
      break;
    default:
      break;
  }
}

struct AmqpSender : AmqpConn {
  C2d& x;
  std::vector<pn_link_t*> links;  // one, or one per device
  std::vector<std::string> msg;   // encoded template by device
  std::vector<size_t> body_at;
  size_t ready = 0;
  uint64_t tag = 0;
  bool filling = false;
  AmqpSender(Loop& l, C2d& c) : AmqpConn(l), x(c) {}
  void on_shut() override { die("amqp sender lost"); }
  void setup(Args& a, const Target& t) {
    amqp_login(*this, a, "send", a.s("send-id", "perf-sender"));
    pn_session_t* s = pn_session(d.connection);
    pn_session_set_incoming_capacity(s, 1 << 20);
    pn_session_open(s);
    const std::string addr = a.s("addr");
    const bool each = addr.find("{id}") != std::string::npos;
    for (size_t i = 0; i < (each ? x.devices : 1); ++i) {
      pn_link_t* l = pn_sender(s, ("s" + std::to_string(i)).c_str());
      pn_terminus_set_address(pn_link_target(l), subst(addr, t.id(i)).c_str());
      if (a.n("durable", 0)) pn_terminus_set_durability(pn_link_target(l), PN_DELIVERIES);
      pn_link_set_snd_settle_mode(l, PN_SND_UNSETTLED);
      pn_link_open(l);
      links.push_back(l);
    }
    const std::string body = body_of(size_t(a.n("size", 256)));
    for (size_t i = 0; i < x.devices; ++i) {
      pn_message_t* m = pn_message();
      if (a.n("durable", 0)) pn_message_set_durable(m, true);
      auto to = subst(a.s("to"), t.id(i)), subj = subst(a.s("subject"), t.id(i));
      if (!to.empty()) pn_message_set_address(m, to.c_str());
      if (!subj.empty()) pn_message_set_subject(m, subj.c_str());
      pn_data_put_binary(pn_message_body(m), pn_bytes(body.size(), body.data()));
      pn_message_set_inferred(m, true);
      std::string buf(body.size() + 1024, 0);
      size_t n = buf.size();
      if (pn_message_encode(m, buf.data(), &n)) die("encode");
      buf.resize(n);
      body_at.push_back(size_t(find_stamp(buf.data(), n) - buf.data()));
      msg.push_back(buf);
      pn_message_free(m);
    }
  }
  bool up() const { return ready == links.size(); }
  bool queue() {
    bool any = false;
    while (up() && x.may_send()) {
      size_t dv = x.pick();
      if (dv == x.devices) break;
      pn_link_t* l = links[links.size() == 1 ? 0 : dv];
      if (pn_link_credit(l) <= 0) {
        if (links.size() == 1) break;
        bool some = false;
        for (size_t i = 0; i < links.size() && !some; ++i)
          some = pn_link_credit(links[i]) > 0 && x.pending[i] < x.max_pending;
        if (!some) break;
        continue;
      }
      ++tag;
      pn_delivery_set_context(pn_delivery(l, pn_dtag(reinterpret_cast<char*>(&tag), sizeof tag)),
                              nullptr);
      stamp(msg[dv].data() + body_at[dv], dv);
      pn_link_send(l, msg[dv].data(), msg[dv].size());
      pn_link_advance(l);
      x.did_send(dv);
      any = true;
    }
    return any;
  }
  void fill() {
    if (filling) return;
    filling = true;
    if (queue()) pump();
    filling = false;
  }
  void on_event(pn_event_t* e) override {
    amqp_complain(e);
    switch (pn_event_type(e)) {
      case PN_LINK_REMOTE_OPEN:
        ++ready;
        break;
      case PN_LINK_FLOW:
        queue();
        break;
      case PN_DELIVERY: {
        pn_delivery_t* dl = pn_event_delivery(e);
        if (pn_delivery_updated(dl) && pn_delivery_remote_state(dl) &&
            !pn_delivery_get_context(dl)) {
          if (pn_delivery_remote_state(dl) != PN_ACCEPTED) ++x.bad;
          pn_delivery_set_context(dl, this);  // a second event for it must not count again
          pn_delivery_clear(dl);
          pn_delivery_settle(dl);
          ++x.settled;
          --x.unsettled;
          queue();
        }
        break;
      }
      default:
        break;
    }
  }
};

// ---- HTTP/1.1 client: one request at a time ------------------------------------------
struct HttpConn : Conn {
  using Conn::Conn;
  virtual void answer(int code, std::string_view head, std::string_view body) = 0;
  size_t on_data(const char* p, size_t n) override {
    std::string_view v(p, n);
    auto h = v.find("\r\n\r\n");
    if (h == v.npos) return 0;
    auto head = v.substr(0, h + 2);
    const int code = atoi(p + 9);
    size_t pos = h + 4;
    auto field = [&](const char* name) -> std::string_view {
      for (size_t i = head.find("\r\n"); i != head.npos; i = head.find("\r\n", i + 2))
        if (head.size() - i > strlen(name) + 2 &&
            !strncasecmp(head.data() + i + 2, name, strlen(name))) {
          auto b = i + 2 + strlen(name);
          return head.substr(b, head.find("\r\n", b) - b);
        }
      return {};
    };
    if (auto cl = field("content-length: "); !cl.empty()) {
      size_t len = strtoul(std::string(cl).c_str(), nullptr, 10);
      if (n < pos + len) return 0;
      answer(code, head, v.substr(pos, len));
      return pos + len;
    }
    if (!field("transfer-encoding: ").empty()) {
      std::string body;
      for (;;) {
        auto eol = v.find("\r\n", pos);
        if (eol == v.npos) return 0;
        size_t len = strtoul(std::string(v.substr(pos, eol - pos)).c_str(), nullptr, 16);
        if (n < eol + 2 + len + 2) return 0;
        body.append(v.substr(eol + 2, len));
        pos = eol + 2 + len + 2;
        if (!len) break;
      }
      answer(code, head, body);
      return pos;
    }
    answer(code, head, {});
    return pos;
  }
};

inline std::string http_request(const std::string& verb, const std::string& path,
                                const std::string& headers, const std::string& body) {
  std::string r = verb + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers;
  if (!body.empty()) r += "Content-Type: application/json\r\n";
  if (!body.empty() || verb[0] == 'P')
    r += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return r + "\r\n" + body;
}

// runs the loop until ok() or 20 s have passed
inline void await(Loop& loop, const std::function<bool()>& ok, const char* what) {
  const uint64_t end = now_ns() + 20000000000ull;
  while (!ok() && now_ns() < end) loop.once(100);
  if (!ok()) die(what);
}

// gen_start.cpp, gen_rpc.cpp, gen_events.cpp, gen_hubs.cpp
int cmd_storm(Args& a);
int cmd_startup(Args& a);
int cmd_twin(Args& a);
int cmd_rr(Args& a);
int cmd_desired(Args& a);
int cmd_method(Args& a);
int cmd_events(Args& a);
int cmd_hubs(Args& a);
int cmd_clock(Args& a);

}  // namespace lb
