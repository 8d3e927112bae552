#pragma once
// A log that can be read.
#include "emulator/core/base/log.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test {

class CapturingLog : public hub::Log {
 public:
  bool enabled(hub::LogLevel) const override { return true; }
  void write(hub::LogLevel level, std::string_view event,
             std::initializer_list<hub::LogField> fields) override {
    std::string line(event);
    for (const auto& [key, value] : fields) line.append(" ").append(key).append("=").append(value);
    lines.push_back(std::move(line));
    levels.push_back(level);
  }
  bool contains(std::string_view text) const {
    for (const auto& line : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
  std::vector<std::string> lines;
  std::vector<hub::LogLevel> levels;  // of the lines
};

}  // namespace test
