#include "protocols/http/response.hpp"

#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>

#include <charconv>
#include <chrono>
#include <cstdio>

namespace http {

namespace {

void append_escaped(std::string& out, char c) {
  constexpr char digits[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

void append_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
      append_escaped(out, c);
    } else {
      out += c;
    }
  }
}

void append_number(std::string& out, std::size_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

bool is_token_character(char c) { return boost::beast::http::detail::is_token_char(c); }

}  // namespace

void Response::header(std::string_view name, std::string_view value) {
  headers.append(name).append(": ");
  append_value(headers, value);
  headers.append("\r\n");
}

void Response::property_header(std::string_view prefix, std::string_view name,
                               std::string_view value) {
  headers.append(prefix);
  for (const char c : name) {
    if (is_token_character(c)) {
      headers += c;
    } else {
      append_escaped(headers, c);
    }
  }
  headers.append(": ");
  append_value(headers, value);
  headers.append("\r\n");
}

void Response::json(std::string text) {
  content_type = content_type_json;
  body = std::move(text);
}

void Response::reset() {
  status = 200;
  headers.clear();
  content_type = {};
  body.clear();
  shared_body.reset();
}

std::string_view reason_phrase(unsigned status) {
  const auto text = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {text.data(), text.size()};
}

std::string to_http_date(hub::TimePoint time) {
  using namespace std::chrono;
  constexpr const char* weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time - day)};
  char out[64];
  const int size = std::snprintf(
      out, sizeof out, "%s, %02u %s %04d %02d:%02d:%02d GMT", weekdays[weekday{day}.c_encoding()],
      static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return {out, static_cast<std::size_t>(size)};
}

void append_response(std::string& out, const Response& response, const ResponseContext& context) {
  const std::string_view body = response.body_bytes();
  out.append("HTTP/1.1 ");
  append_number(out, response.status);
  out.append(" ").append(reason_phrase(response.status)).append("\r\n");
  // 204 has neither a body nor what describes one (T-10).
  if (response.status != 204) {
    out.append("Content-Length: ");
    append_number(out, body.size());
    out.append("\r\n");
    if (!response.content_type.empty()) {
      out.append("Content-Type: ").append(response.content_type).append("\r\n");
    }
  }
  out.append(response.headers).append(context.headers);
  out.append("Server: iothub-emulator\r\nDate: ").append(to_http_date(context.now));
  out.append("\r\nx-ms-request-id: ").append(context.request_id).append("\r\n");
  if (!context.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (context.http_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  if (response.status != 204 && !context.head_only) out.append(body);
}

void append_continue(std::string& out) { out.append("HTTP/1.1 100 Continue\r\n\r\n"); }

}  // namespace http
