#pragma once
// HTTP/1.1 requests over one kept-alive, verified TLS connection.
#include "clients/hub_client/options.hpp"
#include "clients/hub_client/transports/stream.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iothub {

struct HttpRequest {
  std::string method;
  std::string target;  // path and query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The first header of this name, without regard to case; empty when absent.
  std::string header(std::string_view name) const;
};

class HttpConnection {
 public:
  HttpConnection(const ClientOptions& options, Endpoint endpoint);

  // Sends and waits for the answer. Connects when needed, and once again when the server had closed
  // a connection that had been idle. Errors as in stream.hpp, and protocol_error.
  HttpResponse send(const HttpRequest& request, Duration timeout);

  // Connects now rather than with the first request.
  void connect(Duration timeout);

  void close() noexcept;

 private:
  HttpResponse exchange(const HttpRequest& request, const Deadline& deadline, bool& answered);

  ClientOptions options_;
  Endpoint endpoint_;
  std::string host_header_;
  std::unique_ptr<ByteStream> stream_;
};

}  // namespace iothub
