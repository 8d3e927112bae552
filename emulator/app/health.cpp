#include "emulator/app/health.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <chrono>

namespace app {

bool is_healthy(const Config& config) {
  namespace asio = boost::asio;
  namespace http = boost::beast::http;
  if (!config.control_port) return false;
  // An address that means "any" is answered on loopback as well as on any other.
  const auto& address = config.control_listen;
  const bool local = is_loopback(address) || address == "0.0.0.0" || address == "::";
  asio::io_context context;
  boost::beast::tcp_stream stream(context);
  stream.expires_after(std::chrono::seconds{2});
  http::request<http::empty_body> request(http::verb::get, "/health", 11);
  request.set(http::field::host, "localhost");
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  bool healthy = false;
  stream.async_connect(
      {asio::ip::make_address(local ? "127.0.0.1" : address), *config.control_port},
      [&](boost::system::error_code connect_error) {
        if (connect_error) return;
        http::async_write(stream, request, [&](boost::system::error_code write_error, std::size_t) {
          if (write_error) return;
          http::async_read(stream, buffer, response,
                           [&](boost::system::error_code read_error, std::size_t) {
                             healthy = !read_error && response.result() == http::status::ok;
                           });
        });
      });
  context.run();
  return healthy;
}

}  // namespace app
