// Whom the hub may believe at this instant, and how much it may let through: INV-36 and INV-35.
#include "tests/simulation/auditor.hpp"

namespace simulation {

namespace {

constexpr std::uint64_t sends_a_minute = 100;  // S1, one unit: c2d.md 1.4

}  // namespace

// At the door, the skew counts; the grace is for who is in already (contract.md 6).
bool Auditor::authenticates(const Line& line, const Op& op) const {
  const bool in_time = !op.token_end || now_ < *op.token_end + settings_.sas_clock_skew;
  refusals_.strangers += line.stranger ? 1 : 0;
  refusals_.tokens += in_time ? 0 : 1;
  return !line.stranger && in_time;
}

bool Auditor::outlived(const Line& line) const {
  return line.token_end &&
         now_ >= *line.token_end + settings_.sas_clock_skew + settings_.token_expiry_grace;
}

bool Auditor::may_attach(const Line& line) const {
  return !line.stranger && (!line.by_put_token || line.token_end) && !outlived(line);
}

void Auditor::outlive(Line& line, bool closed) {
  if (!outlived(line) || line.ended) return;
  line_ = &line;
  ++refusals_.outlived;
  if (line.protocol == Protocol::mqtt) {
    require(closed, 36, line.name + " goes on although its token has ended");
    return ended(line);
  }
  connection_ended_ = true;
  for (auto& receiver : line.receivers) end_receiver(receiver, true);
}

void Auditor::apply_put_token(Line& line, Op& op) {
  op.expected = usable(op.queue) && authenticates(line, op);
  if (!op.expected) return;
  refusals_.renewed += line.token_end ? 1 : 0;
  line.token_end = op.token_end;
  line.generation = model_.queues[op.queue].generation;
}

void Auditor::apply_telemetry(Line& line, std::string_view output) {
  const bool accepted = !output.empty() && output[0] == '\x40';  // PUBACK
  if (line.ended || !line.connected) return require(!accepted, 36, "telemetry of nobody is taken");
  if (!accepted)
    return;  // over the quota, or taken over: it is closed, which is looked at elsewhere
  require(within_quota(), 35, "telemetry is taken above the quota");
  ++allowance_.messages, ++allowance_.shown;
}

bool Auditor::admits(const Op& op) {
  // Before the throttle: whether there is somebody to send to, and the expiry (c2d.md 2.6).
  if (!usable(op.queue) || (op.expiry && *op.expiry > now_ + limits_.message_ttl_max)) return true;
  if (settings_.sku != hub::Sku::none) {
    const auto minute = std::chrono::floor<std::chrono::minutes>(now_).time_since_epoch().count();
    if (minute != allowance_.minute) allowance_.minute = minute, allowance_.sends = 0;
    if (allowance_.sends >= sends_a_minute) {
      ++refusals_.throttled;
      return ++allowance_.throttled, false;
    }
    ++allowance_.sends;  // spent, whatever comes of it (THR-02)
  }
  return within_quota();
}

bool Auditor::within_quota() {
  const auto day = std::chrono::floor<std::chrono::days>(now_).time_since_epoch().count();
  if (day != allowance_.day) allowance_.day = day, allowance_.messages = 0;
  allowance_.shown = allowance_.messages;
  if (settings_.daily_message_quota == 0 || allowance_.messages < settings_.daily_message_quota)
    return true;
  ++refusals_.over_quota;
  return false;
}

void Auditor::compare_allowance(const View& view) {
  // Telemetry that is refused looks at the quota too, and shows a new day.
  const auto day = std::chrono::floor<std::chrono::days>(now_).time_since_epoch().count();
  const bool new_day = day != allowance_.day && view.counts.quota_used == 0;
  require(new_day || view.counts.quota_used == allowance_.shown, 35,
          "the quota's meter says " + std::to_string(view.counts.quota_used) + ", should be " +
              std::to_string(allowance_.shown));
  require(view.counts.throttled == allowance_.throttled, 35,
          std::to_string(view.counts.throttled) + " are throttled, should be " +
              std::to_string(allowance_.throttled));
}

}  // namespace simulation
