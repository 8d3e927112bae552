#pragma once
// One request, taken apart. Views point into the parser's buffers and are valid until next().
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http {

enum class Method : std::uint8_t { get, put, post, delete_, patch, head, other };

struct Header {
  std::string_view name;
  std::string_view value;  // trimmed; bytes as sent
};

struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;
  bool http_1_0 = false;
  bool keep_alive = false;
  bool connection_upgrade = false;  // Connection: upgrade
  bool has_body = false;
  bool expects_continue = false;
  std::vector<Header> headers;

  // The target without its query: what a log line may show.
  std::string_view path() const { return target.substr(0, target.find('?')); }
  // The first header of that name, in any case (T-01 is for what we send; here case is free).
  std::optional<std::string_view> find(std::string_view name) const;
};

// The request target: segments are percent-decoded once, a trailing slash is gone (T-06).
struct Target {
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in the order sent

  // The value of a query key, in any case; a key without `=` is there, with an empty value.
  std::optional<std::string_view> find(std::string_view key) const;
};
// Origin or absolute form; nullopt if it is neither.
std::optional<Target> parse_target(std::string_view text);
std::string target_problem(std::string_view text);  // of one that is not: why, and what to do

}  // namespace http
