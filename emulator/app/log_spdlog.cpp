#include "emulator/app/log_spdlog.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>

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

std::string quoted_if_needed(std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '"' && c != '\x7f';
  });
  return plain ? std::string(value) : boost::json::serialize(boost::json::string_view(value));
}

}  // namespace

SpdlogLog::SpdlogLog(hub::LogLevel level, LogFormat format)
    : SpdlogLog(level, format, std::make_shared<spdlog::sinks::stderr_sink_mt>()) {}

SpdlogLog::SpdlogLog(hub::LogLevel level, LogFormat format,
                     std::shared_ptr<spdlog::sinks::sink> sink)
    : level_(level), format_(format), logger_(std::make_unique<spdlog::logger>("hub", sink)) {
  // JSON lines carry their level themselves; both carry the time as spdlog takes it.
  logger_->set_pattern(format == LogFormat::json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}"
                                                 : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                       spdlog::pattern_time_type::utc);
  logger_->set_level(spdlog_level(level));
}

SpdlogLog::~SpdlogLog() = default;

void SpdlogLog::write(hub::LogLevel level, std::string_view event,
                      std::initializer_list<hub::LogField> fields) {
  std::string line;
  if (format_ == LogFormat::json) {
    boost::json::object object;
    object["level"] = name_of(level);
    object["event"] = event;
    for (const auto& [key, value] : fields) object[key] = value;
    line = boost::json::serialize(object);
    line = line.substr(1, line.size() - 2);  // the braces are the pattern's
  } else {
    line = name_of(level);
    line.resize(6, ' ');
    line += event;
    for (const auto& [key, value] : fields) {
      if (value.empty()) continue;  // JSON keeps its keys, for whoever parses it
      line.append(" ").append(key).append("=").append(quoted_if_needed(value));
    }
  }
  logger_->log(spdlog_level(level), "{}", line);
}

}  // namespace app
