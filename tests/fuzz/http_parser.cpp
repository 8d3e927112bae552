// HTTP requests: however the bytes are cut, the same heads and bodies come out; targets, JSON
// bodies and message headers.
#include "protocols/http/device_json.hpp"
#include "protocols/http/etag.hpp"
#include "protocols/http/message_headers.hpp"
#include "protocols/http/request_parser.hpp"
#include "protocols/http/telemetry_batch.hpp"
#include "tests/fuzz/support/input.hpp"
#include "tests/fuzz/support/target.hpp"

#include "emulator/core/base/error.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <string>

namespace {

using namespace fuzz;

std::string requests_of(std::string_view bytes, std::size_t step) {
  http::RequestParser parser;
  std::string out;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    while (!piece.empty()) {
      const auto taken = parser.put(piece);
      HUB_ASSERT(taken <= piece.size());
      piece.remove_prefix(taken);
      using Status = http::RequestParser::Status;
      if (parser.status() == Status::head_complete) {
        out.append(parser.raw_head());
        for (const auto& header : parser.head().headers)
          out.append(header.name).append(header.value);
        (void)http::read_headers(parser.head());
        (void)http::parse_target(parser.head().target);
        (void)parser.put({});  // a request without a body is complete at once
      }
      if (parser.status() == Status::complete) {
        out.append("|").append(parser.body()).append("|");
        parser.next();
      } else if (parser.status() == Status::refused) {
        return out.append(parser.refusal().reason);
      } else {
        HUB_ASSERT(taken > 0 || parser.status() == Status::head_complete);
      }
    }
  }
  return out;
}

void check_json(std::string_view text) {
  const auto json = http::parse_json(text);
  if (!json || !json->is_object()) return;
  if (const auto spec = http::to_device_spec(json->get_object())) {
    HUB_ASSERT(spec->id.text.size() <= text.size());
  }
}

}  // namespace

FUZZ_TARGET(http_parser) {
  Input in(input);
  const auto kind = in.byte();
  switch (kind % 8) {
    case 0:
      return check_json(in.rest());
    case 1:
      if (const auto batch = http::parse_telemetry_batch(in.rest()))
        HUB_ASSERT(batch->size() <= 500);
      return;
    case 2:
      (void)http::parse_target(in.rest());
      return;
    case 3:
      (void)http::to_if_match(in.rest());
      return;
    default:
      HUB_ASSERT(requests_of(in.rest(), in.rest().size() + 1) ==
                 requests_of(in.rest(), 1 + kind / 8));
  }
}
