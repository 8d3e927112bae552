#include "tests/unit/http/support.hpp"

#include "emulator/core/base/encoding.hpp"

#include <cstdlib>

namespace http::test {

std::optional<std::string> Answer::header(std::string_view exact_name) const {
  for (const auto& [name, value] : headers) {
    if (name == exact_name) return value;
  }
  return std::nullopt;
}

std::string Answer::error() const { return header("iothub-errorcode").value_or(""); }

std::vector<Answer> parse_answers(std::string_view output) {
  std::vector<Answer> answers;
  while (!output.empty()) {
    const auto end = output.find("\r\n\r\n");
    REQUIRE(end != std::string_view::npos);
    std::string_view head = output.substr(0, end + 2);
    output.remove_prefix(end + 4);
    Answer answer;
    for (bool first = true; !head.empty(); first = false) {
      const auto eol = head.find("\r\n");
      const std::string line(head.substr(0, eol));
      head.remove_prefix(eol + 2);
      REQUIRE(line.find('\n') == std::string::npos);
      if (first) {
        answer.status_line = line;
        answer.status = std::atoi(line.substr(9, 3).c_str());
        continue;
      }
      const auto colon = line.find(": ");
      REQUIRE(colon != std::string::npos);
      answer.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    const auto length = answer.header("Content-Length");
    const std::size_t size = length ? std::stoul(*length) : 0;
    REQUIRE(output.size() >= size);
    answer.body = output.substr(0, size);
    output.remove_prefix(size);
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::string to_wire(const Call& call) {
  std::string out = call.method + " " + call.target + " HTTP/1.1\r\nHost: localhost\r\n";
  if (!call.authorization.empty()) out += "Authorization: " + call.authorization + "\r\n";
  for (const auto& [name, value] : call.headers) out += name + ": " + value + "\r\n";
  if (!call.body.empty() || call.method == "POST" || call.method == "PUT") {
    out += "Content-Length: " + std::to_string(call.body.size()) + "\r\n";
  }
  return out + "\r\n" + call.body;
}

std::string HttpHub::policy_token(const std::string& policy) const {
  return hub::make_sas_token("localhost", well_known_key, now + 1h, policy);
}

std::string HttpHub::device_token(const std::string& id) const {
  return hub::make_sas_token("localhost/devices/" + id, device_key, now + 1h);
}

std::vector<hub::TelemetryPtr> HttpHub::events() {
  std::vector<hub::TelemetryPtr> all;
  for (std::uint32_t i = 0; i < hub.events().partition_count(); ++i) {
    for (auto& event : hub.events().read(i, 0, 1000)) all.push_back(std::move(event));
  }
  return all;
}

std::unique_ptr<Session> HttpHub::connect(std::optional<hub::ClientCertificate> certificate) {
  protocols::PeerInfo peer;
  peer.address = "127.0.0.1:50000";
  peer.encrypted = true;
  peer.certificate = std::move(certificate);
  return make_hub_session(hub, std::move(peer), now);
}

Answer HttpHub::call(Call call, std::optional<hub::ClientCertificate> certificate) {
  auto session = connect(std::move(certificate));
  call.headers.emplace_back("Connection", "close");
  session->on_bytes(to_wire(call), now);
  auto answers = parse_answers(take_output(*session));
  REQUIRE(answers.size() == 1);
  CHECK(session->wants_close());
  for (const auto& line :
       log.lines) {  // the form of a token may be shown, with dots for its secret
    CHECK(::test::count(line, "sig=") == ::test::count(line, "sig=…"));
  }
  return std::move(answers[0]);
}

std::string sign_raw(const std::string& sr, std::string_view key, hub::TimePoint expiry,
                     const std::string& skn, const std::string& order) {
  const std::string se = std::to_string(hub::to_unix_ms(expiry) / 1000);
  const std::string sig = hub::percent_encode(
      hub::base64_encode(hub::hmac_sha256(*hub::base64_decode(key), sr + "\n" + se)));
  std::string token = "SharedAccessSignature ";
  token += order == "sig,se,sr" ? "sig=" + sig + "&se=" + se + "&sr=" + sr
                                : "sr=" + sr + "&sig=" + sig + "&se=" + se;
  if (!skn.empty()) token += "&skn=" + skn;
  return token;
}

std::string take_output(Session& session) {
  std::string out(session.output());
  session.consume_output(out.size());
  CHECK(session.output().empty());
  return out;
}

}  // namespace http::test
