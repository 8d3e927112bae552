#pragma once
// The device operations, one function each (spec/https.md section 2). Access was granted before.
#include "protocols/http/exchange.hpp"

namespace http {

// POST /devices/{id}/messages/events: one message, or a batch by its content type.
hub::Result<void> send_telemetry(Exchange& exchange);
// GET /devices/{id}/messages/deviceBound: the oldest message, locked, or 204; never waits.
hub::Result<void> receive_device_bound(Exchange& exchange);
// DELETE .../{lockToken}: complete, or reject with that query key.
hub::Result<void> settle_device_bound(Exchange& exchange);
// POST .../{lockToken}/abandon
hub::Result<void> abandon_device_bound(Exchange& exchange);

}  // namespace http
