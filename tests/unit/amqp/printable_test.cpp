#include "protocols/amqp/printable.hpp"

#include <doctest/doctest.h>

using amqp::printable;

TEST_CASE("A-52 what a peer wrote is said as text on one line") {
  CHECK(printable("devices/d\xc3\xbc") == "devices/d\xc3\xbc");
  CHECK(printable("a\nb\x7f") == "a\\nb\\u007f");
  CHECK(printable("a\xff\xc3\xbc") == "a\\xff\xc3\xbc");
  CHECK(printable("\xc2\x85!") == "\\u0085!");
  CHECK(printable(std::string(300, 'a')) == std::string(256, 'a'));
  CHECK(printable("") == "");
}
