#pragma once
// HubErrc -> what an MQTT device is told. MQTT 3.1.1 has return codes at CONNECT only; afterwards
// every error is a closed connection, and the reason stands in the log (M-60).
#include "emulator/core/base/error.hpp"
#include "protocols/mqtt/packet.hpp"

namespace mqtt {

// 5 for whatever is wrong with the identity or its credentials, 3 for whatever may pass (2.5).
ConnectReturn connect_return_of(hub::HubErrc code);

}  // namespace mqtt
