#pragma once
// A real hub and one HTTP session without a socket; time stands still unless a test moves it.
#include "protocols/http/hub_service.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http::test {

using namespace std::chrono_literals;
using namespace std::string_literals;
using ::test::device_key;
using ::test::well_known_key;

// An answer as it left, taken apart without the code under test.
struct Answer {
  int status = 0;
  std::string status_line;
  std::vector<std::pair<std::string, std::string>> headers;  // exactly as written
  std::string body;

  std::optional<std::string> header(std::string_view exact_name) const;
  std::string error() const;  // iothub-errorcode, or ""
};
// All answers in a connection's output; a CHECK fails if there is half of one.
std::vector<Answer> parse_answers(std::string_view output);

struct Call {
  std::string method = "GET";
  std::string target;
  std::string authorization;  // "": no header
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
std::string to_wire(const Call& call);

// The hub of all tests, reached over HTTPS.
class HttpHub : public ::test::TestHub {
 public:
  using TestHub::TestHub;

  std::string policy_token(const std::string& policy = "iothubowner") const;
  std::string device_token(const std::string& id) const;
  std::vector<hub::TelemetryPtr> events();  // of all partitions

  std::unique_ptr<Session> connect(
      std::optional<hub::ClientCertificate> certificate = std::nullopt);
  // One call on a connection of its own, `Connection: close` included.
  Answer call(Call call, std::optional<hub::ClientCertificate> certificate = std::nullopt);
};

// `SharedAccessSignature sr=..&sig=..&se=..[&skn=..]` over exactly this sr text, in this order.
std::string sign_raw(const std::string& sr, std::string_view key, hub::TimePoint expiry,
                     const std::string& skn = {}, const std::string& order = "sr,sig,se");

std::string take_output(Session& session);

}  // namespace http::test
