#pragma once
// The log on stderr: one line an event, for people or as JSON.
//   2026-01-02T03:04:05.678Z info  device connected device=d1 transport=mqtt
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"device connected","device":"d1"}
// Values of text lines are quoted where they hold a space, a quote or a control character, so that a
// peer can forge no line.
#include "emulator/app/config.hpp"
#include "emulator/core/log.hpp"

#include <memory>
#include <string>

namespace spdlog {
class logger;
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace app {

class SpdlogLog : public hub::Log {
 public:
  SpdlogLog(hub::LogLevel level, LogFormat format);  // to stderr
  SpdlogLog(hub::LogLevel level, LogFormat format, std::shared_ptr<spdlog::sinks::sink> sink);
  ~SpdlogLog() override;

  bool enabled(hub::LogLevel level) const override { return level >= level_; }
  void write(hub::LogLevel level, std::string_view event,
             std::initializer_list<hub::LogField> fields) override;

 private:
  hub::LogLevel level_;
  LogFormat format_;
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace app
