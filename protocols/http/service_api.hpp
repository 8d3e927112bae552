#pragma once
// The service operations, one function each (spec/https.md section 3). Access was granted before.
#include "protocols/http/exchange.hpp"

namespace http {

// The identity registry (3.1, 3.2, H-50): of the device in the path, or of its module if the path
// names one.
hub::Result<void> put_device(Exchange& exchange);  // create, or update with If-Match
hub::Result<void> get_device(Exchange& exchange);
hub::Result<void> delete_device(Exchange& exchange);
hub::Result<void> list_devices(Exchange& exchange);
hub::Result<void> list_modules(Exchange& exchange);
hub::Result<void> device_statistics(Exchange& exchange);
hub::Result<void> service_statistics(Exchange& exchange);
hub::Result<void> get_twin(Exchange& exchange);  // of a device without tags and properties
// POST /devices/query (3.6, H-57): SELECT * FROM devices, page by page.
hub::Result<void> query_devices(Exchange& exchange);
// POST /devices (3.3, H-42): every entry is tried; failures are listed in a 400.
hub::Result<void> bulk_devices(Exchange& exchange);

// Messages (3.10): purge counts what it removed (H-51), feedback is locked and settled (H-52).
hub::Result<void> purge_device_bound(Exchange& exchange);
hub::Result<void> receive_feedback(Exchange& exchange);
hub::Result<void> settle_feedback(Exchange& exchange);
hub::Result<void> abandon_feedback(Exchange& exchange);
// POST /messages/deviceBound: not part of the real hub's REST API (H-43).
hub::Result<void> send_device_bound(Exchange& exchange);

}  // namespace http
