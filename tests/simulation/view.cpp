#include "tests/simulation/view.hpp"

namespace simulation {

View look_at(hub::Hub& hub, hub::TimePoint now) {
  View view;
  view.now = now;
  for (const auto& seen : hub.registry().list("", 1000, now)) {
    const hub::DeviceId& id = seen.identity.id;
    view.devices.push_back(
        {id.text, seen.identity.generation_id, seen.identity.status == hub::DeviceStatus::enabled,
         seen.c2d_message_count, seen.c2d_locked_count, hub.c2d().next_sequence(id),
         hub.connections().mqtt_session(id), hub.c2d().peek({id})});
  }
  view.feedback = hub.c2d().peek({});
  const hub::Metrics& m = hub.metrics();
  view.counts = {m.c2d_ingress_success,
                 m.c2d_deliveries,
                 m.c2d_egress_abandon_success,
                 m.c2d_egress_complete_success,
                 m.c2d_messages_expired,
                 m.c2d_delivery_count_exceeded,
                 m.c2d_egress_reject_success,
                 m.c2d_messages_purged,
                 m.feedback_records,
                 m.daily_message_quota_used,
                 m.throttled};
  return view;
}

}  // namespace simulation
