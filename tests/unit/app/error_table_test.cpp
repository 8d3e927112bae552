// docs/errors.md against the code: the table there is what the three protocols really say.
#include "emulator/core/base/error.hpp"
#include "protocols/amqp/errors.hpp"
#include "protocols/http/errors.hpp"
#include "protocols/mqtt/errors.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

std::string row_of(hub::HubErrc code) {
  const hub::HubError error = hub::fail(code, "why");
  const http::WireError http = http::to_wire_error(error);
  std::ostringstream row;
  row << "| " << http.number << " | " << http.name << " | " << http.status << " | `"
      << amqp::condition_of(code) << "` | " << static_cast<int>(mqtt::connect_return_of(code))
      << " |";
  return row.str();
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in, file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("ERR-01 docs/errors.md has each error as the three protocols tell it, and no other") {
  const auto root =
      std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path();
  const std::string document = text_of(root / "docs/errors.md");
  std::string expected;
  for (const hub::HubErrc code : hub::all_errors()) expected += row_of(code) + "\n";
  const auto begin = document.find("| 400001");
  REQUIRE(begin != std::string::npos);
  CHECK(document.substr(begin, document.find("\n\n", begin) + 1 - begin) == expected);
}

TEST_CASE("ERR-01 the body of an HTTP error is Form A, and says nothing of a refused login") {
  for (const hub::HubErrc code : hub::all_errors()) {
    CAPTURE(hub::name_of(code));
    http::Response response;
    http::write_error(response, http::to_wire_error(hub::fail(code, "the reason; twice")), "1-2",
                      {});
    const bool login = hub::number_of(code) / 1000 == 401;
    const std::string text = login ? "Unauthorized" : "the reason, twice";
    CHECK(response.body.find(R"({"Message":"ErrorCode:)" + std::string(hub::name_of(code)) + ";" +
                             text + R"(","ExceptionMessage":"Tracking ID:12-G:0-TimeStamp:)") == 0);
    CHECK((amqp::to_wire(hub::fail(code, "the reason")).description.find("the reason") ==
           std::string::npos) == login);
  }
}
