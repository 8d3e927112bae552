#include "protocols/http/request_parser.hpp"

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/error.hpp"
#include "protocols/http/head_scanner.hpp"
#include "protocols/http/limits.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>

namespace http {

namespace beast = boost::beast;
using beast::error_code;
using BeastError = beast::http::error;

namespace {

constexpr std::size_t kept_body_capacity = 64 * 1024;

std::string_view to_view(beast::string_view text) { return {text.data(), text.size()}; }

Method to_method(beast::http::verb verb) {
  switch (verb) {
    case beast::http::verb::get:
      return Method::get;
    case beast::http::verb::put:
      return Method::put;
    case beast::http::verb::post:
      return Method::post;
    case beast::http::verb::delete_:
      return Method::delete_;
    case beast::http::verb::patch:
      return Method::patch;
    case beast::http::verb::head:
      return Method::head;
    default:
      return Method::other;
  }
}

// Beast's grammar with our own storage: fields as views into the head, trailers dropped.
class MessageParser final : public beast::http::basic_parser<true> {
 public:
  MessageParser(RequestHead& head, std::string& body) : head_(head), body_(body) {
    header_limit(head_bytes_max + 1);  // the scanner has measured it already
    // Beast's own count goes down again each time that it meets the same incomplete chunk line.
    body_limit(boost::none);
  }
  void limit_body(std::size_t bytes) { body_bytes_max_ = bytes; }
  bool body_too_large() const { return body_too_large_; }
  // A chunk's size line comes next, not its data.
  bool before_chunk() const { return chunk_left_ == 0; }

 private:
  void on_request_impl(beast::http::verb verb, beast::string_view method, beast::string_view target,
                       int version, error_code&) override {
    head_.method = to_method(verb);
    head_.method_text = to_view(method);
    head_.target = to_view(target);
    head_.http_1_0 = version == 10;
  }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     error_code&) override {
    if (!head_done_) head_.headers.push_back({to_view(name), to_view(value)});
  }
  void on_header_impl(error_code& ec) override {
    head_done_ = true;
    announce(content_length().value_or(0), ec);
  }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view bytes, error_code&) override {
    if (body_.size() + bytes.size() > body_bytes_max_) {
      body_too_large_ = true;
      body_.clear();
    }
    if (!body_too_large_) body_.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view, error_code& ec) override {
    announce(size, ec);
    chunk_left_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, error_code& ec) override {
    chunk_left_ -= bytes.size();
    return on_body_impl(bytes, ec);
  }
  void announce(std::uint64_t size, error_code& ec) {
    if (size > drained_bytes_max - announced_) {
      ec = BeastError::body_limit;
    } else {
      announced_ += size;
    }
  }
  void on_finish_impl(error_code&) override {}
  // Never called: this parser reads requests.
  void on_response_impl(int, beast::string_view, int, error_code&) override {}

  RequestHead& head_;
  std::string& body_;
  std::size_t body_bytes_max_ = body_bytes_max;
  std::uint64_t announced_ = 0;  // bytes of the body, never more than drained_bytes_max
  std::uint64_t chunk_left_ = 0;
  bool head_done_ = false;
  bool body_too_large_ = false;
};

}  // namespace

struct RequestParser::Impl {
  Status status = Status::need_more;
  HeadScanner scanner;
  RequestHead head;
  std::string body;
  std::string tail;  // part of a chunk's size line: Beast wants it again with what follows
  Refusal refusal;
  std::optional<MessageParser> parser;

  void refuse(unsigned code, std::string reason) {
    status = Status::refused;
    refusal = {code, std::move(reason)};
  }
  void refuse(const error_code& ec);
  std::size_t put_head(std::string_view bytes);
  std::size_t put_body(std::string_view bytes);
  std::size_t feed(std::string_view bytes);
  void check_framing();
};

// Shapes by which two servers come to see different requests in the same bytes (H-24). Beast
// refuses conflicting lengths, a length beside a transfer coding and a space before the colon; it
// lets through what is asked here.
void RequestParser::Impl::check_framing() {
  std::size_t hosts = 0, lengths = 0, codings = 0;
  bool chunked = false, digits_only = true;
  for (const Header& header : head.headers) {
    if (hub::iequals(header.name, "host")) ++hosts;
    if (hub::iequals(header.name, "content-length")) {
      ++lengths;
      digits_only = digits_only && std::all_of(header.value.begin(), header.value.end(),
                                               [](char c) { return c >= '0' && c <= '9'; });
    }
    if (hub::iequals(header.name, "transfer-encoding")) {
      ++codings;
      chunked = hub::iequals(header.value, "chunked");
    }
  }
  if (hosts > 1 || (hosts == 0 && !head.http_1_0)) {
    return refuse(400, "HTTP/1.1 wants exactly one Host header");
  }
  if (lengths > 1 || !digits_only) return refuse(400, "Content-Length must be one plain number");
  if (codings > 1) return refuse(400, "more than one Transfer-Encoding header");
  if (codings == 1 && !chunked) return refuse(501, "the only transfer coding here is chunked");
  if (codings == 1 && head.http_1_0) return refuse(400, "Transfer-Encoding in an HTTP/1.0 request");
  if (const auto expect = head.find("expect")) {
    if (!hub::iequals(*expect, "100-continue")) {
      return refuse(417, "the only expectation here is 100-continue");
    }
    head.expects_continue = !head.http_1_0;
  }
}

