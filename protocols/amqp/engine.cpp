#include "protocols/amqp/engine.hpp"

#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/connection_driver.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/logger.h>
#include <proton/session.h>
#include <proton/transport.h>

#include <algorithm>
#include <cstring>

#include "emulator/core/base/error.hpp"
#include "protocols/amqp/frame_guard.hpp"

namespace amqp {

namespace {

// what the real hub says. Proton announces half of the idle time-out it is given.
constexpr pn_millis_t idle_timeout_ms = 240'000;
constexpr std::uint16_t channel_max = 8191;

constexpr std::string_view amqp_header("AMQP\0\1\0\0", 8);

void no_log(std::intptr_t, pn_log_subsystem_t, pn_log_level_t, const char*) {}

// What the real hub's begin says; the window in frames, which Proton counts in bytes.
constexpr std::size_t incoming_window = 5000;
constexpr std::size_t outgoing_window = 0xffff'ffff;

void say_why(pn_condition_t* condition, const WireError& error) {
  pn_condition_set_name(condition, error.condition);
  pn_condition_set_description(condition, error.description.c_str());
}

}  // namespace

Engine::Engine(const std::string& container_id, const std::string& host_name)
    : driver_(std::make_unique<pn_connection_driver_t>()) {
  const int failed = pn_connection_driver_init(driver_.get(), nullptr, nullptr);
  HUB_ASSERT(failed == 0);  // it can only run out of memory
  // Proton would print peers' mistakes to stderr; they are read off the transport instead.
  pn_logger_set_log_sink(pn_transport_logger(driver_->transport), no_log, 0);
  pn_transport_set_server(driver_->transport);
  pn_transport_set_max_frame(driver_->transport, FrameGuard::frame_bytes_max);
  pn_transport_set_channel_max(driver_->transport, channel_max);
  pn_transport_set_idle_timeout(driver_->transport, 2 * idle_timeout_ms);
  pn_connection_set_container(driver_->connection, container_id.c_str());
  pn_connection_set_hostname(driver_->connection, host_name.c_str());
  pn_connection_driver_bind(driver_.get());
}

// Sessions that are freed before Proton unbinds its transport cost a quarter.
Engine::~Engine() {
  while (pn_session_t* session = pn_session_head(connection(), 0)) pn_session_free(session);
  pn_connection_driver_destroy(driver_.get());
}

pn_transport_t* Engine::transport() const { return driver_->transport; }
pn_connection_t* Engine::connection() const { return driver_->connection; }

void Engine::push(std::string_view unit) {
  while (!unit.empty()) {
    const pn_rwbytes_t room = pn_connection_driver_read_buffer(driver_.get());
    if (room.size == 0) return;  // closed: an error or the peer's close came before
    const std::size_t size = std::min(room.size, unit.size());
    std::memcpy(room.start, unit.data(), size);
    pn_connection_driver_read_done(driver_.get(), size);
    unit.remove_prefix(size);
  }
}

pn_event_t* Engine::next_event() { return pn_connection_driver_next_event(driver_.get()); }

void Engine::encode() {
  if (finished_) return;
  while (true) {
    const pn_bytes_t bytes = pn_connection_driver_write_buffer(driver_.get());
    if (bytes.size == 0) break;
    full_length_.append(out_, {bytes.start, bytes.size}, frame_bytes_max_);
    pn_connection_driver_write_done(driver_.get(), bytes.size);
  }
  finished_ = pn_connection_driver_write_closed(driver_.get());
}

std::optional<hub::TimePoint> Engine::tick(hub::TimePoint now) {
  if (finished_) return std::nullopt;
  const std::int64_t next = pn_transport_tick(driver_->transport, hub::to_unix_ms(now));
  if (next == 0) return std::nullopt;
  return hub::from_unix_ms(next);
}

void Engine::begin(pn_session_t* session) {
  pn_session_set_incoming_capacity(session, incoming_window * FrameGuard::frame_bytes_max);
  pn_session_set_outgoing_window(session, outgoing_window);
  pn_session_open(session);
}

void Engine::close(const WireError& error) {
  if (pn_connection_remote_container(connection()) == nullptr) {
    // Proton sends no close before the peer's open, unless the transport itself has failed.
    pn_connection_driver_errorf(driver_.get(), error.condition, "%s", error.description.c_str());
    pn_connection_driver_read_close(driver_.get());
    return;
  }
  for (pn_link_t* link = pn_link_head(connection(), PN_LOCAL_ACTIVE); link != nullptr;) {
    pn_link_t* next = pn_link_next(link, PN_LOCAL_ACTIVE);
    detach(link, error);
    link = next;
  }
  for (pn_session_t* session = pn_session_head(connection(), PN_LOCAL_ACTIVE);
       session != nullptr;) {
    pn_session_t* next = pn_session_next(session, PN_LOCAL_ACTIVE);
    pn_session_close(session);
    session = next;
  }
  say_why(pn_connection_condition(connection()), error);
  pn_connection_open(connection());
  pn_connection_close(connection());
}

void Engine::close_after_peer() { pn_connection_close(driver_->connection); }

void Engine::refuse_header() {
  out_.append(amqp_header);
  finished_ = true;
}

void Engine::peer_gone() {
  pn_connection_driver_close(driver_.get());
  out_.clear();
  taken_ = 0;
  finished_ = true;
}

void Engine::consume_output(std::size_t size) {
  HUB_ASSERT(size <= output_size());
  taken_ += size;
  if (taken_ != out_.size()) return;
  constexpr std::size_t kept_bytes_max = 16 * 1024;  // an idle connection keeps no large buffer
  out_.clear();
  if (out_.capacity() > kept_bytes_max) out_.shrink_to_fit();
  taken_ = 0;
}

void detach(pn_link_t* link, const WireError& error) {
  say_why(pn_link_condition(link), error);
  pn_link_close(link);
}

void accept(pn_delivery_t* delivery) {
  pn_delivery_update(delivery, PN_ACCEPTED);
  pn_delivery_settle(delivery);
}

void reject(pn_delivery_t* delivery, const WireError& error) {
  say_why(pn_disposition_condition(pn_delivery_local(delivery)), error);
  pn_delivery_update(delivery, PN_REJECTED);
  pn_delivery_settle(delivery);
}

void send(pn_link_t* link, std::string_view tag, std::string_view message, bool settled) {
  pn_delivery_t* delivery = pn_delivery(link, pn_dtag(tag.data(), tag.size()));
  pn_link_send(link, message.data(), message.size());
  pn_link_advance(link);
  if (settled) pn_delivery_settle(delivery);
}

}  // namespace amqp
