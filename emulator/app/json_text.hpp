#pragma once
// JSON files of people: read with comments allowed and errors that name the file; printed to be read.
#include <boost/json/fwd.hpp>

#include <string>

namespace app {

// Throws std::runtime_error with the path and the cause.
boost::json::value parse_json_file(const std::string& path);
// A text, number or boolean as text. Throws std::runtime_error for anything else.
std::string scalar_text(const boost::json::value& value);
// One key a line, two spaces a level, and a final line end.
std::string pretty(const boost::json::value& value);

}  // namespace app
