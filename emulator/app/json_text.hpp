#pragma once
// JSON files of people: read with comments allowed and errors that name the file; printed to be
// read.
#include <boost/json/fwd.hpp>

#include <string>
#include <string_view>

namespace app {

// Throws std::runtime_error with the path, the line and the cause.
boost::json::value parse_json_file(const std::string& path);
// The same of a text; `place` stands for the path.
boost::json::value parse_json_text(std::string_view text, const std::string& place);
// Does it begin as a JSON object does? No file of people's is called so.
bool is_json_object(std::string_view text);
// A text, number or boolean as text. Throws std::runtime_error for anything else.
std::string scalar_text(const boost::json::value& value);
// One key a line, two spaces a level, and a final line end.
std::string pretty(const boost::json::value& value);

}  // namespace app
