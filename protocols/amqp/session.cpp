#include "protocols/amqp/session.hpp"

#include <utility>

#include "protocols/amqp/connection.hpp"

namespace amqp {

using namespace std::string_view_literals;
using protocols::TimePoint;

Session::Session(hub::Hub& hub, protocols::PeerInfo peer, hub::Waker waker, TimePoint now,
                 Nodes* nodes)
    : connection_(
          std::make_unique<Connection>(hub, std::move(peer), std::move(waker), now, nodes)) {}
Session::~Session() = default;

void Session::on_bytes(std::string_view bytes, TimePoint now) { connection_->on_bytes(bytes, now); }
void Session::on_wake(TimePoint) {}  // each turn ends with a look at the list of wakes
void Session::on_time(TimePoint now) { connection_->on_time(now); }
void Session::on_peer_closed(TimePoint now) { connection_->on_peer_closed(now); }
void Session::on_shutdown(TimePoint now) { connection_->on_shutdown(now); }
void Session::end_turn(TimePoint now) { connection_->end_turn(now); }

std::string_view Session::output() const { return connection_->output(); }
void Session::consume_output(std::size_t size) { connection_->consume_output(size); }
std::optional<TimePoint> Session::next_deadline() const { return connection_->next_deadline(); }
bool Session::wants_close() const { return connection_->wants_close(); }
bool Session::wants_input() const { return connection_->wants_input(); }

// A heartbeat alone.
bool Session::output_promises() const { return output() != "\0\0\0\x08\x02\0\0\0"sv; }

}  // namespace amqp
