// What the load generator and the floor server share: one epoll loop, non-blocking (TLS)
// connections, MQTT framing, an AMQP engine on Proton's connection driver. One thread only.
#pragma once
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/delivery.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/message.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/transport.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lb {

inline uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1000000000ull + uint64_t(t.tv_nsec);
}

[[noreturn]] inline void die(const std::string& m) {
  fprintf(stderr, "FATAL %s\n", m.c_str());
  _exit(2);
}

// ---- arguments: --key value; everything after "--" is kept in rest ----------
struct Args {
  std::map<std::string, std::string> kv;
  std::vector<std::string> rest;
  Args(int n, char** v) {
    for (int i = 0; i < n; ++i) {
      std::string a = v[i];
      if (a == "--") {
        for (++i; i < n; ++i) rest.push_back(v[i]);
      } else if (a.rfind("--", 0) == 0) {
        if (i + 1 >= n) die("no value for " + a);
        kv[a.substr(2)] = v[++i];
      } else {
        rest.push_back(a);
      }
    }
  }
  std::string s(const char* k, const char* d = "") const {
    auto i = kv.find(k);
    return i == kv.end() ? d : i->second;
  }
  long n(const char* k, long d) const {
    auto i = kv.find(k);
    return i == kv.end() ? d : strtol(i->second.c_str(), nullptr, 10);
  }
};

inline std::string subst(std::string t, const std::string& id) {
  for (size_t p; (p = t.find("{id}")) != std::string::npos;) t.replace(p, 4, id);
  return t;
}

// ---- loop -------------------------------------------------------------------
struct Handler {
  virtual ~Handler() = default;
  virtual void on_io(uint32_t ev) = 0;
};

struct Conn;
struct Loop {
  int ep = epoll_create1(EPOLL_CLOEXEC);
  std::vector<char> rbuf = std::vector<char>(65536);
  std::vector<Conn*> dirty;
  void add(int fd, uint32_t ev, Handler* h) {
    epoll_event e{};
    e.events = ev;
    e.data.ptr = h;
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl add");
  }
  void mod(int fd, uint32_t ev, Handler* h) {
    epoll_event e{};
    e.events = ev;
    e.data.ptr = h;
    epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
  }
  void once(int ms);
  void flush_dirty();
};

