#pragma once
#include <boost/json/parse_options.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace app {

struct RepeatedKey {
  std::string key;
  std::size_t offset = 0;  // where its second one ends in the text
};

// The first key that an object of `text`, which parses with `options`, has twice. A parser keeps
// the last of them without a word.
std::optional<RepeatedKey> repeated_key(std::string_view text,
                                        const boost::json::parse_options& options);

}  // namespace app
