#include "protocols/amqp/link_properties.hpp"

#include <proton/codec.h>
#include <proton/link.h>

namespace amqp {

std::string link_property(pn_link_t* link, std::string_view name) {
  pn_data_t* data = pn_link_remote_properties(link);
  if (data == nullptr) return {};
  pn_data_rewind(data);
  if (!pn_data_next(data) || pn_data_type(data) != PN_MAP || !pn_data_enter(data)) return {};
  while (pn_data_next(data)) {
    const bool is_text = pn_data_type(data) == PN_SYMBOL || pn_data_type(data) == PN_STRING;
    const pn_bytes_t key = is_text ? pn_data_get_bytes(data) : pn_bytes_t{0, nullptr};
    if (!pn_data_next(data)) break;
    if (std::string_view(key.start == nullptr ? "" : key.start, key.size) != name) continue;
    if (pn_data_type(data) != PN_STRING) break;
    const pn_bytes_t value = pn_data_get_string(data);
    return {value.start, value.size};
  }
  return {};
}

}  // namespace amqp
