#include "protocols/amqp/links/cbs.hpp"

#include <proton/link.h>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/printable.hpp"
#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/message_map.hpp"

namespace amqp {

namespace {

std::string encode_reply(const hub::MessageId& correlation_id, int code, std::string_view text) {
  std::string out;
  Writer writer(out);
  writer.descriptor(Descriptor::properties);
  const std::size_t properties = writer.begin_list(6);
  for (int field = 0; field < 5; ++field) writer.null();
  append_message_id(writer, correlation_id);  // type and value of the request's message-id
  writer.end(properties);
  writer.descriptor(Descriptor::application_properties);
  const std::size_t map = writer.begin_map(4);
  writer.string("status-code");
  writer.int32(code);
  writer.string("status-description");
  writer.string(text);
  writer.end(map);
  writer.descriptor(Descriptor::amqp_value);
  writer.null();
  return out;
}

constexpr std::string_view library_remedy =
    "the client's AMQP library is at fault: try another version of it";

// Azure AD tokens come as `jwt`, `bearer`, or with a body that says so (spec/amqp.md 2.1).
bool is_azure_ad(std::string_view type, std::string_view token) {
  return hub::iequals(type, "jwt") || hub::iequals(type, "bearer") || token.starts_with("Bearer ");
}

}  // namespace

void CbsLink::on_message(pn_delivery_t* delivery, std::string_view payload) {
  const auto sections = scan_sections(payload);
  auto ids = sections ? read_ids(*sections) : hub::Result<Ids>(sections.error());
  if (!ids) {
    reject(delivery, to_wire(ids.error()));
    return;
  }
  Answer answer = put_token(*sections);
  accept(delivery);
  connection_.encode();  // the disposition leaves before the reply
  std::string reply = encode_reply(ids->message_id, answer.code, answer.description);
  if (!node_->send(pn_link_session(pn()), std::move(reply))) {
    connection_.detach(*this,
                       {"amqp:resource-limit-exceeded",
                        "too many put-token replies wait for credit or a receiving link"},
                       reply_remedy);
  }
}

CbsLink::Answer CbsLink::put_token(const Sections& request) {
  const auto operation = find_text(request.application_properties, "operation");
  const auto type = find_text(request.application_properties, "type");
  const auto name = find_text(request.application_properties, "name");
  const auto refuse = [&](int code, std::string_view reason, std::string description,
                          std::string_view remedy) {
    connection_.hub().log().warn("AMQP put-token refused", {{"peer", connection_.peer().address},
                                                            {"name", hub::shown(name.value_or(""))},
                                                            {"reason", hub::shown(reason)},
                                                            {"remedy", remedy}});
    return Answer{code, std::move(description)};
  };
  if (!operation || !type || !name || !hub::iequals(*operation, "put-token")) {
    constexpr auto text = "a put-token request has the operation put-token, a type and a name";
    return refuse(400, text, text, library_remedy);
  }
  hub::MessageContent content;
  if (!read_message(request, Direction::device_to_cloud, content) || content.body.empty()) {
    constexpr auto text = "a put-token request has the token as its body";
    return refuse(400, text, text, library_remedy);
  }
  const std::string& token = content.body;
  if (is_azure_ad(*type, token)) {
    constexpr auto text = "Azure AD tokens cannot be checked here; use a shared access signature";
    return refuse(401, text, text, "connect with a connection string that has a shared access key");
  }
  auto principal = connection_.hub().access().authenticate_sas(token, connection_.now());
  if (!principal) {
    // The reason is for the log; over the wire the texts of the real hub, which say about as much.
    return refuse(static_cast<int>(hub::number_of(principal.error().code) / 1000),
                  principal.error().detail,
                  "The specified SAS token is invalid or expired, or its device is not registered "
                  "at IotHub " +
                      connection_.hub().name() + " or is disabled.",
                  "compare the token's sr, se and key with the identity or policy, as it is "
                  "registered");
  }
  if (!connection_.credentials().add(std::move(*principal))) {
    constexpr auto text = "too many tokens on this connection";
    return refuse(403, text, text, "spread the devices over more connections");
  }
  return {200, "OK"};
}

}  // namespace amqp
