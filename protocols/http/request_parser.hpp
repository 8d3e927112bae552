#pragma once
// Bytes -> requests, over Beast's parser, without a socket. Order of calls, for each request:
//   put() until head_complete; look at head(); limit_body() if it is not the usual limit; put() on
//   (even with nothing) until complete; look at body(); next(). After `refused` nothing more can be
//   read from this connection.
// The outcome does not depend on how the bytes were cut.
#include "protocols/http/request.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace http {

// Why a connection can not be read any further: the answer to give before it is closed.
struct Refusal {
  unsigned status = 400;
  std::string reason;
};

class RequestParser {
 public:
  enum class Status { need_more, head_complete, complete, refused };

  RequestParser();
  ~RequestParser();

  // Takes bytes and stops behind the head and behind the body. Returns how many it took.
  std::size_t put(std::string_view bytes);

  Status status() const;
  const RequestHead& head() const;     // from head_complete on
  std::string_view raw_head() const;   // as received, with the empty line
  std::string_view body() const;       // at complete
  void limit_body(std::size_t bytes);  // what is larger is read and dropped
  bool body_too_large() const;         // at complete: that has happened (H-21)
  const Refusal& refusal() const;
  bool in_head() const;  // some bytes of a head have come
  bool in_body() const;  // the head has come, the body not wholly
  void next();

 private:
  struct Impl;  // keeps Beast out of this header
  std::unique_ptr<Impl> impl_;
};

}  // namespace http
