#include "clients/hub_client/transports/http.hpp"

#include "clients/hub_client/encoding.hpp"
#include "clients/hub_client/error.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <sstream>

namespace iothub {
namespace {

namespace http = boost::beast::http;

// The largest answer taken: a thousand devices at some KB each.
constexpr std::uint64_t kBodyMax = 16 * 1024 * 1024;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// A line break in a value would end the header and begin another one.
void check_header(const std::string& name, const std::string& value) {
  for (const std::string& text : {name, value}) {
    if (std::any_of(text.begin(), text.end(), [](char c) {
          const auto byte = static_cast<unsigned char>(c);
          return byte < 0x20 || byte == 0x7F;
        })) {
      throw Error{ErrorKind::invalid_argument,
                  "a property with a control character cannot be sent over HTTPS"};
    }
  }
}

std::string serialize(const HttpRequest& request, const std::string& host) {
  http::request<http::string_body> out;
  out.version(11);
  out.method_string(request.method);
  out.target(request.target);
  out.set(http::field::host, host);
  out.set(http::field::user_agent, "iothub-client/0.1");
  for (const auto& [name, value] : request.headers) {
    check_header(name, value);
    out.insert(name, value);
  }
  out.body() = request.body;
  out.prepare_payload();
  // Some proxies want a length even where there is no body.
  if (request.body.empty() && request.method != "GET") out.content_length(0);
  std::ostringstream text;
  text << out;
  return text.str();
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

HttpConnection::HttpConnection(const ClientOptions& options, Endpoint endpoint)
    : options_(options),
      endpoint_(std::move(endpoint)),
      host_header_(options.connection.host_name) {
  if (host_header_.find(':') != std::string::npos) host_header_ = "[" + host_header_ + "]";
  if (endpoint_.port != 443) host_header_ += ":" + std::to_string(endpoint_.port);
}

HttpResponse HttpConnection::send(const HttpRequest& request, Duration timeout) {
  const Deadline deadline{timeout};
  if (stream_) {
    bool answered = false;
    try {
      return exchange(request, deadline, answered);
    } catch (const Error& error) {
      stream_.reset();
      if (error.kind() != ErrorKind::connection_lost || answered) throw;
      // The server had given up the idle connection: a new one decides.
    }
  }
  connect(deadline.remaining());
  bool answered = false;
  try {
    return exchange(request, deadline, answered);
  } catch (const Error&) {
    stream_.reset();
    throw;
  }
}

void HttpConnection::connect(Duration timeout) {
  stream_ = connect_tls(endpoint_, options_, std::min(options_.connect_timeout, timeout));
}

void HttpConnection::close() noexcept {
  if (stream_) stream_->close();
  stream_.reset();
}

HttpResponse HttpConnection::exchange(const HttpRequest& request, const Deadline& deadline,
                                      bool& answered) {
  stream_->write(serialize(request, host_header_), deadline.remaining());
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyMax);
  parser.eager(true);
  boost::beast::flat_buffer buffer;
  std::array<char, 16 * 1024> chunk{};
  while (!parser.is_done()) {
    std::size_t count = 0;
    try {
      count = stream_->read_some(chunk.data(), chunk.size(), deadline.remaining());
    } catch (const Error&) {
      // A body without a length ends with the connection.
      boost::system::error_code ec;
      if (answered) parser.put_eof(ec);
      if (!answered || ec || !parser.is_done()) throw;
      break;
    }
    if (count == 0) {
      stream_.reset();
      throw Error{ErrorKind::timeout,
                  request.method + " " + request.target + ": no answer from " + host_header_};
    }
    answered = true;
    const auto target = buffer.prepare(count);
    std::copy_n(chunk.data(), count, static_cast<char*>(target.data()));
    buffer.commit(count);
    boost::system::error_code ec;
    while (buffer.size() > 0 && !parser.is_done()) {
      const auto used = parser.put(buffer.data(), ec);
      buffer.consume(used);
      if (ec == http::error::need_more) {
        ec = {};
        break;
      }
      if (ec) {
        throw Error{ErrorKind::protocol_error,
                    host_header_ + " does not answer in HTTP (" + ec.message() + ")"};
      }
    }
  }
  HttpResponse response;
  const auto& message = parser.get();
  response.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    response.headers.emplace_back(view(field.name_string()), view(field.value()));
  }
  response.body = message.body();
  if (!message.keep_alive()) stream_.reset();
  return response;
}

}  // namespace iothub