inline int nonblock(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

inline sockaddr_in addr_of(const std::string& ip, long port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(uint16_t(port));
  if (inet_pton(AF_INET, ip.c_str(), &a.sin_addr) != 1) die("address " + ip);
  if ((ntohl(a.sin_addr.s_addr) >> 24) != 127) die("loopback only: " + ip);
  return a;
}

struct Conn : Handler {
  Loop& loop;
  int fd = -1;
  SSL* ssl = nullptr;
  bool opening = false, open = false, is_dirty = false, want_out = false;
  std::string out, in;
  size_t off = 0;

  explicit Conn(Loop& l) : loop(l) {}
  ~Conn() override { shut(false); }

  virtual void on_open() {}
  virtual size_t on_data(const char* p, size_t n) = 0;  // bytes consumed
  virtual void on_shut() {}

  void dial(const sockaddr_in& a, SSL_CTX* tls) {
    fd = nonblock(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    linger lg{1, 0};  // reset on close: no TIME_WAIT left behind
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    opening = true;
    if (tls) {
      ssl = SSL_new(tls);
      SSL_set_fd(ssl, fd);
      SSL_set_connect_state(ssl);
      // The macro SSL_set_tlsext_host_name casts in the old style.
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>("localhost"));
    }
    if (connect(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) && errno != EINPROGRESS) {
      shut(true);
      return;
    }
    want_out = true;
    loop.add(fd, EPOLLIN | EPOLLOUT, this);
  }
  void adopt(int s, SSL_CTX* tls) {
    fd = nonblock(s);
    opening = true;
    if (tls) {
      ssl = SSL_new(tls);
      SSL_set_fd(ssl, fd);
      SSL_set_accept_state(ssl);
    }
    loop.add(fd, EPOLLIN, this);
    if (!tls) opened();
  }
  void opened() {
    opening = false;
    open = true;
    on_open();
  }
  void put(const void* p, size_t n) {
    out.append(static_cast<const char*>(p), n);
    mark();
  }
  void mark() {
    if (!is_dirty) {
      is_dirty = true;
      loop.dirty.push_back(this);
    }
  }
  void arm(bool w) {
    if (w == want_out || fd < 0) return;
    want_out = w;
    loop.mod(fd, w ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }
  void flush() {
    is_dirty = false;
    if (!open || fd < 0) return;
    while (off < out.size()) {
      ssize_t k;
      if (ssl) {
        ERR_clear_error();
        k = SSL_write(ssl, out.data() + off, int(out.size() - off));
        if (k <= 0) {
          int e = SSL_get_error(ssl, int(k));
          if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) return arm(true);
          return shut(true);
        }
      } else {
        k = ::send(fd, out.data() + off, out.size() - off, MSG_NOSIGNAL);
        if (k < 0) {
          if (errno == EAGAIN) return arm(true);
          if (errno == EINTR) continue;
          return shut(true);
        }
      }
      off += size_t(k);
    }
    out.clear();
    off = 0;
    arm(false);
  }
  void feed(const char* p, size_t n) {
    if (in.empty()) {
      size_t u = on_data(p, n);
      if (u < n && fd >= 0) in.assign(p + u, n - u);
    } else {
      in.append(p, n);
      size_t u = on_data(in.data(), in.size());
      in.erase(0, u);
    }
  }
  void on_io(uint32_t ev) override {
    if (opening) {
      if (!ssl || (ev & (EPOLLERR | EPOLLHUP))) {
        int e = 0;
        socklen_t l = sizeof e;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &l);
        if (e || (ev & EPOLLHUP)) return shut(true);
      }
      if (ssl) {
        ERR_clear_error();
        int r = SSL_do_handshake(ssl);
        if (r != 1) {
          int e = SSL_get_error(ssl, r);
          if (e == SSL_ERROR_WANT_READ) return arm(false);
          if (e == SSL_ERROR_WANT_WRITE) return arm(true);
          return shut(true);
        }
      }
      arm(false);
      opened();
      if (fd < 0) return;
      if (!ssl) return;  // a TLS read may already hold data
    }
    if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      if (ssl) {
        for (;;) {
          ERR_clear_error();
          int k = SSL_read(ssl, loop.rbuf.data(), int(loop.rbuf.size()));
          if (k > 0) {
            feed(loop.rbuf.data(), size_t(k));
            if (fd < 0) return;
            if (k < 4096 && !SSL_pending(ssl)) break;
            continue;
          }
          int e = SSL_get_error(ssl, k);
          if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) break;
          return shut(true);
        }
      } else {
        ssize_t k = ::recv(fd, loop.rbuf.data(), loop.rbuf.size(), 0);
        if (k > 0) {
          feed(loop.rbuf.data(), size_t(k));
        } else if (k == 0 || (errno != EAGAIN && errno != EINTR)) {
          return shut(true);
        }
      }
    }
    if (fd >= 0 && (ev & EPOLLOUT)) mark();
  }
  void shut(bool notify) {
    if (fd < 0) return;
    if (ssl) SSL_free(ssl), ssl = nullptr;
    ::close(fd);
    fd = -1;
    open = opening = false;
    if (is_dirty) {
      auto& d = loop.dirty;
      std::replace(d.begin(), d.end(), this, static_cast<Conn*>(nullptr));
      is_dirty = false;
    }
    if (notify) on_shut();
  }
};

inline void Loop::flush_dirty() {
  for (size_t i = 0; i < dirty.size(); ++i)
    if (dirty[i]) dirty[i]->flush();
  dirty.clear();
}
inline void Loop::once(int ms) {
  flush_dirty();
  epoll_event ev[256];
  int n = epoll_wait(ep, ev, 256, ms);
  for (int i = 0; i < n; ++i) {
    static_cast<Handler*>(ev[i].data.ptr)->on_io(ev[i].events);
    flush_dirty();
  }
}

inline SSL_CTX* client_tls(const Args& a) {
  std::string t = a.s("tls");
  if (t.empty()) return nullptr;
  SSL_CTX* c = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(c, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
  if (t == "1.2") SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
  if (t == "1.3") SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
  return c;
}
inline SSL_CTX* server_tls(const std::string& cert, const std::string& key) {
  SSL_CTX* c = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(c, cert.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(c, key.c_str(), SSL_FILETYPE_PEM) != 1)
    die("certificate");
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(c, 0);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
  return c;
}

// ---- IoT Hub shared access signature (for the emulator's runs) ----------------
inline std::string b64(const unsigned char* p, size_t n) {
  std::string o(4 * ((n + 2) / 3) + 1, 0);
  o.resize(size_t(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(o.data()), p, int(n))));
  return o;
}
inline std::string pct(const std::string& s) {
  std::string o;
  char b[4];
  for (unsigned char c : s)
    if (isalnum(c) || strchr("-_.~", c))
      o += char(c);
    else
      snprintf(b, sizeof b, "%%%02X", c), o += b;
  return o;
}
inline std::string sas(const std::string& resource, const std::string& key64,
                       const std::string& policy) {
  std::vector<unsigned char> key(key64.size());
  int n = EVP_DecodeBlock(key.data(), reinterpret_cast<const unsigned char*>(key64.data()),
                          int(key64.size()));
  for (size_t i = key64.size(); n > 0 && i > 0 && key64[i - 1] == '='; --i) --n;
  const std::string se = std::to_string(time(nullptr) + 86400), sr = pct(resource),
                    msg = sr + "\n" + se;
  unsigned char mac[32];
  unsigned ml = 0;
  HMAC(EVP_sha256(), key.data(), n, reinterpret_cast<const unsigned char*>(msg.data()), msg.size(),
       mac, &ml);
  return "SharedAccessSignature sr=" + sr + "&sig=" + pct(b64(mac, ml)) + "&se=" + se +
         (policy.empty() ? "" : "&skn=" + policy);
}

