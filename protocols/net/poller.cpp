#include "protocols/net/poller.hpp"

#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <utility>

namespace net {
namespace {

constexpr std::uint32_t broken = EPOLLERR | EPOLLHUP;  // reported whether asked for or not

int new_epoll_set() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw boost::system::system_error(errno, boost::system::system_category());
  return descriptor;
}

// Two that wait for the same: TLS may have to read in order to write.
struct Both final : StreamOwner {
  Both(OwnerPtr one, OwnerPtr other) : first(std::move(one)), second(std::move(other)) {}
  void on_readable() override {
    first->on_readable();
    second->on_readable();
  }
  void on_writable() override {
    first->on_writable();
    second->on_writable();
  }
  const OwnerPtr first, second;
};

void run(const std::weak_ptr<Deferred>& task) {
  if (const auto there = task.lock()) there->run();
}

void add(OwnerPtr& waiting, OwnerPtr owner) {
  waiting =
      waiting ? std::make_shared<Both>(std::move(waiting), std::move(owner)) : std::move(owner);
}

}  // namespace

Poller::Poller(asio::io_context& context) : events_(context.get_executor(), new_epoll_set()) {}

void Poller::arm(PolledSocket& socket, std::uint32_t events) {
  const std::uint32_t before = std::exchange(socket.armed_, events);
  if (before == events) return;
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.ptr = &socket;
  const int operation = before == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  // Nothing to be done about a failure (no kernel memory): the connection's deadline ends it.
  static_cast<void>(::epoll_ctl(events_.native_handle(), operation, socket.descriptor_, &wanted));
  if (before == 0) {
    ++armed_;
    wait();
  } else if (events == 0 && --armed_ == 0) {
    events_.cancel();
  }
}

void Poller::forget(PolledSocket& socket) {
  if (std::exchange(socket.armed_, 0) == 0) return;
  for (int i = batch_next_; i < batch_end_; ++i) {
    epoll_event& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &socket) event.data.ptr = nullptr;
  }
  if (--armed_ == 0) events_.cancel();
}

void Poller::wait() {
  if (std::exchange(waiting_, true)) return;
  events_.async_wait(asio::posix::descriptor_base::wait_read,
                     [this](boost::system::error_code error) {
                       waiting_ = false;
                       if (!error) dispatch();
                       if (armed_ > 0) wait();
                     });
}

void Poller::dispatch() {
  batch_end_ = ::epoll_wait(events_.native_handle(), batch_.data(), batch_size, 0);
  for (batch_next_ = 0; batch_next_ < batch_end_;) {
    const epoll_event event = batch_[static_cast<std::size_t>(batch_next_++)];
    if (auto* socket = static_cast<PolledSocket*>(event.data.ptr)) socket->on_events(event.events);
  }
  batch_end_ = 0;
  run_deferred();
}

void Poller::run_soon(std::weak_ptr<Deferred> task) {
  if (executor().running_in_this_thread() && batch_end_ > 0) {
    deferred_.push_back(std::move(task));
  } else {
    asio::post(executor(), [task = std::move(task)] { run(task); });
  }
}

// What these defer is posted: others have their turn before.
void Poller::run_deferred() {
  running_.swap(deferred_);
  for (const auto& task : running_) run(task);
  running_.clear();
}

PolledSocket::PolledSocket(Poller& poller, int descriptor, asio::ip::tcp::endpoint peer)
    : poller_(poller), descriptor_(descriptor), peer_(std::move(peer)) {}

void PolledSocket::wait_readable(OwnerPtr owner) {
  add(reader_, std::move(owner));
  poller_.arm(*this, armed_ | EPOLLIN);
}

void PolledSocket::wait_writable(OwnerPtr owner) {
  add(writer_, std::move(owner));
  poller_.arm(*this, armed_ | EPOLLOUT);
}

void PolledSocket::on_events(std::uint32_t events) {
  const OwnerPtr reader =
      (events & (EPOLLIN | broken)) != 0 ? std::exchange(reader_, nullptr) : nullptr;
  const OwnerPtr writer =
      (events & (EPOLLOUT | broken)) != 0 ? std::exchange(writer_, nullptr) : nullptr;
  if (!reader && !writer) {  // nobody came back for these
    return poller_.arm(*this, (reader_ ? EPOLLIN : 0U) | (writer_ ? EPOLLOUT : 0U));
  }
  // Either may end this socket.
  if (reader) reader->on_readable();
  if (writer) writer->on_writable();
}

std::string PolledSocket::local_address() const {
  asio::ip::tcp::endpoint local;
  auto size = static_cast<socklen_t>(local.capacity());
  if (::getsockname(descriptor_, local.data(), &size) != 0) return {};
  local.resize(size);
  const asio::ip::address address = local.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

void PolledSocket::shut_down_sending() { ::shutdown(descriptor_, SHUT_WR); }

void PolledSocket::close() {
  if (descriptor_ < 0) return;
  poller_.forget(*this);
  ::close(std::exchange(descriptor_, -1));
  if (reader_ || writer_) {
    asio::post(poller_.executor(), [reader = std::move(reader_), writer = std::move(writer_)] {});
  }
}

}  // namespace net
