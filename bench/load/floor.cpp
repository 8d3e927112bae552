// Floor server: what the wire work alone costs, the physical limit by which the emulator is judged.
// One thread, one epoll loop; no authentication, authorisation, lock, expiry, store or JSON.
// It answers CONNECT, SUBSCRIBE and PUBLISH, hands AMQP messages to MQTT subscribers or AMQP
// receivers through a queue in memory for each device, and answers HTTP with a constant.
// Twin requests and methods get the same bytes each time; a desired PATCH becomes a notification, a
// method call a request to the device and its answer the response. Events: floor_events.hpp.
//   floor --mqtt P [--mqtts P] [--amqp P] [--events P] [--http P] [--https P] [--cert F --key F]
#include <signal.h>

#include <deque>
#include <memory>
#include <unordered_map>

#include "bench/load/floor_events.hpp"
using namespace lb;

struct Sink {
  virtual ~Sink() = default;
  virtual bool deliver(const std::string& body) = 0;  // false: no room now
};
struct Device {
  std::deque<std::string> q;
  Sink* sink = nullptr;
  void push(std::string b) {
    if (q.empty() && sink && sink->deliver(b)) return;
    q.push_back(std::move(b));
  }
  void drain() {
    while (!q.empty() && sink && sink->deliver(q.front())) q.pop_front();
  }
};
static std::unordered_map<std::string, Device> devices;

struct Web;
static std::unordered_map<uint32_t, Web*> calls;  // methods under way, by request id
static void answer_call(uint32_t rid, std::string_view payload);

struct Mqtt : Conn, Sink {
  using Conn::Conn;
  static std::unordered_map<std::string, Mqtt*> online;
  std::string id, topic;
  Device* dev = nullptr;
  uint16_t pid = 0;
  int fly = 0;
  void on_shut() override {
    if (dev) dev->sink = nullptr;
    if (auto o = online.find(id); o != online.end() && o->second == this) online.erase(o);
    graves.push_back(this);
  }
  void publish(std::string_view t, std::string_view body) {
    auto m = mqtt_publish0(t, body);
    put(m.data(), m.size());
  }
  void request(std::string_view t, std::string_view body) {
    static const std::string twin =
        R"({"desired":{"temperature":10000000,"$version":2},"reported":{"temperature":10000000,"$version":1234567}})";
    const auto r = t.find("$rid=");
    if (r == t.npos) return;
    const std::string rid(t.substr(r));
    if (t.substr(8, 8) == "twin/GET")
      publish("$iothub/twin/res/200/?" + rid, twin);
    else if (t.substr(8, 10) == "twin/PATCH")
      publish("$iothub/twin/res/204/?" + rid + "&$version=1234567", {});
    else if (t.substr(8, 11) == "methods/res")
      answer_call(uint32_t(strtoul(rid.c_str() + 5, nullptr, 16)), body);
  }
  bool deliver(const std::string& b) override {
    if (fly >= 100) return false;
    size_t po, bo;
    std::string m = mqtt_publish(topic, b, po, bo);
    if (!++pid) pid = 1;
    m[po] = char(pid >> 8);
    m[po + 1] = char(pid & 255);
    put(m.data(), m.size());
    ++fly;
    return true;
  }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0, head = 0;
    bool room = false;
    for (size_t k; (k = mqtt_packet(p + u, n - u, head)); u += k) {
      const char* q = p + u;
      switch (uint8_t(*q) >> 4) {
        case 1: {
          const char* b = q + head + 10;
          id.assign(b + 2, be16(b));
          online[id] = this;
          put("\x20\x02\x00\x00", 4);
          break;
        }
        case 3: {
          size_t t = be16(q + head);
          const char ack[4] = {0x40, 2, q[head + 2 + t], q[head + 3 + t]};
          if ((*q >> 1) & 3) put(ack, 4);
          if (const std::string_view name(q + head + 2, t); name[0] == '$' || name[0] == 'e') {
            const size_t b = head + 2 + t + ((*q >> 1) & 3 ? 2 : 0);
            if (name[0] == '$')
              request(name, {q + b, k - b});
            else
              partitions[size_t(name[7] - '0') & 15].append({q + b, k - b});  // events/{p}/{id}
          }
          break;
        }
        case 4:
          --fly, room = true;
          break;
        case 8: {
          const char ack[5] = {char(0x90), 3, q[head], q[head + 1], 1};
          put(ack, 5);
          if (q[head + 4] == '$') break;
          topic = "devices/" + id + "/messages/devicebound/";
          dev = &devices[id];
          dev->sink = this;
          room = true;
          break;
        }
        case 12:
          put("\xd0\x00", 2);
          break;
        case 14:
          break;
        default:
          break;
      }
    }
    if (room && dev) dev->drain();
    return u;
  }
};

