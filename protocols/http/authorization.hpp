#pragma once
// Who is calling, and may they: a SAS token, or a device's client certificate (T-04).
#include "protocols/http/exchange.hpp"
#include "protocols/http/routes.hpp"

namespace http {

// Fills `principal`, and `device` on the routes of devices and modules. iot_hub_unauthorized_access
// with the reason, which is for the log (H-48). Checked for every request: HTTPS has no session
// that could remember it, and a regenerated key is refused from the next call on (spec/c2d.md 6.5).
hub::Result<void> authorize(Exchange& exchange, Access access);

}  // namespace http
