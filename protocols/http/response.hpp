#pragma once
// One answer, and how it is written. Header names leave exactly as they are given here (T-01).
#include "emulator/core/base/time.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace http {

inline constexpr std::string_view content_type_json = "application/json; charset=utf-8";  // T-09
inline constexpr std::string_view content_type_bytes = "application/octet-stream";

struct Response {
  unsigned status = 200;
  std::string headers;            // whole lines
  std::string_view content_type;  // of the body; unused with 204 (T-10)
  std::string body;
  std::shared_ptr<const std::string> shared_body;  // instead of `body`: a message's, not copied

  // Appends a header line. A value never holds CR, LF or another control character: it is escaped
  // as %XX, so that no sender can write header lines of its own (H-26).
  void header(std::string_view name, std::string_view value);
  // The same for a name that a sender chose: what is no token character is escaped, too (H-27).
  void property_header(std::string_view prefix, std::string_view name, std::string_view value);
  void json(std::string text);
  std::string_view body_bytes() const { return shared_body ? *shared_body : body; }
  void reset();
};

// How the connection goes on behind this answer.
struct ResponseContext {
  hub::TimePoint now{};
  std::string_view request_id;
  bool keep_alive = true;
  bool http_1_0 = false;
  bool head_only = false;    // the request was HEAD
  std::string_view headers;  // whole lines, beside the response's own
};

void append_response(std::string& out, const Response& response, const ResponseContext& context);
void append_continue(std::string& out);  // 100 (T-05)

std::string_view reason_phrase(unsigned status);  // T-08
std::string to_http_date(hub::TimePoint time);    // `Tue, 24 Nov 2025 06:24:00 GMT`

}  // namespace http
