#include "tests/durability/emulator_process.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace durability {
namespace {

constexpr iothub::Duration look_again{2};

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::vector<std::string> arguments_of(const Start& start, const std::filesystem::path& ready) {
  std::vector<std::string> out{start.program, "--data",    start.data,        "--ready-file",
                               ready,         "--tls-dir", start.work / "tls"};
  for (const auto* port : {"--mqtts-port", "--amqps-port", "--https-port", "--control-port"}) {
    out.insert(out.end(), {port, "0"});
  }
  out.insert(out.end(), start.flags.begin(), start.flags.end());
  return out;
}

[[noreturn]] void become(std::vector<std::string> arguments, const Start& start,
                         const std::string& order, const std::filesystem::path& log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is ended leaves no emulator behind
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  if (!order.empty()) {
    ::setenv("LD_PRELOAD", start.kill_at_write.c_str(), 1);
    ::setenv("KILL_AT_WRITE", order.c_str(), 1);
    // The sanitizers want to be first; here a library that calls nothing of theirs is before them.
    const char* given = std::getenv("ASAN_OPTIONS");
    const auto asan = std::string{given == nullptr ? "" : given} + ":verify_asan_link_order=0";
    ::setenv("ASAN_OPTIONS", asan.c_str(), 1);
  }
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(start.program.c_str(), argv.data());
  ::_exit(127);
}

}  // namespace

EmulatorProcess::EmulatorProcess(const Start& start, const std::string& order)
    : log_file_(start.work / "emulator.log"),
      ready_file_(start.work / "ready.json"),
      started_at_(iothub::now()) {
  std::filesystem::remove(ready_file_);
  pid_ = ::fork();
  if (pid_ == 0) become(arguments_of(start, ready_file_), start, order, log_file_);
  if (pid_ < 0) throw std::runtime_error("fork failed");
  pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pid_fd_ < 0) throw std::runtime_error("pidfd_open failed");
}

EmulatorProcess::~EmulatorProcess() {
  kill9();
  ::close(pid_fd_);
}

bool EmulatorProcess::ended(iothub::Duration limit) {
  if (status_) return true;
  pollfd waited{pid_fd_, POLLIN, 0};
  if (::poll(&waited, 1, static_cast<int>(limit.count())) != 1) return false;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = status;
  return true;
}

bool EmulatorProcess::wait_ready(iothub::Duration limit) {
  const iothub::Deadline deadline{limit};
  while (!std::filesystem::exists(ready_file_)) {
    if (deadline.passed() || ended(look_again)) return false;
  }
  ready_after_ = iothub::now() - started_at_;
  const auto ready = boost::json::parse(bytes_of(ready_file_)).as_object();
  const auto& ports = ready.at("ports").as_object();
  const auto port = [&](const char* name) { return ports.at(name).to_number<std::uint16_t>(); };
  options_.connection =
      iothub::ConnectionString::parse_service(ready.at("connectionString").as_string());
  options_.tls.ca_file = ready.at("ca").as_string();
  options_.ports = {port("mqtts"), port("amqps"), port("https")};
  return true;
}

bool EmulatorProcess::wait_end(iothub::Duration limit) { return ended(limit); }

void EmulatorProcess::kill9() {
  if (!status_) ::kill(pid_, SIGKILL);
  ended(iothub::Duration{-1});
}

void EmulatorProcess::terminate() { ::kill(pid_, SIGTERM); }

bool EmulatorProcess::was_killed() const {
  return status_ && WIFSIGNALED(*status_) && WTERMSIG(*status_) == SIGKILL;
}

std::optional<int> EmulatorProcess::exit_code() const {
  if (!status_ || !WIFEXITED(*status_)) return std::nullopt;
  return WEXITSTATUS(*status_);
}

std::string EmulatorProcess::log() const { return bytes_of(log_file_); }

iothub::ClientOptions EmulatorProcess::options() const {
  auto options = options_;
  options.connect_timeout = options.operation_timeout = iothub::Duration{60'000};
  options.poll_interval = iothub::Duration{5};
  options.retry.attempts = 0;  // the ledger has to know which connection something went over
  return options;
}

}  // namespace durability
