#pragma once
// The log on stderr: one line an event, for people or as JSON.
//   2026-01-02T03:04:05.678Z info  device connected device=d1 transport=mqtt
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"device connected","device":"d1"}
// Values of text lines are quoted where they hold a space, a quote, a control character or what is
// no UTF-8, which are escaped: a peer can forge no line, move no terminal and break no JSON. A
// write never waits: a thread of the log's own does, and says how many lines were dropped
// meanwhile.
#include "emulator/app/config.hpp"
#include "emulator/core/base/log.hpp"

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
  SpdlogLog(hub::LogLevel level, LogFormat format, int descriptor = 2);  // stderr
  SpdlogLog(hub::LogLevel level, LogFormat format, std::shared_ptr<spdlog::sinks::sink> sink);
  ~SpdlogLog() override;

  bool enabled(hub::LogLevel level) const override { return level >= level_; }
  void write(hub::LogLevel level, std::string_view event,
             std::initializer_list<hub::LogField> fields) override;
  void flush();  // waits until all is written, at most for LineWriter::patience

 private:
  hub::LogLevel level_;
  LogFormat format_;
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace app
