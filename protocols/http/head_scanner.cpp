#include "protocols/http/head_scanner.hpp"

#include "protocols/http/limits.hpp"

namespace http {

std::size_t HeadScanner::put(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    status_ = step(bytes[i]);
    if (status_ != Status::more) return i + 1;
  }
  return bytes.size();
}

HeadScanner::Status HeadScanner::step(char c) {
  if (head_.size() >= head_bytes_max) return Status::too_long;
  const auto byte = static_cast<unsigned char>(c);
  if (after_cr_ && c != '\n') {
    problem_ = "a carriage return without a line feed";
    return Status::bad;
  }
  if (c == '\n') {
    if (!after_cr_) {
      problem_ = "a line feed without a carriage return";
      return Status::bad;
    }
    after_cr_ = false;
    head_ += c;
    if (line_chars_ > 0) {
      line_chars_ = 0;
      return Status::more;
    }
    if (head_.size() > 2) return Status::complete;
    // RFC 9112 2.2: blank lines before a request line are ignored, within reason.
    head_.clear();
    if (++blank_lines_ <= leading_blank_lines_max) return Status::more;
    problem_ = "too many blank lines before the request";
    return Status::bad;
  }
  if (c == '\r') {
    after_cr_ = true;
  } else if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
    problem_ = byte == 0x16 && head_.empty() ? "this looks like TLS on a port without TLS"
                                             : "a control character in the request head";
    return Status::bad;
  } else {
    if (line_chars_ == 0 && (c == ' ' || c == '\t')) {
      problem_ = "a line of the request head that starts with white space";
      return Status::bad;
    }
    ++line_chars_;
  }
  head_ += c;
  return Status::more;
}

void HeadScanner::reset() {
  status_ = Status::more;
  head_.clear();
  problem_ = {};
  line_chars_ = 0;
  blank_lines_ = 0;
  after_cr_ = false;
}

}  // namespace http
