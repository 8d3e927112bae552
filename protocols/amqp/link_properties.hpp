#pragma once
// The string properties of a client's attach, such as `com.microsoft:model-id`.
#include <string>
#include <string_view>

#include "protocols/amqp/proton_fwd.hpp"

namespace amqp {

// Empty if there is none of that name, or it is no string.
std::string link_property(pn_link_t* link, std::string_view name);

}  // namespace amqp
