#include "emulator/app/health.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>

namespace app {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr auto health_time = std::chrono::seconds{2};
constexpr auto neighbour_time = std::chrono::milliseconds{500};

// An address that means "any" is answered on loopback as well as on any other.
asio::ip::address reachable(const std::string& address) {
  if (address == "localhost" || address == "0.0.0.0") return asio::ip::address_v4::loopback();
  if (address == "::") return asio::ip::address_v6::loopback();
  return asio::ip::make_address(address);
}

struct Reply {
  boost::system::error_code error;  // of connecting, writing or reading
  unsigned status = 0;
  boost::json::value body;  // null: no JSON
};

Reply get(const asio::ip::tcp::endpoint& endpoint, const char* path,
          std::chrono::milliseconds time) {
  asio::io_context context;
  boost::beast::tcp_stream stream(context);
  stream.expires_after(time);
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, "localhost");
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(64 * 1024);
  Reply reply;
  const auto failed = [&](boost::system::error_code error) {
    reply.error = error;
    return error.failed();
  };
  stream.async_connect(endpoint, [&](boost::system::error_code connect_error) {
    if (failed(connect_error)) return;
    http::async_write(stream, request, [&](boost::system::error_code write_error, std::size_t) {
      if (failed(write_error)) return;
      http::async_read(stream, buffer, parser,
                       [&](boost::system::error_code read_error, std::size_t) {
                         if (failed(read_error)) return;
                         reply.status = parser.get().result_int();
                         boost::system::error_code no_json;
                         reply.body = boost::json::parse(parser.get().body(), no_json);
                       });
    });
  });
  context.run();
  return reply;
}

bool has(const boost::json::value& body, std::string_view key, std::string_view text) {
  const auto* object = body.if_object();
  const auto* value = object == nullptr ? nullptr : object->if_contains(key);
  return value != nullptr && value->is_string() && value->get_string() == text;
}

}  // namespace

std::optional<std::string> health_fault(const Config& config) {
  if (!config.control_port) return "--control-port is off: there is nobody to ask";
  const asio::ip::tcp::endpoint endpoint(reachable(config.control_listen), *config.control_port);
  const std::string place =
      "port " + std::to_string(endpoint.port()) + " of " + endpoint.address().to_string();
  const auto reply = get(endpoint, "/health", health_time);
  if (reply.error == asio::error::connection_refused) {
    return "nothing listens on " + place +
           ": no emulator runs, or its --control-port is another one";
  }
  if (reply.error == boost::beast::error::timeout) {
    return "no answer from " + place + " within 2 s: the emulator is busy, or it is something else";
  }
  if (reply.error.category() == boost::system::error_code{http::error::end_of_stream}.category()) {
    return "what listens on " + place +
           " is no control API of an emulator: " + reply.error.message();
  }
  if (reply.error) return place + ": " + reply.error.message();
  if (reply.status != 200) {
    return place + " answers GET /health with the status " + std::to_string(reply.status);
  }
  if (!has(reply.body, "status", "ok"))
    return "what listens on " + place + " is no control API of an emulator";
  return std::nullopt;
}

bool is_emulator(const std::string& address, std::uint16_t port) {
  const auto reply = get({reachable(address), port}, "/version", neighbour_time);
  return has(reply.body, "name", "iothub-emulator") ||
         (reply.status == 401 &&
          boost::json::serialize(reply.body).find("ControlTokenNeeded") != std::string::npos);
}

}  // namespace app
