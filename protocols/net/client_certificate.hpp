#pragma once
// What the hub wants to know of a client's certificate (SEC-11). Its bytes are the peer's, all the
// more since any certificate is accepted in a handshake (M-06).
#include "emulator/core/access/auth.hpp"

struct x509_st;

namespace net {

// A common name that is absent or cannot be read as UTF-8 is empty.
hub::ClientCertificate read_client_certificate(x509_st* certificate);

}  // namespace net
