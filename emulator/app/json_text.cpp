#include "emulator/app/json_text.hpp"

#include <boost/json.hpp>

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
  json::parse_options options;
  options.allow_comments = true;
  options.allow_trailing_commas = true;
  boost::system::error_code error;
  auto value = json::parse(text.str(), error, {}, options);
  if (error) throw std::runtime_error(path + ": is no JSON: " + error.message());
  return value;
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
