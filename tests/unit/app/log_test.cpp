#include "emulator/app/log_spdlog.hpp"

#include <doctest/doctest.h>

#include "emulator/app/line_writer.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <boost/json.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include <unistd.h>

namespace {

std::string written(app::LogFormat format, hub::LogLevel level,
                    std::initializer_list<hub::LogField> fields,
                    const char* event = "it happened") {
  std::ostringstream out;
  app::SpdlogLog log(hub::LogLevel::info, format,
                     std::make_shared<spdlog::sinks::ostream_sink_mt>(out, true));
  if (log.enabled(level)) log.write(level, event, fields);
  return out.str();
}

struct Pipe {
  Pipe() { REQUIRE(::pipe(ends.data()) == 0); }
  ~Pipe() {
    for (const int end : ends) ::close(end);
  }
  // Until all writers are done: give the write end back first.
  std::string read_some() const {
    std::string text(64 * 1024, '\0');
    const auto size = ::read(ends[0], text.data(), text.size());
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }
  // All that comes up to and with a line that holds `mark`.
  std::string read_to(std::string_view mark) const {
    std::string all;
    while (all.find(mark) == all.npos || all.back() != '\n') all += read_some();
    return all;
  }
  std::array<int, 2> ends{};
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("N-20 a text line has time, level, event and fields; values can forge no line") {
  const auto line = written(app::LogFormat::text, hub::LogLevel::warn,
                            {{"device", "d1"}, {"reason", "a b\nwarn forged"}, {"empty", ""}});
  CHECK(line.substr(10, 1) == "T");
  CHECK(line.substr(23) == "Z warn  it happened device=d1 reason=\"a b\\nwarn forged\"\n");
}

TEST_CASE("N-20 a JSON line is one object, whatever the values hold") {
  const auto line = written(app::LogFormat::json, hub::LogLevel::info,
                            {{"device", "d\"1"}, {"reason", "{}\n\x01 %v"}});
  REQUIRE(line.ends_with("}\n"));
  CHECK(line.find('\n') == line.size() - 1);
  const auto object = boost::json::parse(line).as_object();
  CHECK(object.at("level").as_string() == "info");
  CHECK(object.at("event").as_string() == "it happened");
  CHECK(object.at("device").as_string() == "d\"1");
  CHECK(object.at("reason").as_string() == "{}\n\x01 %v");
  CHECK(object.at("time").as_string().size() == 24);
}

TEST_CASE("N-20 what is below the level is not written") {
  CHECK(written(app::LogFormat::text, hub::LogLevel::debug, {}).empty());
  CHECK_FALSE(written(app::LogFormat::text, hub::LogLevel::error, {}).empty());
}

TEST_CASE("APP-04 a line is UTF-8 without controls, whatever a peer sends") {
  const std::string peer = "a\xff\xc3\xa9\xc2\x85\x7f\x1b[2J\xe2\x80\xae\xf0\x9f\x98\x80\xe2\x82";
  const auto text = written(app::LogFormat::text, hub::LogLevel::warn, {{"address", peer}});
  CHECK(
      text.ends_with("address=\"a\\\\xff\xc3\xa9\\u0085\\u007f\\u001b["
                     "2J\\u202e\xf0\x9f\x98\x80\\\\xe2\\\\x82\"\n"));
  const auto json = written(app::LogFormat::json, hub::LogLevel::warn, {{"address", peer}});
  const auto object = boost::json::parse(json).as_object();  // refuses what is no UTF-8
  CHECK(object.at("address").as_string() ==
        "a\\xff\xc3\xa9\xc2\x85\x7f\x1b[2J\xe2\x80\xae\xf0\x9f\x98\x80\\xe2\\x82");
  for (const auto& line : {text, json}) {
    CHECK(line.find('\x1b') == line.npos);
    CHECK(line.find("\xc2\x85") == line.npos);
    CHECK(line.find('\xff') == line.npos);
  }
  const auto event =
      written(app::LogFormat::text, hub::LogLevel::warn, {}, "means \"nothing\"\x1b\x9b");
  CHECK(event.ends_with("warn  means \"nothing\"\\u001b\\x9b\n"));
  CHECK(written(app::LogFormat::text, hub::LogLevel::warn, {{"id", "d\xc3\xa9"}})
            .ends_with(" id=d\xc3\xa9\n"));
}

TEST_CASE("APP-04 whatever three bytes come, a JSON line is JSON") {
  const std::string bytes("\x00\x1f \"\\a\x7f\x80\x9f\xbf\xc2\xe0\xe2\xed\xf0\xf4\xff", 17);
  for (const char a : bytes) {
    for (const char b : bytes) {
      for (const char c : bytes) {
        const std::string value{a, b, c};
        const auto line = written(app::LogFormat::json, hub::LogLevel::info, {{"value", value}});
        boost::system::error_code error;
        (void)boost::json::parse(line, error);
        if (error) FAIL("not JSON: " << line);
      }
    }
  }
}

TEST_CASE("APP-01 a pipe that nobody reads holds up nobody; what was dropped is counted and said") {
  for (const auto format : {app::LogFormat::text, app::LogFormat::json}) {
    const Pipe pipe;
    constexpr std::size_t threads = 4, lines_each = 10'000;
    std::optional<app::SpdlogLog> log;
    log.emplace(hub::LogLevel::info, format, pipe.ends[1]);
    log->info("the first");
    std::vector<std::thread> writers;
    const std::string reason(200, 'r');
    for (std::size_t i = 0; i < threads; ++i) {
      writers.emplace_back([&] {
        for (std::size_t n = 0; n < lines_each; ++n) log->info("refused", {{"reason", reason}});
      });
    }
    for (auto& writer : writers) writer.join();  // comes back though nothing was read
    const auto lines = lines_of(pipe.read_to("dropped"));
    CHECK(lines.front().find("the first") != std::string::npos);
    std::size_t refused = 0, dropped = 0;
    for (const auto& line : lines) {
      if (line.find("refused") != line.npos) ++refused;
      const auto at = line.find(format == app::LogFormat::json ? "\"lines\":\"" : "lines=");
      if (at != line.npos) dropped += std::stoul(line.substr(line.find_first_of("0123456789", at)));
      if (format == app::LogFormat::json) CHECK_NOTHROW((void)boost::json::parse(line));
    }
    CHECK(dropped > 0);
    CHECK(refused + dropped == threads * lines_each);
    CHECK(refused * reason.size() <= 2 * app::LineWriter::bytes_max + 64 * 1024);
    log->info("the last");  // there is room again
    log.reset();
    CHECK(pipe.read_some().find("the last") != std::string::npos);
  }
}

TEST_CASE("APP-01 an end loses nothing while somebody reads, and does not wait for nobody") {
  const Pipe pipe;
  std::string read;
  std::thread reader;
  const std::string line(100, 'x');
  {
    app::SpdlogLog log(hub::LogLevel::info, app::LogFormat::text, pipe.ends[1]);
    for (int i = 0; i < 5'000; ++i) log.info(line);
    log.info("the last");
    reader = std::thread([&] { read = pipe.read_to("the last"); });
  }
  reader.join();
  CHECK(lines_of(read).size() == 5'001);
  {
    app::SpdlogLog log(hub::LogLevel::info, app::LogFormat::text, pipe.ends[1]);
    for (int i = 0; i < 5'000; ++i) log.info(line);
    log.info("the last");
  }                                                           // comes back
  CHECK(lines_of(pipe.read_to("the last")).size() == 5'001);  // for whoever reads after all
}

TEST_CASE("APP-01 a log whose reader is gone goes on with the next lines, and waits for nothing") {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  ::close(ends[0]);
  {
    app::SpdlogLog log(hub::LogLevel::info, app::LogFormat::text, ends[1]);
    for (int i = 0; i < 100; ++i) {
      log.info("to nobody");
      log.flush();
    }
  }
  ::close(ends[1]);
}
