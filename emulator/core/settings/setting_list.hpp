#pragma once
// Every name that Settings::set takes, for people.
#include <string>
#include <string_view>
#include <vector>

namespace hub {

struct SettingInfo {
  std::string_view name;
  std::string standard;  // the default
  std::string range;     // "a whole number 1..100"
  std::string_view meaning;
};

std::vector<SettingInfo> all_settings();

}  // namespace hub