// ---- MQTT 3.1.1 framing -------------------------------------------------------
inline void put_len(std::string& o, size_t n) {
  do {
    unsigned char b = n & 127;
    n >>= 7;
    o += char(n ? b | 128 : b);
  } while (n);
}
inline void put_str(std::string& o, std::string_view s) {
  o += char(s.size() >> 8);
  o += char(s.size() & 255);
  o += s;
}
inline std::string mqtt_connect(const std::string& id, const std::string& user,
                                const std::string& pass, bool clean) {
  std::string b;
  put_str(b, "MQTT");
  b += char(4);
  b += char((clean ? 2 : 0) | (user.empty() ? 0 : 0x80) | (pass.empty() ? 0 : 0x40));
  b += char(0);
  b += char(240);  // keep-alive 240 s: no pings inside a run
  put_str(b, id);
  if (!user.empty()) put_str(b, user);
  if (!pass.empty()) put_str(b, pass);
  std::string o(1, char(0x10));
  put_len(o, b.size());
  return o + b;
}
inline std::string mqtt_subscribe(uint16_t pid, const std::string& filter, int qos) {
  std::string b{char(pid >> 8), char(pid & 255)};
  put_str(b, filter);
  b += char(qos);
  std::string o(1, char(0x82));
  put_len(o, b.size());
  return o + b;
}
inline std::string mqtt_publish0(std::string_view topic, std::string_view body) {
  std::string o(1, char(0x30));
  put_len(o, 2 + topic.size() + body.size());
  put_str(o, topic);
  return o += body;
}
// QoS 1 publish; pid_off and body_off tell where to patch the packet id and payload
inline std::string mqtt_publish(const std::string& topic, std::string_view body, size_t& pid_off,
                                size_t& body_off) {
  std::string o(1, char(0x32));
  put_len(o, 2 + topic.size() + 2 + body.size());
  put_str(o, topic);
  pid_off = o.size();
  o += std::string(2, 0);
  body_off = o.size();
  o += body;
  return o;
}
// whole packet at p? total length, else 0
inline size_t mqtt_packet(const char* p, size_t n, size_t& head) {
  size_t len = 0, shift = 0;
  for (size_t i = 1; i < n && i < 5; ++i) {
    len |= size_t(p[i] & 127) << shift;
    shift += 7;
    if (!(p[i] & 128)) {
      head = i + 1;
      return head + len <= n ? head + len : 0;
    }
  }
  return 0;
}
inline uint16_t be16(const char* p) { return uint16_t(uint8_t(p[0]) << 8 | uint8_t(p[1])); }

// ---- AMQP 1.0 on Proton's connection driver -----------------------------------
struct AmqpConn : Conn {
  pn_connection_driver_t d{};
  explicit AmqpConn(Loop& l) : Conn(l) {
    if (pn_connection_driver_init(&d, nullptr, nullptr)) die("proton");
  }
  ~AmqpConn() override { pn_connection_driver_destroy(&d); }
  virtual void on_event(pn_event_t* e) = 0;
  void on_open() override { pump(); }
  size_t on_data(const char* p, size_t n) override {
    size_t u = 0;
    for (int stuck = 0; u < n && stuck < 2;) {
      pn_rwbytes_t b = pn_connection_driver_read_buffer(&d);
      if (!b.size) {
        ++stuck;
        pump();
        continue;
      }
      stuck = 0;
      size_t k = std::min(b.size, n - u);
      memcpy(b.start, p + u, k);
      pn_connection_driver_read_done(&d, k);
      u += k;
    }
    pump();
    return n;
  }
  void pump() {
    if (fd < 0) return;
    for (;;) {
      while (pn_event_t* e = pn_connection_driver_next_event(&d)) on_event(e);
      pn_bytes_t w = pn_connection_driver_write_buffer(&d);
      if (!w.size) break;
      put(w.start, w.size);
      pn_connection_driver_write_done(&d, w.size);
    }
  }
  void tick() {
    if (fd < 0 || !open) return;
    pn_transport_tick(d.transport, int64_t(now_ns() / 1000000));
    pump();
  }
};

// ---- payload: magic, device, send time, padding --------------------------------
struct Stamp {
  char magic[4];
  uint32_t dev;
  uint64_t ns;
};
inline std::string body_of(size_t n) {
  std::string b(std::max(n, sizeof(Stamp)), 'x');
  memcpy(b.data(), "PeRf", 4);
  return b;
}
inline const char* find_stamp(const char* p, size_t n) {
  return static_cast<const char*>(memmem(p, n, "PeRf", 4));
}

}  // namespace lb