std::unordered_map<std::string, Mqtt*> Mqtt::online;

struct Amqp : AmqpConn {
  struct Flow {
    virtual ~Flow() = default;
    virtual void flow() = 0;  // the peer gave credit
  };
  struct Events : Flow, Partition::Reader {  // the events endpoint on Proton: what the library adds
                                             // to floor_events.hpp
    Amqp* c;
    pn_link_t* l;
    uint64_t tag = 0;
    Events(Amqp* a, pn_link_t* k, const std::string& source) : Reader(source), c(a), l(k) {}
    ~Events() override { leave(); }
    void flow() override { drain(); }
    void drain() override {
      const uint64_t before = next;
      for (; pn_link_credit(l) > 0 && next < part->end(); ++next) {
        next = std::max(next, part->first);
        const std::string& e = part->at(next);
        ++tag;
        pn_delivery_t* d = pn_delivery(l, pn_dtag(reinterpret_cast<char*>(&tag), sizeof tag));
        pn_link_send(l, e.data(), e.size());
        pn_link_advance(l);
        pn_delivery_settle(d);
      }
      if (next != before) c->wake();
    }
  };
  std::vector<std::unique_ptr<Events>> readers;
  struct Out : Sink, Flow {
    void flow() override { dev->drain(); }
    Amqp* c;
    pn_link_t* l;
    Device* dev;
    uint64_t tag = 0;
    bool deliver(const std::string& b) override {
      if (pn_link_credit(l) <= 0) return false;
      ++tag;
      pn_delivery(l, pn_dtag(reinterpret_cast<char*>(&tag), sizeof tag));
      pn_link_send(l, b.data(), b.size());
      pn_link_advance(l);
      c->wake();
      return true;
    }
  };
  std::vector<std::unique_ptr<Out>> outs;
  std::vector<char> buf = std::vector<char>(4096);
  bool busy = false, queued = false;
  static std::vector<Amqp*> pending;
  pn_message_t* msg = pn_message();
  explicit Amqp(Loop& l) : AmqpConn(l) {
    pn_transport_set_server(d.transport);
    pn_sasl_allowed_mechs(pn_sasl(d.transport), "ANONYMOUS");
    pn_transport_require_auth(d.transport, false);
    pn_transport_set_max_frame(d.transport, 65536);
  }
  ~Amqp() override { pn_message_free(msg); }
  void wake() {
    if (!busy && !queued) queued = true, pending.push_back(this);
  }
  void on_shut() override {
    for (auto& o : outs) o->dev->sink = nullptr;
    readers.clear();
    std::erase(pending, this);
    graves.push_back(this);
  }
  size_t on_data(const char* p, size_t n) override {
    busy = true;
    AmqpConn::on_data(p, n);
    busy = false;
    run_pending();
    return n;
  }
  static void run_pending() {
    while (!pending.empty()) {
      Amqp* a = pending.back();
      pending.pop_back();
      a->queued = false;
      a->pump();
    }
  }
  void on_event(pn_event_t* e) override {
    switch (pn_event_type(e)) {
      case PN_CONNECTION_REMOTE_OPEN:
        pn_connection_open(pn_event_connection(e));
        break;
      case PN_SESSION_REMOTE_OPEN:
        pn_session_open(pn_event_session(e));
        break;
      case PN_LINK_REMOTE_OPEN: {
        pn_link_t* l = pn_event_link(e);
        pn_terminus_copy(pn_link_source(l), pn_link_remote_source(l));
        pn_terminus_copy(pn_link_target(l), pn_link_remote_target(l));
        pn_link_open(l);
        if (pn_link_is_receiver(l)) {
          pn_link_flow(l, 1000);
        } else if (const char* source = pn_terminus_get_address(pn_link_remote_source(l));
                   source && strstr(source, "Partitions/")) {
          pn_data_t* filter = pn_terminus_filter(pn_link_remote_source(l));
          char text[256] = {};
          size_t n = sizeof text - 1;
          pn_data_format(filter, text, &n);
          readers.push_back(std::make_unique<Events>(this, l, std::string(source) + text));
          pn_link_set_snd_settle_mode(l, PN_SND_SETTLED);
          pn_link_set_context(l, static_cast<Flow*>(readers.back().get()));
        } else {
          auto o = std::make_unique<Out>();
          o->c = this, o->l = l;
          const char* addr = pn_terminus_get_address(pn_link_remote_source(l));
          o->dev = &devices[addr ? addr : ""];
          o->dev->sink = o.get();
          pn_link_set_context(l, static_cast<Flow*>(o.get()));
          outs.push_back(std::move(o));
        }
        break;
      }
      case PN_LINK_FLOW:
        if (auto* o = static_cast<Flow*>(pn_link_get_context(pn_event_link(e)))) o->flow();
        break;
      case PN_DELIVERY: {
        pn_delivery_t* dl = pn_event_delivery(e);
        pn_link_t* l = pn_delivery_link(dl);
        if (pn_link_is_sender(l)) {
          if (pn_delivery_updated(dl)) pn_delivery_settle(dl);
          break;
        }
        if (!pn_delivery_readable(dl) || pn_delivery_partial(dl)) break;
        size_t n = pn_delivery_pending(dl);
        if (n > buf.size()) buf.resize(n);
        ssize_t k = pn_link_recv(l, buf.data(), n);
        pn_link_advance(l);
        if (k > 0) {  // decode fully, as a broker that reads "to" must
          pn_message_decode(msg, buf.data(), size_t(k));
          const char* to = pn_message_get_address(msg);
          Device& dev = devices[to ? to : ""];
          if (dynamic_cast<Out*>(dev.sink)) {
            dev.push(std::string(buf.data(), size_t(k)));
          } else {
            pn_data_t* b = pn_message_body(msg);
            pn_data_rewind(b);
            pn_data_next(b);
            pn_bytes_t by = pn_data_get_binary(b);
            dev.push(std::string(by.start, by.size));
          }
        }
        pn_delivery_update(dl, PN_ACCEPTED);
        pn_delivery_settle(dl);
        if (pn_link_credit(l) <= 500) pn_link_flow(l, 1000 - pn_link_credit(l));
        break;
      }
      case PN_LINK_REMOTE_CLOSE:
        pn_link_close(pn_event_link(e));
        break;
      case PN_SESSION_REMOTE_CLOSE:
        pn_session_close(pn_event_session(e));
        break;
      case PN_CONNECTION_REMOTE_CLOSE:
        pn_connection_close(pn_event_connection(e));
        break;
      default:
        break;
    }
  }
};
std::vector<Amqp*> Amqp::pending;

