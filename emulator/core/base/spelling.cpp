#include "emulator/core/base/spelling.hpp"

#include "emulator/core/base/encoding.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace hub {
namespace {

constexpr std::size_t compared_max = 64;  // nobody means a name that is longer
constexpr std::size_t offered_max = 3;

// How many letters have to be put in, taken out or changed.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t k = 0; k < b.size(); ++k) {
      const std::size_t changed = diagonal + (a[i] == b[k] ? 0 : 1);
      diagonal = row[k + 1];
      row[k + 1] = std::min({changed, row[k] + 1, row[k + 1] + 1});
    }
  }
  return row.back();
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

std::string did_you_mean(std::string_view wrong, std::span<const std::string_view> known) {
  if (wrong.empty() || wrong.size() > compared_max) return {};
  const std::string lower = to_lower(wrong);
  std::vector<std::pair<std::size_t, std::string_view>> near;
  for (const auto name : known) {
    const std::string candidate = to_lower(name);
    const std::size_t distance = std::min(
        edit_distance(lower, candidate), edit_distance(last_part(lower), last_part(candidate)) + 1);
    if (distance <= std::max<std::size_t>(1, lower.size() / 4)) near.emplace_back(distance, name);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (near.size() > offered_max) near.resize(offered_max);
  std::string out;
  for (const auto& [distance, name] : near) {
    out.append(out.empty() ? "; did you mean " : " or ").append(name);
  }
  return out.empty() ? out : out + "?";
}

}  // namespace hub
