#pragma once
// Where the hub says what happened; no library behind it. A line never holds a key, a signature or
// a token: pass ids and reasons only.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace hub {

enum class LogLevel : std::uint8_t { trace, debug, info, warn, error };

struct LogField {
  std::string_view key;
  std::string_view value;
};

class Log {
 public:
  virtual ~Log() = default;
  virtual bool enabled(LogLevel level) const = 0;
  // Thread-safe, must not block for long. `event` is a short sentence in plain words.
  virtual void write(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) = 0;

  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (enabled(LogLevel::info)) write(LogLevel::info, event, fields);
  }
  void warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (enabled(LogLevel::warn)) write(LogLevel::warn, event, fields);
  }
  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    if (enabled(LogLevel::debug)) write(LogLevel::debug, event, fields);
  }
};

// Says nothing; the default in tests.
class NullLog : public Log {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace hub
