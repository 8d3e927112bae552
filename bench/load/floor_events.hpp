// The floor of the events endpoint: partitions of prepared AMQP messages, and readers that get
// them in raw frames, pre-settled. No Proton, authorisation, windows; of selectors only "@latest".
#pragma once
#include <deque>
#include <memory>

#include "bench/load/lb.hpp"

namespace lb {

struct Partition {
  static constexpr size_t KEEP = 20000;
  struct Reader {
    Partition* part;
    uint64_t next;
    virtual ~Reader() = default;
    virtual void drain() = 0;  // sends what credit allows
    // from the source's text: the partition, and from where
    explicit Reader(const std::string& source);
    void leave() { std::erase(part->readers, this); }
  };
  std::deque<std::string> events;  // whole messages
  uint64_t first = 0;              // number of events.front()
  std::vector<Reader*> readers;
  uint64_t end() const { return first + events.size(); }
  const std::string& at(uint64_t n) const { return events[size_t(n - first)]; }
  void append(std::string_view body);
};
inline Partition partitions[16];
inline Partition::Reader::Reader(const std::string& source) {
  const auto a = source.find("Partitions/");
  part = &partitions[a == source.npos ? 0 : size_t(source[a + 11] - '0') & 15];
  next = source.find("@latest") != source.npos ? part->end() : part->first;
  part->readers.push_back(this);
}
inline std::vector<Conn*> graves;  // closed in this turn, freed between turns

// The sections before the body, as the hub would write them (docs/spec/events.md 5.1), with
// constant numbers.
inline const std::string& event_head() {
  static const std::string head = [] {
    pn_message_t* m = pn_message();
    pn_data_t* d = pn_message_annotations(m);
    auto text = [&](const char* k, const char* v) {
      pn_data_put_symbol(d, pn_bytes(strlen(k), k));
      pn_data_put_string(d, pn_bytes(strlen(v), v));
    };
    auto time = [&](const char* k) {
      pn_data_put_symbol(d, pn_bytes(strlen(k), k));
      pn_data_put_timestamp(d, 1796000000000);
    };
    pn_data_put_map(d), pn_data_enter(d);
    pn_data_put_symbol(d, pn_bytes(21, "x-opt-sequence-number"));
    pn_data_put_long(d, 1234567);
    text("x-opt-offset", "123456789");
    time("x-opt-enqueued-time");
    text("iothub-connection-device-id", "dev00");
    text("iothub-connection-auth-method",
         R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})");
    text("iothub-connection-auth-generation-id", "638000000000000000");
    time("iothub-enqueuedtime");
    text("iothub-message-source", "Telemetry");
    pn_data_exit(d);
    std::string b(1024, 0);
    size_t n = b.size();
    pn_message_encode(m, b.data(), &n);
    b.resize(n);
    pn_message_free(m);
    auto at = b.find(std::string("\x00\x53\x72", 3)),
         to = b.find(std::string("\x00\x53\x73", 3));  // message-annotations, properties
    return b.substr(at, to == b.npos ? b.npos : to - at);
  }();
  return head;
}

