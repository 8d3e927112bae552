#include "protocols/net/io_thread.hpp"

namespace net {

IoThread::IoThread(hub::Clock& clock, hub::Log& log, hub::Metrics& metrics,
                   protocols::CommitGate* gate)
    : clock_(clock), log_(log), metrics_(metrics), gate_(gate), scratch_(new char[scratch_size]) {}

void IoThread::add(ConnectionHook& connection) {
  connections_.push_back(connection);
  heap_trim_.note();
}

void IoThread::remove(ConnectionHook& connection) {
  connection.unlink();
  open_.fetch_sub(1, std::memory_order_relaxed);
  heap_trim_.note();
}

template <class Action>
void IoThread::for_each(Action action) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    ConnectionHook& connection = *it++;  // the action may take this one, and only this one, out
    action(connection);
  }
}

void IoThread::end_all(protocols::Ending how) {
  for_each([how](ConnectionHook& connection) { connection.end(how); });
}

void IoThread::close() {
  do {
    end_all(protocols::Ending::drop);
    // The cancelled operations hold the last references; they end here and not in ~io_context,
    // while all that a session may still call is alive. A connection that was on its way here
    // starts now.
    context_.restart();
    context_.poll();
  } while (!connections_.empty());
}

}  // namespace net
