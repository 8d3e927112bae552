#include "tests/e2e/scenarios/cutting_proxy.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <mutex>
#include <thread>
#include <utility>

namespace scenarios {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// type(1) version(2) length(2), then the record
constexpr std::size_t kHeader = 5;

std::size_t index_of(Direction direction) { return direction == Direction::to_hub ? 0 : 1; }

// Follows one direction's bytes from record to record.
class RecordCounter {
 public:
  // Where in these bytes the cut is: how many of them still pass. nullopt: all, and no cut.
  std::optional<std::size_t> feed(const unsigned char* data, std::size_t size,
                                  const std::optional<Cut>& cut) {
    for (std::size_t i = 0; i < size; ++i) {
      if (position_ < kHeader) header_[position_] = data[i];
      ++position_;
      if (position_ < kHeader) continue;
      const std::size_t length = header_[3] * 256U + header_[4];
      const bool here = cut && records_ + 1 == cut->record;
      if (here && cut->within && position_ == kHeader + length / 2) return i + 1;
      if (position_ < kHeader + length) continue;
      position_ = 0;
      ++records_;
      if (here) return i + 1;
    }
    return std::nullopt;
  }

  unsigned records() const { return records_; }

 private:
  std::array<unsigned char, kHeader> header_{};
  std::size_t position_ = 0;
  unsigned records_ = 0;
};

void close(tcp::socket& socket, bool reset) {
  error_code ignored;
  if (reset) socket.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket.close(ignored);
}

}  // namespace

std::string to_string(const Cut& cut) {
  return std::string{cut.within ? "within" : "after"} + " record " + std::to_string(cut.record) +
         (cut.direction == Direction::to_hub ? " to the hub" : " to the client") +
         (cut.reset ? ", reset" : "");
}

// What both threads see.
struct CuttingProxy::Shared {
  std::mutex mutex;
  std::optional<Cut> next;
  bool armed = false;  // the next connection is the one that counts
  bool was_cut = false;
  std::array<unsigned, 2> records{};
};

class CuttingProxy::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket client, asio::io_context& ioc, Shared& shared, bool counted,
             std::optional<Cut> cut)
      : client_(std::move(client)), hub_(ioc), shared_(shared), counted_(counted), cut_(cut) {}

  void start(const tcp::resolver::results_type& hub) {
    auto self = shared_from_this();
    asio::async_connect(hub_, hub, [self](error_code ec, const auto&) {
      if (ec) return self->end(false);
      error_code ignored;
      self->hub_.set_option(tcp::no_delay{true}, ignored);
      self->client_.set_option(tcp::no_delay{true}, ignored);
      self->read(Direction::to_hub);
      self->read(Direction::to_client);
    });
  }

 private:
  void read(Direction direction) {
    auto self = shared_from_this();
    auto& from = direction == Direction::to_hub ? client_ : hub_;
    from.async_read_some(asio::buffer(buffers_[index_of(direction)]),
                         [self, direction](error_code ec, std::size_t size) {
                           if (ec) return self->end(false);
                           self->pass(direction, size);
                         });
  }

  void pass(Direction direction, std::size_t size) {
    const auto at = index_of(direction);
    const auto cut_at =
        counters_[at].feed(buffers_[at].data(), size,
                           cut_ && cut_->direction == direction ? cut_ : std::optional<Cut>{});
    if (counted_) note(at, cut_at.has_value());
    auto self = shared_from_this();
    auto& to = direction == Direction::to_hub ? hub_ : client_;
    asio::async_write(to, asio::buffer(buffers_[at].data(), cut_at.value_or(size)),
                      [self, direction, cut = cut_at.has_value()](error_code ec, std::size_t) {
                        if (ec || cut) return self->end(cut && self->cut_->reset);
                        self->read(direction);
                      });
  }

  void note(std::size_t at, bool cut) {
    const std::lock_guard lock{shared_.mutex};
    shared_.records[at] = counters_[at].records();
    if (cut) shared_.was_cut = true;
  }

  void end(bool reset) {
    close(client_, reset);
    close(hub_, reset);
  }

  tcp::socket client_, hub_;
  Shared& shared_;
  bool counted_;
  std::optional<Cut> cut_;
  std::array<RecordCounter, 2> counters_;
  std::array<std::array<unsigned char, 16 * 1024>, 2> buffers_{};
};

class CuttingProxy::Loop {
 public:
  explicit Loop(const iothub::Endpoint& hub)
      : hub_(tcp::resolver{ioc_}.resolve(hub.host, std::to_string(hub.port))),
        acceptor_(ioc_, {asio::ip::address_v4::loopback(), 0}) {
    accept();
    thread_ = std::thread{[this] { ioc_.run(); }};
  }

  ~Loop() {
    ioc_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return port_; }

  Shared shared;

 private:
  void accept() {
    acceptor_.async_accept([this](error_code ec, tcp::socket client) {
      if (ec) return;
      bool counted = false;
      std::optional<Cut> cut;
      {
        const std::lock_guard lock{shared.mutex};
        counted = std::exchange(shared.armed, false);
        if (counted) cut = std::exchange(shared.next, std::nullopt);
      }
      std::make_shared<Connection>(std::move(client), ioc_, shared, counted, cut)->start(hub_);
      accept();
    });
  }

  asio::io_context ioc_;
  tcp::resolver::results_type hub_;
  tcp::acceptor acceptor_;
  std::uint16_t port_ = acceptor_.local_endpoint().port();
  std::thread thread_;
};

CuttingProxy::CuttingProxy(const iothub::Endpoint& hub) : loop_(std::make_unique<Loop>(hub)) {}
CuttingProxy::~CuttingProxy() = default;

std::uint16_t CuttingProxy::port() const { return loop_->port(); }

void CuttingProxy::cut_next(std::optional<Cut> cut) {
  const std::lock_guard lock{loop_->shared.mutex};
  loop_->shared.next = cut;
  loop_->shared.armed = true;
  loop_->shared.was_cut = false;
  loop_->shared.records = {};
}

std::array<unsigned, 2> CuttingProxy::records() const {
  const std::lock_guard lock{loop_->shared.mutex};
  return loop_->shared.records;
}

bool CuttingProxy::was_cut() const {
  const std::lock_guard lock{loop_->shared.mutex};
  return loop_->shared.was_cut;
}

}  // namespace scenarios
