#include "protocols/http/errors.hpp"

#include "emulator/core/base/printable.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace http {

WireError to_wire_error(const hub::HubError& error) {
  return {hub::number_of(error.code) / 1000,  // 404001 is a 404
          hub::number_of(error.code),        hub::name_of(error.code), error.detail, {}, {}};
}

WireError generic_error(unsigned status, std::string detail) {
  switch (status) {
    case 404:
      return {status, 404000, "GenericNotFound", std::move(detail), {}, {}};
    case 405:
      return {status, 405000, "GenericMethodNotAllowed", std::move(detail), {}, {}};
    case 413:
      return {status, 413001, "MessageTooLarge", std::move(detail), {}, {}};
    case 503:
      return {status, 503001, "ServiceUnavailable", std::move(detail), {}, {}};
    default:
      return {status, 400000, "GenericBadRequest", std::move(detail), {}, {}};
  }
}

void write_error(Response& response, const WireError& error, std::string_view request_id,
                 hub::TimePoint now, ErrorStyle style) {
  using namespace std::chrono;
  // Who may not come in learns no more than that (spec/c2d.md 6.3); the log has the reason.
  const bool told = error.status != 401 || style == ErrorStyle::control;
  std::string text = told ? error.detail : "Unauthorized";
  if (text.empty()) text = error.name;
  text = hub::printable(text);  // a peer's bytes among it
  // The Node SDK takes what is between the first and the second semicolon for the message.
  std::replace(text.begin(), text.end(), ';', ',');

  std::string tracking_id(request_id);
  std::erase(tracking_id, '-');
  const auto day = floor<days>(now);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(now - day)};
  char time[64];
  std::snprintf(time, sizeof time, "%02u/%02u/%04d %02d:%02d:%02d",
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));

  response.reset();
  response.status = error.status;
  response.header("iothub-errorcode", error.name);
  if (error.status == 401 && style == ErrorStyle::control)
    response.header("WWW-Authenticate", "Bearer");
  if (!error.allow.empty()) response.header("Allow", error.allow);
  boost::json::object body;
  body["Message"] = "ErrorCode:" + std::string(error.name) + ";" + text;
  body["ExceptionMessage"] = "Tracking ID:" + tracking_id + "-G:0-TimeStamp:" + time;
  if (style == ErrorStyle::control) {
    body["error"] = text;
    if (!error.hint.empty()) body["hint"] = error.hint;
  }
  response.json(boost::json::serialize(body));
}

}  // namespace http
