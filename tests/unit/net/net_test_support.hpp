#pragma once
// Real loopback sockets without sleeps: a server thread runs the IoThreads with sessions made of
// hooks, the test thread is the client and blocks in its own sockets.
#include "emulator/app/dev_ca.hpp"
#include "emulator/app/host_names.hpp"
#include "emulator/app/system_clock.hpp"
#include "protocols/net/listener.hpp"
#include "tests/support/hook_session.hpp"
#include "tests/support/print_result.hpp"

#include <doctest/doctest.h>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace net_test {

using boost::asio::ip::tcp;
using boost::system::error_code;
using hub::TimePoint;
using test::HookSession;

// A folder of its own, gone with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "iothub-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The clients here block: a test that would hang for ever ends the program instead.
class Watchdog {
 public:
  Watchdog() {
    std::signal(SIGPIPE, SIG_IGN);
    ::alarm(120);
  }
  ~Watchdog() { ::alarm(0); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
};

// N-31: nothing changes with the threads. A test that asks (once) runs twice.
inline std::size_t one_thread_or_four() {
  std::size_t threads = 0;
  SUBCASE("one thread") { threads = 1; }
  SUBCASE("four threads") { threads = 4; }
  return threads;
}

// Made once: the keys are what takes time.
inline const app::DevCertificates& test_certificates() {
  static const TemporaryFolder folder;
  static const auto certificates = [] {
    app::SystemClock clock;
    return app::ensure_dev_certificates(folder.path(), app::certificate_names({}), clock.now());
  }();
  return certificates;
}

class CollectingLog : public hub::Log {
 public:
  bool enabled(hub::LogLevel) const override { return true; }
  void write(hub::LogLevel, std::string_view event,
             std::initializer_list<hub::LogField> fields) override {
    const std::lock_guard lock(mutex_);
    text_ += event;
    for (const auto& [key, value] : fields) text_.append(" ").append(key).append("=").append(value);
    text_ += "\n";
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  bool has(std::string_view part) const { return text().find(part) != std::string::npos; }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// A gate that a test opens.
class ManualGate : public protocols::CommitGate {
 public:
  std::uint64_t staged() const override { return staged_; }
  std::uint64_t committed() const override { return committed_; }
  void notify(std::uint64_t sequence, hub::Waker waker) override {
    {
      const std::lock_guard lock(mutex_);
      if (committed_ < sequence) {
        waiters_.emplace(sequence, std::move(waker));
        asked_.notify_all();
        return;
      }
    }
    waker();
  }
  void stage(std::uint64_t count = 1) { staged_ += count; }
  void commit(std::uint64_t up_to) {
    std::multimap<std::uint64_t, hub::Waker> due;
    {
      const std::lock_guard lock(mutex_);
      committed_ = up_to;
      while (!waiters_.empty() && waiters_.begin()->first <= up_to) {
        due.insert(waiters_.extract(waiters_.begin()));
      }
    }
    for (const auto& [sequence, waker] : due) waker();
  }
  void wait_until_asked() {
    std::unique_lock lock(mutex_);
    asked_.wait(lock, [this] { return !waiters_.empty(); });
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiters_.size();
  }

 private:
  std::atomic<std::uint64_t> staged_{0}, committed_{0};
  std::mutex mutex_;
  std::condition_variable asked_;
  std::multimap<std::uint64_t, hub::Waker> waiters_;
};

class TestServer {
 public:
  using Setup = std::function<void(HookSession&)>;

  explicit TestServer(Setup setup = {}, protocols::CommitGate* gate = nullptr,
                      std::size_t threads = 1)
      : threads_(threads, clock_, log_, metrics_, gate), setup_(std::move(setup)) {}
  ~TestServer() { stop(); }

  net::ConnectionLimits limits;
  std::string device_cas;
  std::function<void(std::uint16_t)> before_start = [](std::uint16_t) {
  };  // listening, not accepting

  std::uint16_t listen(bool tls = false, const std::string& address = "127.0.0.1") {
    if (tls && !tls_) {
      const auto& c = test_certificates();
      tls_ = std::make_unique<const net::TlsContext>(
          net::ServerCertificates{c.rsa_chain, c.rsa_key, c.ecdsa_chain, c.ecdsa_key,
                                  c.ca_path.string()},
          device_cas);
    }
    auto service = std::make_shared<const net::Service>(
        net::Service{"test",
                     [this](std::string_view protocol, protocols::PeerInfo peer, hub::Waker waker,
                            TimePoint now) -> std::unique_ptr<protocols::Session> {
                       if (protocol == "unknown") return nullptr;
                       auto session = std::make_unique<HookSession>();
                       session->protocol = protocol;
                       session->peer = std::move(peer);
                       session->waker = std::move(waker);
                       session->now = now;
                       if (setup_) setup_(*session);
                       return session;
                     },
                     limits});
    listeners_.push_back(
        std::make_unique<net::Listener>(threads_, net::ListenerOptions{address, 0, service}));
    const auto port = listeners_.back()->port();
    before_start(port);
    listeners_.back()->start(tls ? tls_.get() : nullptr);
    if (!runner_.joinable()) {
      runner_ = std::thread([this] { threads_.run(); });
    }
    return port;
  }

  // Runs on the server's first thread, and waits for it.
  template <class Function>
  auto on_thread(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(thread().executor(), std::move(task));
    return result.get();
  }

  // As a server that stops.
  void say_goodbye(std::chrono::seconds at_most) {
    threads_.stop();
    runner_.join();
    listeners_.clear();
    threads_.say_goodbye(std::chrono::steady_clock::now() + at_most);
    threads_.close();
  }
  void stop() {
    if (!runner_.joinable()) return;
    threads_.stop();
    runner_.join();
    listeners_.clear();
    threads_.close();
  }

  net::IoThreads& threads() { return threads_; }
  net::IoThread& thread() { return threads_.first(); }
  net::Listener& listener() { return *listeners_.front(); }
  CollectingLog& log() { return log_; }
  hub::Metrics& metrics() { return metrics_; }
  app::SystemClock& clock() { return clock_; }

 private:
  Watchdog watchdog_;
  app::SystemClock clock_;
  CollectingLog log_;
  hub::Metrics metrics_;
  std::unique_ptr<const net::TlsContext> tls_;
  net::IoThreads threads_;
  Setup setup_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::thread runner_;
};

// ---- clients
// ---------------------------------------------------------------------------------------

class TcpClient {
 public:
  explicit TcpClient(std::uint16_t port, const char* address = "127.0.0.1") : socket_(context_) {
    socket_.connect({boost::asio::ip::make_address(address), port});
  }
  void send(std::string_view text) { boost::asio::write(socket_, boost::asio::buffer(text)); }
  std::string receive(std::size_t size) {
    std::string text(size, '\0');
    error_code error;
    text.resize(boost::asio::read(socket_, boost::asio::buffer(text), error));
    return text;
  }
  // Until the server closes; `error` says how it did.
  std::string receive_all(error_code* how = nullptr) {
    std::string text;
    error_code error;
    boost::asio::read(socket_, boost::asio::dynamic_buffer(text), error);
    if (how != nullptr) *how = error;
    return text;
  }
  tcp::socket& socket() { return socket_; }

 private:
  boost::asio::io_context context_;
  tcp::socket socket_;
};

}  // namespace net_test
