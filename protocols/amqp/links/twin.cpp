#include "protocols/amqp/links/twin.hpp"

#include <proton/link.h>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/printable.hpp"
#include "protocols/amqp/connection.hpp"
#include "protocols/amqp/message_map.hpp"

namespace amqp {

namespace {

constexpr std::string_view empty_twin = R"({"desired":{"$version":1},"reported":{"$version":1}})";
constexpr std::int64_t version = 1;
// Node's SDK parses it before it calls back, and never does if that fails (A-51).
constexpr std::string_view refusal =
    R"({"errorCode":404013,"message":"FeatureNotSupported: twins are not kept yet, so the change is not stored"})";

struct Answer {
  int status;
  std::string_view body;
};

Answer answer_to(std::string_view operation) {
  if (hub::iequals(operation, "GET")) return {200, empty_twin};
  if (hub::iequals(operation, "PUT") || hub::iequals(operation, "DELETE")) return {200, {}};
  return {501, refusal};
}

// Types matter: the C SDK insists on status int and version long (spec/amqp.md 3.8).
std::string encode_reply(const hub::MessageId& correlation_id, const Answer& answer) {
  std::string out;
  Writer writer(out);
  writer.descriptor(Descriptor::message_annotations);
  const std::size_t map = writer.begin_map(4);
  writer.symbol("status");
  writer.int32(answer.status);
  writer.symbol("version");
  writer.int64(version);
  writer.end(map);
  writer.descriptor(Descriptor::properties);
  const std::size_t properties = writer.begin_list(6);
  for (int field = 0; field < 5; ++field) writer.null();
  append_message_id(writer, correlation_id);
  writer.end(properties);
  writer.descriptor(Descriptor::data);
  writer.binary(answer.body);
  return out;
}

}  // namespace

void TwinLink::on_message(pn_delivery_t* delivery, std::string_view payload) {
  const auto sections = scan_sections(payload);
  const auto ids = sections ? read_ids(*sections) : hub::Result<Ids>(sections.error());
  if (!ids) {
    reject(delivery, to_wire(ids.error()));
    return;
  }
  const auto operation = find_text(sections->message_annotations, "operation").value_or("");
  const Answer answer = answer_to(operation);
  if (answer.status != 200) {
    connection_.hub().log().warn("AMQP twin request refused",
                                 {{"peer", connection_.peer().address},
                                  {"device", device},
                                  {"operation", hub::shown(operation)},
                                  {"reason", "twins are not kept yet"},
                                  {"remedy", "send what must be kept as telemetry"}});
  }
  accept(delivery);
  connection_.encode();  // as with put-token (A-04)
  if (!node_->send(pn_link_session(pn()), encode_reply(ids->correlation_id, answer))) {
    connection_.detach(*this,
                       {"amqp:resource-limit-exceeded",
                        "too many twin responses wait for credit or a receiving link"},
                       reply_remedy);
  }
}

}  // namespace amqp