void RequestParser::Impl::refuse(const error_code& ec) {
  if (ec == BeastError::body_limit) return refuse(413, "the body is larger than 4 MiB");
  if (ec == BeastError::bad_version) {
    return refuse(
        505,
        "only HTTP/1.0 and 1.1 are spoken here; a blank in the path is %20 (encodeURIComponent)");
  }
  refuse(400, "malformed request: " + ec.message());
}

std::size_t RequestParser::Impl::put_head(std::string_view bytes) {
  const std::size_t taken = scanner.put(bytes);
  switch (scanner.status()) {
    case HeadScanner::Status::more:
      return taken;
    case HeadScanner::Status::bad:
      refuse(400, "malformed request: " + std::string(scanner.problem()));
      return taken;
    case HeadScanner::Status::too_long:
      refuse(431, "the request line and headers are larger than 16 KiB");
      return taken;
    case HeadScanner::Status::complete:
      break;
  }
  parser.emplace(head, body);
  error_code ec;
  const std::string_view text = scanner.head();
  parser->put(boost::asio::const_buffer(text.data(), text.size()), ec);
  if (ec) {
    refuse(ec);
    return taken;
  }
  HUB_ASSERT(parser->is_header_done());
  head.keep_alive = parser->keep_alive();
  head.connection_upgrade = parser->upgrade();
  head.has_body = !parser->is_done();
  check_framing();
  if (status != Status::refused) status = Status::head_complete;
  return taken;
}

// Feeds Beast from `bytes` until the message is complete, refused, or wants more.
std::size_t RequestParser::Impl::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (!parser->is_done() && used < bytes.size()) {
    std::string_view window = bytes.substr(used);
    // Measured the same way however the bytes were cut: the line must end within the window.
    const bool line = parser->chunked() && parser->before_chunk();
    // No last chunk is shorter, and Beast relies on having seen all of it the second time that it
    // looks.
    if (line && window.size() < chunk_line_bytes_min) return used;
    if (line) window = window.substr(0, chunk_line_bytes_max);
    error_code ec;
    used += parser->put(boost::asio::const_buffer(window.data(), window.size()), ec);
    if (ec == BeastError::need_more) {
      if (line && window.size() == chunk_line_bytes_max) {
        refuse(400, "malformed request: a chunk's size line or the trailers are too long");
      }
      return used;
    }
    if (ec) {
      refuse(ec);
      return used;
    }
  }
  if (parser->is_done()) status = Status::complete;
  return used;
}

std::size_t RequestParser::Impl::put_body(std::string_view bytes) {
  if (parser->is_done()) {  // there was none
    status = Status::complete;
    return 0;
  }
  status = Status::need_more;
  if (tail.empty()) {
    const std::size_t used = feed(bytes);
    if (status != Status::need_more) return used;
    tail.assign(bytes.substr(used));
    return bytes.size();
  }
  const std::size_t before = tail.size();
  tail.append(bytes);
  const std::size_t used = feed(tail);
  if (status == Status::need_more) {
    tail.erase(0, used);
    return bytes.size();
  }
  tail.clear();
  return used > before ? used - before : 0;
}

RequestParser::RequestParser() : impl_(std::make_unique<Impl>()) {}
RequestParser::~RequestParser() = default;

std::size_t RequestParser::put(std::string_view bytes) {
  HUB_ASSERT(impl_->status != Status::complete && impl_->status != Status::refused);
  return impl_->parser ? impl_->put_body(bytes) : impl_->put_head(bytes);
}

RequestParser::Status RequestParser::status() const { return impl_->status; }
const RequestHead& RequestParser::head() const { return impl_->head; }
std::string_view RequestParser::raw_head() const { return impl_->scanner.head(); }
std::string_view RequestParser::body() const { return impl_->body; }
void RequestParser::limit_body(std::size_t bytes) { impl_->parser->limit_body(bytes); }
bool RequestParser::body_too_large() const { return impl_->parser->body_too_large(); }
const Refusal& RequestParser::refusal() const { return impl_->refusal; }
bool RequestParser::in_head() const { return !impl_->parser && !impl_->scanner.head().empty(); }
bool RequestParser::in_body() const { return impl_->parser.has_value(); }

void RequestParser::next() {
  impl_->status = Status::need_more;
  impl_->scanner.reset();
  // No view may outlive what it points to; the vector's memory is used again.
  auto headers = std::move(impl_->head.headers);
  headers.clear();
  impl_->head = {};
  impl_->head.headers = std::move(headers);
  impl_->parser.reset();
  impl_->body.clear();
  if (impl_->body.capacity() > kept_body_capacity) impl_->body.shrink_to_fit();
}

}  // namespace http
