#include "emulator/app/json_keys.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <set>
#include <utility>
#include <vector>

namespace app {

namespace {

using boost::system::error_code;

// Sees nothing but objects and their keys; stops at the first that comes again.
struct Keys {
  static constexpr std::size_t max_object_size = -1;
  static constexpr std::size_t max_array_size = -1;
  static constexpr std::size_t max_key_size = -1;
  static constexpr std::size_t max_string_size = -1;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_object_begin(error_code&) {
    objects.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    objects.pop_back();
    return true;
  }
  bool on_key_part(std::string_view part, std::size_t, error_code&) {
    key += part;
    return true;
  }
  bool on_key(std::string_view part, std::size_t, error_code& error) {
    key += part;
    if (objects.back().insert(key).second) {
      key.clear();
      return true;
    }
    error = boost::system::errc::make_error_code(boost::system::errc::file_exists);
    return false;
  }
  bool on_string_part(std::string_view, std::size_t, error_code&) { return true; }
  bool on_string(std::string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(std::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, std::string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, std::string_view, error_code&) { return true; }
  bool on_double(double, std::string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(std::string_view, error_code&) { return true; }
  bool on_comment(std::string_view, error_code&) { return true; }

  std::vector<std::set<std::string>> objects;  // that are open, with their keys
  std::string key;
};

}  // namespace

std::optional<RepeatedKey> repeated_key(std::string_view text,
                                        const boost::json::parse_options& options) {
  boost::json::basic_parser<Keys> parser(options);
  error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error) return std::nullopt;
  return RepeatedKey{std::move(parser.handler().key), read};
}

}  // namespace app
