#pragma once
// Collects a request head up to its empty line, and refuses at once what no head may hold, so that
// the outcome does not depend on how the bytes were cut (H-23):
//   head = *blank-line request-line CRLF *( field-line CRLF ) CRLF
// Each line ends with CRLF, never a bare CR or LF; no control characters; no line starts with white
// space (obsolete folding). What the lines say is the parser's business.
#include <cstddef>
#include <string>
#include <string_view>

namespace http {

class HeadScanner {
 public:
  enum class Status { more, complete, bad, too_long };

  // Takes bytes up to and with the empty line or the first bad byte. Returns how many.
  std::size_t put(std::string_view bytes);

  Status status() const { return status_; }
  std::string_view problem() const { return problem_; }  // of `bad`, in words
  std::string_view head() const { return head_; }
  void reset();

 private:
  Status step(char c);

  Status status_ = Status::more;
  std::string head_;
  std::string_view problem_;
  std::size_t line_chars_ = 0;
  std::size_t blank_lines_ = 0;
  bool after_cr_ = false;
};

}  // namespace http
