#include "emulator/app/json_text.hpp"

#include "emulator/app/json_keys.hpp"
#include "emulator/core/base/printable.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace app {

namespace json = boost::json;

json::value parse_json_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": " + std::strerror(errno));
  std::stringstream text;
  text << file.rdbuf();
  return parse_json_text(text.str(), path);
}

json::value parse_json_text(std::string_view text, const std::string& place) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";  // editors of Windows write it
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  json::parse_options options;
  options.allow_comments = true;
  options.allow_trailing_commas = true;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t read = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  const auto refuse = [&](std::size_t offset, const std::string& why) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
    throw std::runtime_error(place + ": line " + std::to_string(line) + ": " + why);
  };
  if (error) refuse(read, "is no JSON: " + error.message());
  if (const auto repeated = repeated_key(text, options)) {
    refuse(repeated->offset,
           "\"" + hub::printable(hub::shown(repeated->key)) + "\" stands here again");
  }
  return parser.release();
}

bool is_json_object(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{';
}

std::string scalar_text(const json::value& value) {
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  if (value.is_number() || value.is_bool()) return json::serialize(value);
  throw std::runtime_error("is no text, number or boolean");
}

namespace {

void print(std::string& out, const json::value& value, std::size_t depth) {
  const auto line = [&](std::size_t level) { out += "\n" + std::string(level * 2, ' '); };
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    std::string_view separator;
    for (const auto& [name, item] : *object) {
      out += std::exchange(separator, ",");
      line(depth + 1);
      out += json::serialize(name) + ": ";
      print(out, item, depth + 1);
    }
    line(depth);
    out += '}';
  } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    std::string_view separator;
    for (const auto& item : *array) {
      out += std::exchange(separator, ",");
      line(depth + 1);
      print(out, item, depth + 1);
    }
    line(depth);
    out += ']';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  print(out, value, 0);
  return out + "\n";
}

}  // namespace app
