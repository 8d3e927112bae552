#include "protocols/amqp/printable.hpp"

#include <doctest/doctest.h>

using amqp::printable;

TEST_CASE("A-52 what a peer wrote is said as text on one line") {
  CHECK(printable("devices/d\xc3\xbc") == "devices/d\xc3\xbc");
  CHECK(printable("a\nb\x7f") == "a\\x0ab\\x7f");
  CHECK(printable("a\xff\xc3\xbc") == "a\\xff\\xc3\\xbc");
  CHECK(printable("\xc2\x85!") == "\\xc2\\x85!");
  CHECK(printable("abcdef", 3) == "abc");
  CHECK(printable("ab\xc3\xbc", 3) == "ab");
  CHECK(printable("") == "");
}
