#include "tests/unit/amqp/support/client.hpp"

#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/error.h>
#include <proton/event.h>
#include <proton/sasl.h>
#include <proton/transport.h>

#include <algorithm>
#include <cstring>

namespace amqp_test {

namespace {

std::string text(const char* c) { return c == nullptr ? std::string() : std::string(c); }
std::string text(pn_bytes_t bytes) {
  return bytes.start == nullptr ? std::string() : std::string(bytes.start, bytes.size);
}
pn_bytes_t bytes(std::string_view view) { return {view.size(), view.data()}; }

// Positions `data` on the value of `name`.
bool find(pn_data_t* data, std::string_view name) {
  pn_data_rewind(data);
  if (!pn_data_next(data) || pn_data_type(data) != PN_MAP || !pn_data_enter(data)) return false;
  while (pn_data_next(data)) {
    const bool here = text(pn_data_get_bytes(data)) == name;
    if (!pn_data_next(data)) return false;
    if (here) return true;
  }
  return false;
}

// Appends an entry to a map that may be empty yet.
template <class Put>
void add(pn_data_t* data, std::string_view name, bool symbol, Put put) {
  pn_data_rewind(data);
  if (!pn_data_next(data)) pn_data_put_map(data);
  pn_data_enter(data);
  while (pn_data_next(data)) {
  }
  symbol ? pn_data_put_symbol(data, bytes(name)) : pn_data_put_string(data, bytes(name));
  put();
  pn_data_exit(data);
  pn_data_rewind(data);
}

std::optional<std::pair<pn_type_t, std::int64_t>> number(pn_data_t* data, std::string_view name) {
  if (!find(data, name)) return std::nullopt;
  const pn_type_t type = pn_data_type(data);
  switch (type) {
    case PN_UBYTE:
      return std::pair{type, std::int64_t{pn_data_get_ubyte(data)}};
    case PN_INT:
      return std::pair{type, std::int64_t{pn_data_get_int(data)}};
    case PN_LONG:
      return std::pair{type, pn_data_get_long(data)};
    case PN_ULONG:
      return std::pair{type, static_cast<std::int64_t>(pn_data_get_ulong(data))};
    case PN_TIMESTAMP:
      return std::pair{type, std::int64_t{pn_data_get_timestamp(data)}};
    default:
      return std::pair{type, std::int64_t{-1}};
  }
}

std::string id_text_of(pn_atom_t atom) {
  switch (atom.type) {
    case PN_NULL:
      return "";
    case PN_ULONG:
      return std::to_string(atom.u.as_ulong);
    case PN_UUID:
      return std::string(atom.u.as_uuid.bytes, 16);
    default:
      return text(atom.u.as_bytes);
  }
}

}  // namespace

// ---- Server ------------------------------------------------------------------------------------

Server::Server(test::TestHub& test_hub, protocols::PeerInfo peer)
    : hub(test_hub), driven(test_hub.now, [&](hub::Waker waker) {
        auto made = std::make_unique<amqp::Session>(test_hub.hub, std::move(peer), std::move(waker),
                                                    test_hub.now);
        session = made.get();
        return made;
      }) {}

void Server::bytes(std::string_view input) {
  heard.client(input);
  driven.bytes(input);
}

void Server::bytes_one_by_one(std::string_view input) {
  heard.client(input);
  for (std::size_t i = 0; i < input.size(); ++i) driven.bytes(input.substr(i, 1));
}

std::string Server::take_output() {
  session->end_turn(hub.now);  // for a test that has called the session itself
  std::string out = driven.take();
  for (int turns = 0; driven.turn(); ++turns) {
    REQUIRE_MESSAGE(turns < 1000, "the session never comes to rest");
    out += driven.take();
  }
  heard.hub(out);
  return out;
}

// ---- Message -----------------------------------------------------------------------------------

Message::Message() : message_(pn_message(), pn_message_free) {
  pn_message_set_inferred(message_.get(), true);
}

Message Message::decode(std::string_view encoded) {
  Message out;
  REQUIRE(pn_message_decode(*out, encoded.data(), encoded.size()) == 0);
  return out;
}

Message& Message::id(std::string_view value) {
  pn_atom_t atom;
  atom.type = PN_STRING;
  atom.u.as_bytes = bytes(value);
  pn_message_set_id(**this, atom);
  return *this;
}
Message& Message::id_ulong(std::uint64_t value) {
  pn_atom_t atom;
  atom.type = PN_ULONG;
  atom.u.as_ulong = value;
  pn_message_set_id(**this, atom);
  return *this;
}
Message& Message::id_uuid(std::string_view sixteen) {
  pn_atom_t atom;
  atom.type = PN_UUID;
  std::memcpy(atom.u.as_uuid.bytes, sixteen.data(), 16);
  pn_message_set_id(**this, atom);
  return *this;
}
Message& Message::id_binary(std::string_view value) {
  pn_atom_t atom;
  atom.type = PN_BINARY;
  atom.u.as_bytes = bytes(value);
  pn_message_set_id(**this, atom);
  return *this;
}
Message& Message::to(const std::string& address) {
  pn_message_set_address(**this, address.c_str());
  return *this;
}
Message& Message::correlation_id(std::string_view value) {
  pn_atom_t atom;
  atom.type = PN_STRING;
  atom.u.as_bytes = bytes(value);
  pn_message_set_correlation_id(**this, atom);
  return *this;
}
Message& Message::user_id(std::string_view value) {
  pn_message_set_user_id(**this, bytes(value));
  return *this;
}
Message& Message::content_type(const std::string& value) {
  pn_message_set_content_type(**this, value.c_str());
  return *this;
}
Message& Message::expiry(hub::TimePoint at) {
  pn_message_set_expiry_time(**this, hub::to_unix_ms(at));
  return *this;
}
Message& Message::property(std::string_view name, std::string_view value) {
  pn_data_t* data = pn_message_properties(**this);
  add(data, name, false, [&] { pn_data_put_string(data, bytes(value)); });
  return *this;
}
Message& Message::property_int(std::string_view name, std::int32_t value) {
  pn_data_t* data = pn_message_properties(**this);
  add(data, name, false, [&] { pn_data_put_int(data, value); });
  return *this;
}
Message& Message::annotation(std::string_view name, std::string_view value) {
  pn_data_t* data = pn_message_annotations(**this);
  add(data, name, true, [&] { pn_data_put_string(data, bytes(value)); });
  return *this;
}
Message& Message::body(std::string_view value) {
  pn_data_t* data = pn_message_body(**this);
  pn_data_clear(data);
  pn_data_put_binary(data, bytes(value));
  return *this;
}
Message& Message::value_body(std::string_view value) {
  pn_message_set_inferred(**this, false);
  pn_data_t* data = pn_message_body(**this);
  pn_data_clear(data);
  pn_data_put_string(data, bytes(value));
  return *this;
}

std::string Message::encode() const {
  for (std::size_t room = 4096;; room *= 8) {
    std::string out(room, '\0');
    std::size_t size = room;
    const int error = pn_message_encode(**this, out.data(), &size);
    if (error == PN_OVERFLOW) continue;
    REQUIRE(error == 0);
    out.resize(size);
    return out;
  }
}

std::string Message::id_text() const { return id_text_of(pn_message_get_id(**this)); }
pn_type_t Message::id_type() const { return pn_message_get_id(**this).type; }
pn_atom_t Message::correlation() const { return pn_message_get_correlation_id(**this); }
std::string Message::correlation_text() const { return id_text_of(correlation()); }

std::string Message::body_bytes() const {
  pn_data_t* data = pn_message_body(**this);
  pn_data_rewind(data);
  return pn_data_next(data) ? text(pn_data_get_bytes(data)) : std::string();
}

std::optional<std::string> Message::property_text(std::string_view name) const {
  pn_data_t* data = pn_message_properties(**this);
  if (!find(data, name) || pn_data_type(data) != PN_STRING) return std::nullopt;
  return text(pn_data_get_string(data));
}
std::optional<std::pair<pn_type_t, std::int64_t>> Message::property_number(
    std::string_view name) const {
  return number(pn_message_properties(**this), name);
}
std::optional<std::pair<pn_type_t, std::int64_t>> Message::annotation_number(
    std::string_view name) const {
  return number(pn_message_annotations(**this), name);
}
std::optional<std::string> Message::annotation_text(std::string_view name) const {
  pn_data_t* data = pn_message_annotations(**this);
  if (!find(data, name) || pn_data_type(data) != PN_STRING) return std::nullopt;
  return text(pn_data_get_string(data));
}

// ---- Client ------------------------------------------------------------------------------------

Client::Client(test::TestHub& hub, Options options)
    : server(hub, {"test", true, false, "", options.certificate}), one_by_one_(options.one_by_one) {
  REQUIRE(pn_connection_driver_init(&driver_, nullptr, nullptr) == 0);
  if (!options.mechanism.empty()) {
    pn_sasl_t* sasl = pn_sasl(driver_.transport);
    pn_sasl_allowed_mechs(sasl, options.mechanism.c_str());
    pn_sasl_set_allow_insecure_mechs(sasl, true);
    if (!options.user.empty()) {
      pn_connection_set_user(driver_.connection, options.user.c_str());
      pn_connection_set_password(driver_.connection, options.password.c_str());
    }
  }
  if (options.max_frame != 0) pn_transport_set_max_frame(driver_.transport, options.max_frame);
  if (options.idle_ms != 0) pn_transport_set_idle_timeout(driver_.transport, 2 * options.idle_ms);
  pn_connection_set_container(driver_.connection, "test-client");
  pn_connection_set_hostname(driver_.connection, "localhost");
  pn_connection_driver_bind(&driver_);
  pn_connection_open(driver_.connection);
  run();
}

Client::~Client() { pn_connection_driver_destroy(&driver_); }

void Client::run() {
  for (bool moved = true; moved;) {
    moved = false;
    drain_events();
    while (true) {
      const pn_bytes_t out = pn_connection_driver_write_buffer(&driver_);
      if (out.size == 0) break;
      const std::string chunk = text(out);
      pn_connection_driver_write_done(&driver_, out.size);
      one_by_one_ ? server.bytes_one_by_one(chunk) : server.bytes(chunk);
      moved = true;
    }
    std::string answer = server.take_output();
    from_hub += answer;
    for (std::string_view rest = answer; !rest.empty(); moved = true) {
      const pn_rwbytes_t room = pn_connection_driver_read_buffer(&driver_);
      if (room.size == 0) break;
      const std::size_t size = std::min(room.size, rest.size());
      std::memcpy(room.start, rest.data(), size);
      pn_connection_driver_read_done(&driver_, size);
      rest.remove_prefix(size);
    }
  }
  drain_events();
}

void Client::drain_events() {
  while (pn_connection_driver_next_event(&driver_) != nullptr) {
  }
}

bool Client::is_open() const {
  return pn_connection_state(driver_.connection) == (PN_LOCAL_ACTIVE | PN_REMOTE_ACTIVE);
}
std::string Client::transport_condition() const {
  return text(pn_condition_get_name(pn_transport_condition(driver_.transport)));
}
std::string Client::connection_condition() const {
  return text(pn_condition_get_name(pn_connection_remote_condition(driver_.connection)));
}

pn_session_t* Client::begin() {
  pn_session_t* session = pn_session(driver_.connection);
  pn_session_open(session);
  run();
  return session;
}

pn_link_t* Client::sender(const std::string& name, const std::string& target, pn_session_t* in) {
  if (in == nullptr) in = session_ != nullptr ? session_ : (session_ = begin());
  pn_link_t* link = pn_sender(in, name.c_str());
  pn_terminus_set_address(pn_link_target(link), target.c_str());
  pn_link_open(link);
  run();
  return link;
}

pn_link_t* Client::receiver(const std::string& name, const std::string& source,
                            ReceiverOptions options) {
  if (options.in == nullptr) options.in = session_ != nullptr ? session_ : (session_ = begin());
  pn_link_t* link = pn_receiver(options.in, name.c_str());
  pn_terminus_set_address(pn_link_source(link), source.c_str());
  pn_link_set_rcv_settle_mode(link, options.rcv);
  pn_link_set_snd_settle_mode(link, options.snd);
  pn_link_open(link);
  if (options.credit > 0) pn_link_flow(link, options.credit);
  run();
  return link;
}

void Client::credit(pn_link_t* link, int n) {
  pn_link_flow(link, n);
  run();
}

void Client::close(pn_link_t* link) {
  pn_link_close(link);
  run();
}

bool Client::is_attached(pn_link_t* link) {
  return pn_link_state(link) == (PN_LOCAL_ACTIVE | PN_REMOTE_ACTIVE);
}
std::string Client::condition_of(pn_link_t* link) {
  return text(pn_condition_get_name(pn_link_remote_condition(link)));
}
std::string Client::description_of(pn_link_t* link) {
  return text(pn_condition_get_description(pn_link_remote_condition(link)));
}

SendResult Client::send_bytes(pn_link_t* link, std::string_view message, bool settled) {
  const std::string tag = std::to_string(next_tag_++);
  pn_delivery_t* delivery = pn_delivery(link, pn_dtag(tag.data(), tag.size()));
  pn_link_send(link, message.data(), message.size());
  pn_link_advance(link);
  if (settled) {
    pn_delivery_settle(delivery);
    run();
    return {};
  }
  run();
  SendResult result;
  result.state = pn_delivery_remote_state(delivery);
  result.settled = pn_delivery_settled(delivery);
  pn_condition_t* condition = pn_disposition_condition(pn_delivery_remote(delivery));
  result.condition = text(pn_condition_get_name(condition));
  result.description = text(pn_condition_get_description(condition));
  pn_delivery_settle(delivery);
  return result;
}

std::vector<Received> Client::receive(pn_link_t* link) {
  run();
  std::vector<Received> out;
  while (pn_delivery_t* delivery = pn_link_current(link)) {
    if (pn_delivery_partial(delivery)) break;
    Received received;
    received.delivery = delivery;
    received.tag = text(pn_bytes_t(pn_delivery_tag(delivery)));
    received.bytes.resize(pn_delivery_pending(delivery));
    (void)pn_link_recv(link, received.bytes.data(), received.bytes.size());
    pn_link_advance(link);
    out.push_back(std::move(received));
  }
  return out;
}

void Client::settle(const Received& received, std::uint64_t state) {
  if (state != 0) pn_delivery_update(received.delivery, state);
  pn_delivery_settle(received.delivery);
  run();
}

SendResult Client::settle_two_phase(const Received& received, std::uint64_t state) {
  pn_delivery_update(received.delivery, state);
  run();
  SendResult result;
  result.state = pn_delivery_remote_state(received.delivery);
  result.settled = pn_delivery_settled(received.delivery);
  result.condition =
      text(pn_condition_get_name(pn_disposition_condition(pn_delivery_remote(received.delivery))));
  pn_delivery_settle(received.delivery);
  return result;
}

int Client::put_token(const std::string& token, Message request) {
  if (cbs_sender_ == nullptr) {
    cbs_sender_ = sender("cbs-sender", "$cbs");
    cbs_receiver_ = receiver("cbs-receiver", "$cbs");
  }
  request.property("operation", "put-token")
      .property("type", "servicebus.windows.net:sastoken")
      .property("name", "localhost")
      .value_body(token);
  const SendResult sent = send(cbs_sender_, request);
  REQUIRE(sent.state == PN_ACCEPTED);
  auto replies = receive(cbs_receiver_);
  REQUIRE(replies.size() == 1);
  cbs_reply = replies[0];
  const auto status = cbs_reply->message().property_number("status-code");
  settle(*cbs_reply, PN_ACCEPTED);
  REQUIRE(status.has_value());
  REQUIRE(status->first == PN_INT);
  return static_cast<int>(status->second);
}

std::string device_token(const test::TestHub& hub, const std::string& device, hub::Duration ttl) {
  return hub::make_sas_token("localhost/devices/" + device, test::device_key, hub.now + ttl);
}

std::string service_token(const test::TestHub& hub, const std::string& policy, hub::Duration ttl) {
  return hub::make_sas_token("localhost", test::well_known_key, hub.now + ttl, policy);
}

}  // namespace amqp_test
