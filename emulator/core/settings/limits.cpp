#include "emulator/core/settings/limits.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "emulator/core/base/encoding.hpp"
#include "emulator/core/base/spelling.hpp"
#include "emulator/core/settings/setting_list.hpp"

namespace hub {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// What values a setting takes and where they go.
struct Kind {
  std::string range;                                     // as in "is not RANGE"
  std::function<bool(Settings&, std::string_view)> set;  // false: outside the range
  std::function<std::string(const Settings&)> shown;
};

struct Setting {
  std::string_view name;
  std::string_view meaning;  // older_name: it is understood, and not listed
  Kind kind;
};

constexpr std::string_view older_name{};

template <class Number>
std::optional<Number> parse_number(std::string_view value) {
  Number parsed{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return parsed;
}

template <class Number>
Kind number(Number Settings::*member, Number low, Number high) {
  return {"a whole number " + std::to_string(low) + ".." + std::to_string(high),
          [=](Settings& settings, std::string_view value) {
            const auto parsed = parse_number<Number>(value);
            if (!parsed || *parsed < low || *parsed > high) return false;
            settings.*member = *parsed;
            return true;
          },
          [=](const Settings& settings) { return std::to_string(settings.*member); }};
}

// A duration that is given as a number of seconds.
Kind number_of_seconds(Duration Settings::*member, std::int64_t low, std::int64_t high) {
  return {"a whole number " + std::to_string(low) + ".." + std::to_string(high),
          [=](Settings& settings, std::string_view value) {
            const auto parsed = parse_number<std::int64_t>(value);
            if (!parsed || *parsed < low || *parsed > high) return false;
            settings.*member = seconds{*parsed};
            return true;
          },
          [=](const Settings& settings) { return std::to_string(settings.*member / seconds{1}); }};
}

Kind duration(Duration Settings::*member, Duration low, Duration high) {
  return {"an ISO 8601 duration " + to_iso8601_duration(low) + ".." + to_iso8601_duration(high),
          [=](Settings& settings, std::string_view value) {
            const auto parsed = parse_iso8601_duration(value);
            if (!parsed || *parsed < low || *parsed > high) return false;
            settings.*member = *parsed;
            return true;
          },
          [=](const Settings& settings) { return to_iso8601_duration(settings.*member); }};
}

template <class Value>
Kind choice(Value Settings::*member, std::vector<std::pair<std::string_view, Value>> choices) {
  const bool two = choices.size() == 2;
  std::string range;
  for (const auto& [text, value] : choices) {
    range.append(range.empty() ? (two ? "" : "one of ") : (two ? " or " : ", ")).append(text);
  }
  return {std::move(range),
          [=](Settings& settings, std::string_view given) {
            for (const auto& [text, value] : choices) {
              if (!iequals(given, text)) continue;
              settings.*member = value;
              return true;
            }
            return false;
          },
          [=](const Settings& settings) {
            for (const auto& [text, value] : choices) {
              if (settings.*member == value) return std::string(text);
            }
            return std::string();
          }};
}

Kind boolean(bool Settings::*member) {
  return choice<bool>(member, {{"true", true}, {"false", false}});
}

// In the order in which they are listed for people.
const std::vector<Setting>& table() {
  using S = Settings;
  using Mode = DeliveryCountMode;
  using Expire = ExpireWhileLocked;
  using Order = MqttOutOfOrderAck;
  using Backlog = MqttBacklog;
  constexpr Duration two_days = hours{48};
  constexpr Duration no_time{0};
  static const std::vector<Setting> all{
      {"cloudToDevice.maxDeliveryCount", "deliveries until a message is dead-lettered",
       number(&S::max_delivery_count, 1u, 100u)},
      {"cloudToDevice.defaultTtlAsIso8601", "life of a message that brings no expiry",
       duration(&S::default_ttl, minutes{1}, two_days)},
      {"cloudToDevice.feedback.lockDurationAsIso8601", "lock of a feedback batch",
       duration(&S::feedback_lock_duration, seconds{5}, minutes{5})},
      {"cloudToDevice.feedback.ttlAsIso8601", "life of a feedback batch",
       duration(&S::feedback_ttl, minutes{1}, two_days)},
      {"cloudToDevice.feedback.maxDeliveryCount", "deliveries until a feedback batch is dropped",
       number(&S::feedback_max_delivery_count, 1u, 100u)},
      {"feedback.window", "how long feedback records are gathered; tests want PT0.1S",
       duration(&S::feedback_window, no_time, hours{1})},
      {"feedback.batchRecords", "records that end a window early",
       number(&S::feedback_batch_records, 1u, 64u)},
      {"feedbackDescriptions", "what a feedback record's description says",
       choice<bool>(&S::feedback_legacy_descriptions, {{"code", false}, {"legacy", true}})},
      {"deliveryCountMode", "what counts as a delivery",
       choice<Mode>(&S::delivery_count_mode,
                    {{"abandon-only", Mode::abandon_only}, {"every-return", Mode::every_return}})},
      {"expireWhileLocked", "when a locked message expires",
       choice<Expire>(&S::expire_while_locked,
                      {{"immediate", Expire::immediate}, {"atUnlock", Expire::at_unlock}})},
      {"mqttBacklogOnFirstSubscribe",
       "what becomes of messages sent before an MQTT device ever subscribed",
       choice<Backlog>(
           &S::mqtt_backlog,
           {{"reject", Backlog::reject}, {"keep", Backlog::keep}, {"deliver", Backlog::deliver}})},
      {"mqttDeliverBacklogOnFirstSubscribe", older_name,
       choice<Backlog>(&S::mqtt_backlog, {{"true", Backlog::deliver}, {"false", Backlog::keep}})},
      {"releaseLocksOnDisconnect", "locks of a connection that ends are free at once",
       boolean(&S::release_locks_on_disconnect)},
      {"redeliverOnLiveConnection",
       "a message whose lock timed out goes to the same connection again",
       boolean(&S::redeliver_on_live_connection)},
      {"sasClockSkewSeconds", "how long past its expiry a token is taken at login",
       number_of_seconds(&S::sas_clock_skew, 0, 3600)},
      {"tokenExpiryGrace", "how long a connection outlives its token",
       duration(&S::token_expiry_grace, no_time, hours{24})},
      {"mqttOutOfOrderAck", "what a PUBACK out of order does",
       choice<Order>(&S::mqtt_out_of_order_ack, {{"hold", Order::hold},
                                                 {"ignore", Order::ignore},
                                                 {"close", Order::close},
                                                 {"complete", Order::complete}})},
      {"mqttInFlightMax", "messages under way to an MQTT device that are not acknowledged",
       number(&S::mqtt_in_flight_max, 1u, 50u)},
      {"strictPropertyChars",
       "refuse property names and values with characters beyond the documented",
       boolean(&S::strict_property_chars)},
      {"partitionCount", "partitions of the telemetry", number(&S::partition_count, 1u, 32u)},
      {"eventsPerPartitionMax", "telemetry messages kept a partition; 64 MiB of it at most",
       number<std::uint64_t>(&S::events_per_partition_max, 1, 10'000'000)},
      {"sku.name", "throttle as that tier does",
       choice<Sku>(&S::sku, {{"none", Sku::none},
                             {"F1", Sku::f1},
                             {"S1", Sku::s1},
                             {"S2", Sku::s2},
                             {"S3", Sku::s3}})},
      {"sku.capacity", "units of that tier", number(&S::sku_units, 1u, 200u)},
      {"dailyMessageQuota", "messages a day until 403002; 0: no quota",
       number<std::uint64_t>(&S::daily_message_quota, 0, 1'000'000'000'000)},
      {"disableDeviceSAS", "refuse the tokens of devices", boolean(&S::disable_device_sas)},
      {"disableModuleSAS", "refuse the tokens of modules", boolean(&S::disable_module_sas)},
  };
  return all;
}

// A setting may be written with or without its ARM suffix.
bool is_called(const Setting& setting, std::string_view name) {
  constexpr std::string_view suffix = "AsIso8601";
  return iequals(name, setting.name) ||
         (setting.name.ends_with(suffix) &&
          iequals(name, setting.name.substr(0, setting.name.size() - suffix.size())));
}

}  // namespace

Result<void> Settings::set(std::string_view name, std::string_view value) {
  for (const Setting& setting : table()) {
    if (!is_called(setting, name)) continue;
    if (setting.kind.set(*this, value)) return {};
    return fail(HubErrc::argument_invalid, "setting " + std::string(name) + ": '" +
                                               std::string(value) + "' is not " +
                                               setting.kind.range);
  }
  std::vector<std::string_view> names;
  for (const Setting& setting : table()) {
    if (setting.meaning != older_name) names.push_back(setting.name);
  }
  return fail(HubErrc::argument_invalid, "unknown setting '" + std::string(name) + "'" +
                                             did_you_mean(name, names) +
                                             "; --help settings lists them all");
}

std::vector<SettingInfo> all_settings() {
  std::vector<SettingInfo> out;
  for (const Setting& setting : table()) {
    if (setting.meaning == older_name) continue;
    out.push_back({setting.name, setting.kind.shown({}), setting.kind.range, setting.meaning});
  }
  return out;
}

}  // namespace hub