struct EventReader : Conn {
  struct Link : Partition::Reader {
    std::string& out;
    Conn& conn;
    uint32_t handle, channel, credit = 0;
    uint64_t sent = 0;
    std::string head;  // transfer frame up to the message
    Link(Conn& c, const std::string& source, uint32_t h, uint32_t ch)
        : Reader(source), out(c.out), conn(c), handle(h), channel(ch) {
      head = std::string("\0\0\0\0\x02\x00", 6) + char(ch >> 8) + char(ch) +
             std::string("\x00\x53\x14\xc0\x13\x05\x70", 7);
      be32(head, h);
      head += std::string("\x70\0\0\0\0\xa0\x04\0\0\0\0\x43\x41", 13);
    }
    void drain() override {
      for (; credit && next < part->end(); --credit, ++next, ++sent) {
        next = std::max(next, part->first);
        const std::string& e = part->at(next);
        const size_t at = out.size();
        conn.put(head.data(), head.size());
        conn.put(e.data(), e.size());
        auto word = [&](size_t i, uint32_t v) {
          for (int k = 0; k < 4; ++k) out[at + i + size_t(k)] = char(v >> (24 - 8 * k));
        };
        word(0, uint32_t(head.size() + e.size()));
        word(20, uint32_t(sent));  // the delivery-id: one link in a session
        word(26, uint32_t(sent));
      }
    }
  };
  std::vector<std::unique_ptr<Link>> links;
  using Conn::Conn;
  ~EventReader() override { leave(); }
  void leave() {
    for (auto& l : links) l->leave();
    links.clear();
  }
  void on_shut() override {
    leave();
    graves.push_back(this);
  }
  static void be32(std::string& o, uint32_t v) {
    o += char(v >> 24), o += char(v >> 16), o += char(v >> 8), o += char(v);
  }
  static uint32_t rd32(const uint8_t* p) {
    return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | p[3];
  }
  static std::string uint(uint32_t v) {
    std::string o(1, char(0x70));
    be32(o, v);
    return o;
  }
  // type 0: AMQP, 1: SASL
  void frame(int type, uint32_t channel, int code, int fields, const std::string& list) {
    std::string o, b{0, 0x53, char(code), char(0xd0)};
    be32(b, uint32_t(list.size() + 4));
    be32(b, uint32_t(fields));
    be32(o, uint32_t(8 + b.size() + list.size()));
    o += char(2), o += char(type), o += char(channel >> 8), o += char(channel);
    o += b + list;
    put(o.data(), o.size());
  }
  static const uint8_t* skip(const uint8_t* p) {
    const uint8_t c = *p;
    if (!c) return skip(skip(p + 1));
    switch (c >> 4) {
      case 4:
        return p + 1;
      case 5:
        return p + 2;
      case 6:
        return p + 3;
      case 7:
        return p + 5;
      case 8:
        return p + 9;
      case 9:
        return p + 17;
      case 0xa:
      case 0xc:
      case 0xe:
        return p + 2 + p[1];
      default:
        return p + 5 + rd32(p + 1);
    }
  }
  static uint32_t number(const uint8_t* p) {
    return *p == 0x70   ? rd32(p + 1)
           : *p == 0x52 ? p[1]
           : *p == 0x60 ? uint32_t(p[1] << 8 | p[2])
                        : 0;
  }
  size_t on_data(const char* data, size_t n) override {
    size_t u = 0;
    while (n - u >= 8) {
      const auto* p = reinterpret_cast<const uint8_t*>(data) + u;
      if (!memcmp(p, "AMQP", 4)) {
        put(p, 8);
        if (p[4] == 3) frame(1, 0, 0x40, 1, std::string("\xa3\x09") + "ANONYMOUS");
        u += 8;
        continue;
      }
      const uint32_t size = rd32(p);
      if (n - u < size) break;
      if (size > 8) performative(p[5], uint32_t(p[6] << 8 | p[7]), p + 4 * p[4]);
      if (fd < 0) return n;
      u += size;
    }
    return u;
  }
  void performative(int type, uint32_t channel, const uint8_t* p) {
    const int code = p[2];
    const uint8_t* f[16] = {};
    const int count = p[3] == 0x45 ? 0 : p[3] == 0xc0 ? p[5] : int(rd32(p + 8));
    const uint8_t* at = p + (p[3] == 0x45 ? 4 : p[3] == 0xc0 ? 6 : 12);
    for (int i = 0; i < count && i < 16; ++i) f[i] = at, at = skip(at);
    auto raw = [&](int i) {
      return f[i] ? std::string(reinterpret_cast<const char*>(f[i]), size_t(skip(f[i]) - f[i]))
                  : std::string("\x40");
    };
    if (type == 1)
      return frame(1, 0, 0x44, 1, std::string("\x50\x00", 2));  // sasl-init -> outcome ok
    switch (code) {
      case 0x10:
        return frame(0, 0, 0x10, 4,
                     std::string("\xa1\x05") + "floor" + "\x40" + uint(65536) +
                         std::string("\x60\x00\xff", 3));
      case 0x11:
        return frame(0, channel, 0x11, 5,
                     std::string{0x60, char(channel >> 8), char(channel)} + std::string("\x43") +
                         uint(0x7fffffff) + uint(0x7fffffff) + uint(255));
      case 0x12: {
        const std::string source = raw(5);
        links.push_back(std::make_unique<Link>(*this, source, number(f[1]), channel));
        frame(0, channel, 0x12, 10,
              raw(0) + raw(1) + "\x42" + std::string("\x50\x01\x50\x00", 4) + source + raw(6) +
                  "\x40\x40\x43");
        return;
      }
      case 0x13:
        for (auto& l : links)
          if (f[4] && l->channel == channel && l->handle == number(f[4])) {
            l->credit = number(f[5]) + number(f[6]) - uint32_t(l->sent);
            l->drain();
          }
        return;
      case 0x18:
        return frame(0, 0, 0x18, 0, ""), leave();
      default:
        return;
    }
  }
};

inline void Partition::append(std::string_view body) {
  std::string e = event_head();
  e += std::string("\x00\x53\x75\xb0", 4);
  EventReader::be32(e, uint32_t(body.size()));
  e += body;
  events.push_back(std::move(e));
  if (events.size() > KEEP) events.pop_front(), ++first;
  for (Reader* r : readers) r->drain();
}

}  // namespace lb
