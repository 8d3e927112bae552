#include "emulator/app/log_spdlog.hpp"

#include "emulator/app/line_writer.hpp"
#include "emulator/core/base/printable.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <mutex>

namespace app {
namespace {

spdlog::level::level_enum spdlog_level(hub::LogLevel level) {
  switch (level) {
    case hub::LogLevel::trace:
      return spdlog::level::trace;
    case hub::LogLevel::debug:
      return spdlog::level::debug;
    case hub::LogLevel::info:
      return spdlog::level::info;
    case hub::LogLevel::warn:
      return spdlog::level::warn;
    case hub::LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

std::string_view name_of(hub::LogLevel level) {
  switch (level) {
    case hub::LogLevel::trace:
      return "trace";
    case hub::LogLevel::debug:
      return "debug";
    case hub::LogLevel::info:
      return "info";
    case hub::LogLevel::warn:
      return "warn";
    case hub::LogLevel::error:
      break;
  }
  return "error";
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  hub::append_printable(out, text, true);
  out += '"';
}

void append_quoted_if_needed(std::string& out, std::string_view value) {
  const std::size_t begin = out.size();
  hub::append_printable(out, value, true);
  if (std::string_view(out).substr(begin) == value && value.find(' ') == value.npos) return;
  out.insert(begin, 1, '"');
  out += '"';
}

constexpr auto json_pattern = "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}";
constexpr auto text_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %v";

std::string line_of(LogFormat format, hub::LogLevel level, std::string_view event,
                    std::initializer_list<hub::LogField> fields) {
  std::string line;
  if (format == LogFormat::json) {  // the braces are the pattern's
    line.append("\"level\":\"").append(name_of(level)).append("\",\"event\":");
    append_quoted(line, event);
    for (const auto& [key, value] : fields) {
      line.append(",\"").append(key).append("\":");
      append_quoted(line, value);
    }
    return line;
  }
  line = name_of(level);
  line.resize(6, ' ');
  hub::append_printable(line, event, false);
  for (const auto& [key, value] : fields) {
    if (value.empty()) continue;  // JSON keeps its keys, for whoever parses it
    line.append(" ").append(key).append("=");
    append_quoted_if_needed(line, value);
  }
  return line;
}

std::unique_ptr<spdlog::formatter> formatter_of(LogFormat format) {
  return std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::json ? json_pattern : text_pattern, spdlog::pattern_time_type::utc);
}

std::string dropped_line(LogFormat format, std::size_t count) {
  const auto line =
      line_of(format, hub::LogLevel::warn, "lines of this log were dropped: nobody read it",
              {{"lines", std::to_string(count)},
               {"remedy", "read the emulator's stderr, or send it to a file"}});
  spdlog::memory_buf_t out;
  formatter_of(format)->format({"hub", spdlog::level::warn, line}, out);
  return {out.data(), out.size()};
}

// Formats as spdlog does, and never waits for whoever reads.
class LineSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  LineSink(int descriptor, LogFormat format)
      : writer_(descriptor, [format](std::size_t count) { return dropped_line(format, count); }) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    writer_.write({line.data(), line.size()});
  }
  void flush_() override { writer_.drain(); }

  LineWriter writer_;
};

}  // namespace

SpdlogLog::SpdlogLog(hub::LogLevel level, LogFormat format, int descriptor)
    : SpdlogLog(level, format, std::make_shared<LineSink>(descriptor, format)) {}

SpdlogLog::SpdlogLog(hub::LogLevel level, LogFormat format,
                     std::shared_ptr<spdlog::sinks::sink> sink)
    : level_(level), format_(format), logger_(std::make_unique<spdlog::logger>("hub", sink)) {
  // JSON lines carry their level themselves; both carry the time as spdlog takes it.
  logger_->set_formatter(formatter_of(format));
  logger_->set_level(spdlog_level(level));
  logger_->set_error_handler(
      [](const std::string&) {});  // spdlog's own waits for a reader of stderr
}

SpdlogLog::~SpdlogLog() = default;

void SpdlogLog::write(hub::LogLevel level, std::string_view event,
                      std::initializer_list<hub::LogField> fields) {
  logger_->log(spdlog_level(level), "{}", line_of(format_, level, event, fields));
}

void SpdlogLog::flush() { logger_->flush(); }

}  // namespace app
