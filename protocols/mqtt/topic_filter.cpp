#include "protocols/mqtt/topic_filter.hpp"

namespace mqtt {

namespace {

// Takes the first level off `rest`; false when there is none left.
bool next_level(std::string_view& rest, bool& more, std::string_view& level) {
  if (!more) return false;
  const auto slash = rest.find('/');
  level = rest.substr(0, slash);
  more = slash != std::string_view::npos;
  rest = more ? rest.substr(slash + 1) : std::string_view{};
  return true;
}

}  // namespace

bool has_wildcard(std::string_view topic) {
  return topic.find_first_of("+#") != std::string_view::npos;
}

bool is_valid_filter(std::string_view filter) {
  if (filter.empty()) return false;
  std::string_view level;
  for (bool more = true; next_level(filter, more, level);) {
    if (level == "#") return !more;
    if (level != "+" && has_wildcard(level)) return false;
  }
  return true;
}

bool matches(std::string_view filter, std::string_view topic) {
  const bool wild = filter.starts_with('#') || filter.starts_with('+');
  if (wild && topic.starts_with('$')) return false;
  std::string_view wanted, level;
  bool more_filter = true, more_topic = true;
  while (next_level(filter, more_filter, wanted)) {
    if (wanted == "#") return true;
    if (!next_level(topic, more_topic, level)) return false;
    if (wanted != "+" && wanted != level) return false;
    // `a/#` matches `a` itself.
    if (!more_topic && more_filter && filter == "#") return true;
  }
  return !more_topic;
}

}  // namespace mqtt
