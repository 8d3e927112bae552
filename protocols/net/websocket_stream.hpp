#pragma once
// A WebSocket upon a TCP or TLS stream whose upgrade request an HTTP session has accepted.
//   M-02 the 101 echoes the subprotocol as the client spelled it and declines every extension.
//   M-03 binary frames in and out; frame boundaries mean nothing; ping and close are answered.
// handshake() sends the 101.
#include "protocols/net/stream.hpp"

#include <memory>

namespace net {

std::shared_ptr<Stream> make_websocket_stream(IoThread& thread, std::shared_ptr<SocketStream> lower,
                                              protocols::Upgrade upgrade,
                                              std::size_t message_bytes_max);

}  // namespace net
