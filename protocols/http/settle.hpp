#pragma once
// Receiving and settling over HTTPS, for device queues and the feedback queue alike.
#include "protocols/http/exchange.hpp"

#include <string_view>

namespace http {

hub::Result<void> receive_from(Exchange& exchange, const hub::QueueId& queue, hub::Duration lock,
                               std::string_view content_type);
hub::Result<void> complete_or_reject(Exchange& exchange, const hub::QueueId& queue,
                                     std::string_view token);
hub::Result<void> abandon(Exchange& exchange, const hub::QueueId& queue, std::string_view token);

}  // namespace http
