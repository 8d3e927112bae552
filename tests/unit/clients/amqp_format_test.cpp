#include "clients/hub_client/transports/amqp_format.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace iothub;
using namespace std::string_literals;

namespace {

std::string frame(const std::string& body) {
  const auto size = static_cast<char>(8 + body.size());
  return "\0\0\0"s + size + "\x02\0\0\0"s + body;
}

// handle 0, delivery-id 1, delivery-tag "t", message-format 0, settled false; then the payload.
const std::string kFields = "C\x52\x01\xA0\x01tCB"s;
const std::string kStamped = "C\x52\x01\xA0\x01tp\x80\x01\x37\0B"s;
const std::string kTransfer = "\0S\x14\xC0\x09\x05"s + kFields + "payload";
const std::string kFlow = "\0S\x13\xC0\x02\x01@"s;

}  // namespace

TEST_CASE("the message-format of a transfer is changed, its payload and other frames are not") {
  TransferFormat format{kBatchFormat};
  CHECK(format.stamp(frame(kFlow)) == frame(kFlow));
  CHECK(format.stamp(frame(kTransfer)) ==
        frame("\0S\x14\xD0\0\0\0\x10\0\0\0\x05"s + kStamped + "payload"));
}

TEST_CASE("a list with sizes of four bytes is changed likewise") {
  TransferFormat format{kBatchFormat};
  CHECK(format.stamp(frame("\0S\x14\xD0\0\0\0\x0C\0\0\0\x05"s + kFields + "payload")) ==
        frame("\0S\x14\xD0\0\0\0\x10\0\0\0\x05"s + kStamped + "payload"));
}

TEST_CASE("frames come in pieces as well as together") {
  const auto bytes = frame(kTransfer) + frame(kFlow) + frame(kTransfer);
  TransferFormat whole{kBatchFormat};
  const auto wanted = whole.stamp(bytes);
  TransferFormat piecewise{kBatchFormat};
  std::string out;
  for (const char c : bytes) out += piecewise.stamp({&c, 1});
  CHECK(out == wanted);
  CHECK(out.size() == bytes.size() + 2 * 10);
}