struct Web : Conn {
  using Conn::Conn;
  static uint32_t rid;
  void on_shut() override {
    std::erase_if(calls, [this](auto& c) { return c.second == this; });
    graves.push_back(this);
  }
  void ok(std::string_view body) {
    char head[96];
    put(head,
        size_t(snprintf(
            head, sizeof head,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
            body.size())));
    put(body.data(), body.size());
  }
  size_t on_data(const char* p, size_t n) override {
    static const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    std::string_view v(p, n);
    size_t u = 0;
    for (size_t h; (h = v.find("\r\n\r\n", u)) != v.npos;) {
      size_t body = 0;
      if (v[u] == 'P') {
        auto c = v.find("Content-Length: ", u);
        if (c < h) body = strtoul(p + c + 16, nullptr, 10);
        if (n < h + 4 + body) break;
      }
      const auto head = v.substr(u, h - u);
      u = h + 4 + body;
      if (head[0] != 'P' || !service(head, v.substr(h + 4, body))) put(ok.data(), ok.size());
    }
    return u;
  }
  // PATCH /twins/{id}, POST /twins/{id}/methods; else false
  bool service(std::string_view head, std::string_view body) {
    const auto t = head.find(" /twins/");
    if (t > 6) return false;
    const auto e = head.find_first_of("/?", t + 8);
    const auto to = Mqtt::online.find(std::string(head.substr(t + 8, e - t - 8)));
    if (to == Mqtt::online.end()) return false;
    if (head[1] == 'A') {  // {"properties":{"desired":{...}}} -> {...,"$version":n}
      const auto d = body.find("\"desired\":");
      to->second->publish(
          "$iothub/twin/PATCH/properties/desired/?$version=1234567",
          std::string(body.substr(d + 10, body.size() - d - 13)) + R"(,"$version":1234567})");
      ok(twin());
    } else {  // {"methodName":"m","payload":...,"responseTimeoutInSeconds":30}
      char topic[64];
      const auto b = body.find("\"payload\":") + 10, end = body.rfind(",\"response");
      calls[++rid] = this;
      to->second->publish(
          {topic, size_t(snprintf(topic, sizeof topic, "$iothub/methods/POST/m/?$rid=%x", rid))},
          body.substr(b, end - b));
    }
    return true;
  }
  static const std::string& twin() {  // as long as one with a property on each side
    static const std::string text = [] {
      const std::string time = R"("$lastUpdated":"2026-01-02T03:04:05.6789012Z")",
                        version = R"(,"$lastUpdatedVersion":1234567)";
      return R"({"deviceId":"dev00","etag":"AAAAAAAAAAE=","deviceEtag":"NTgwMDg5MDAz","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Connected","lastActivityTime":"2026-01-02T03:04:05.6789012Z","cloudToDeviceMessageCount":0,"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},"modelId":"","version":1234567,"properties":{"desired":{"temperature":10000000,"$metadata":{)" +
             time + version + R"(,"temperature":{)" + time + version +
             R"(}},"$version":1234567},"reported":{"$metadata":{)" + time +
             R"(},"$version":1}},"capabilities":{"iotEdge":false}})";
    }();
    return text;
  }
};
uint32_t Web::rid;

static void answer_call(uint32_t rid, std::string_view payload) {
  const auto c = calls.find(rid);
  if (c == calls.end()) return;
  c->second->ok(R"({"status":200,"payload":)" + std::string(payload) + "}");
  calls.erase(c);
}

template <class T>
struct Listen : Handler {
  Loop& loop;
  SSL_CTX* tls;
  int fd;
  Listen(Loop& l, long port, SSL_CTX* t) : loop(l), tls(t) {
    fd = nonblock(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    auto a = addr_of("127.0.0.1", port);
    if (bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(fd, 1024)) die("listen");
    loop.add(fd, EPOLLIN, this);
  }
  void on_io(uint32_t) override {
    for (int s; (s = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
      (new T(loop))->adopt(s, tls);
  }
};

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  Args a(argc - 1, argv + 1);
  Loop loop;
  SSL_CTX* tls = a.s("cert").empty() ? nullptr : server_tls(a.s("cert"), a.s("key"));
  if (long p = a.n("mqtt", 0)) new Listen<Mqtt>(loop, p, nullptr);
  if (long p = a.n("mqtts", 0)) new Listen<Mqtt>(loop, p, tls);
  if (long p = a.n("amqp", 0)) new Listen<Amqp>(loop, p, nullptr);
  if (long p = a.n("events", 0)) new Listen<EventReader>(loop, p, nullptr);
  if (long p = a.n("http", 0)) new Listen<Web>(loop, p, nullptr);
  if (long p = a.n("https", 0)) new Listen<Web>(loop, p, tls);
  for (;;) {
    loop.once(1000);
    Amqp::run_pending();
    for (Conn* c : graves) delete c;
    graves.clear();
  }
}
