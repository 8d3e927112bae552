#include "emulator/core/limits.hpp"

#include <charconv>
#include <functional>
#include <optional>
#include <vector>

#include "emulator/core/encoding.hpp"

namespace hub {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

HubError bad(std::string_view name, std::string_view value, std::string_view expected) {
  return fail(HubErrc::argument_invalid, "setting " + std::string(name) + ": '" +
                                             std::string(value) + "' is not " +
                                             std::string(expected));
}

template <class Number>
Result<void> set_number(Number& out, Number low, Number high, std::string_view name,
                        std::string_view value) {
  Number parsed{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  if (error != std::errc{} || end != value.data() + value.size() || parsed < low || parsed > high) {
    return bad(name, value, "a whole number " + std::to_string(low) + ".." + std::to_string(high));
  }
  out = parsed;
  return {};
}

Result<void> set_duration(Duration& out, Duration low, Duration high, std::string_view name,
                          std::string_view value) {
  const auto parsed = parse_iso8601_duration(value);
  if (!parsed || *parsed < low || *parsed > high) {
    return bad(name, value,
               "an ISO 8601 duration " + to_iso8601_duration(low) + ".." +
                   to_iso8601_duration(high));
  }
  out = *parsed;
  return {};
}

Result<void> set_bool(bool& out, std::string_view name, std::string_view value) {
  if (iequals(value, "true")) {
    out = true;
  } else if (iequals(value, "false")) {
    out = false;
  } else {
    return bad(name, value, "true or false");
  }
  return {};
}

template <class Enum>
struct Choice {
  std::string_view text;
  Enum value;
};

template <class Enum>
Result<void> set_choice(Enum& out, std::initializer_list<Choice<Enum>> choices,
                        std::string_view name, std::string_view value) {
  std::string all;
  for (const auto& choice : choices) {
    if (iequals(value, choice.text)) {
      out = choice.value;
      return {};
    }
    all += all.empty() ? "" : ", ";
    all += choice.text;
  }
  return bad(name, value, "one of " + all);
}

}  // namespace

Result<void> Settings::set(std::string_view name, std::string_view value) {
  // A setting may be written with or without its ARM suffix.
  const auto is = [&](std::string_view arm_name) {
    constexpr std::string_view suffix = "AsIso8601";
    return iequals(name, arm_name) ||
           (arm_name.ends_with(suffix) &&
            iequals(name, arm_name.substr(0, arm_name.size() - suffix.size())));
  };
  using Mode = DeliveryCountMode;
  using Expire = ExpireWhileLocked;
  using Order = MqttOutOfOrderAck;
  using Backlog = MqttBacklog;
  constexpr Duration two_days = hours{48};
  constexpr Duration no_time{0};

  if (is("cloudToDevice.maxDeliveryCount")) {
    return set_number(max_delivery_count, 1u, 100u, name, value);
  }
  if (is("cloudToDevice.defaultTtlAsIso8601")) {
    return set_duration(default_ttl, minutes{1}, two_days, name, value);
  }
  if (is("cloudToDevice.feedback.lockDurationAsIso8601")) {
    return set_duration(feedback_lock_duration, seconds{5}, minutes{5}, name, value);
  }
  if (is("cloudToDevice.feedback.ttlAsIso8601")) {
    return set_duration(feedback_ttl, minutes{1}, two_days, name, value);
  }
  if (is("cloudToDevice.feedback.maxDeliveryCount")) {
    return set_number(feedback_max_delivery_count, 1u, 100u, name, value);
  }
  if (is("feedback.window")) return set_duration(feedback_window, no_time, hours{1}, name, value);
  if (is("feedback.batchRecords")) return set_number(feedback_batch_records, 1u, 64u, name, value);
  if (is("feedbackDescriptions")) {
    return set_choice<bool>(feedback_legacy_descriptions, {{"code", false}, {"legacy", true}}, name,
                            value);
  }
  if (is("deliveryCountMode")) {
    return set_choice<Mode>(
        delivery_count_mode,
        {{"abandon-only", Mode::abandon_only}, {"every-return", Mode::every_return}}, name, value);
  }
  if (is("expireWhileLocked")) {
    return set_choice<Expire>(
        expire_while_locked,
        {{"immediate", Expire::immediate}, {"atUnlock", Expire::at_unlock}}, name, value);
  }
  if (is("mqttBacklogOnFirstSubscribe")) {
    return set_choice<Backlog>(
        mqtt_backlog,
        {{"reject", Backlog::reject}, {"keep", Backlog::keep}, {"deliver", Backlog::deliver}}, name,
        value);
  }
  if (is("mqttDeliverBacklogOnFirstSubscribe")) {  // the older name
    bool deliver = false;
    if (auto set = set_bool(deliver, name, value); !set) return set;
    mqtt_backlog = deliver ? Backlog::deliver : Backlog::keep;
    return {};
  }
  if (is("releaseLocksOnDisconnect")) return set_bool(release_locks_on_disconnect, name, value);
  if (is("redeliverOnLiveConnection")) return set_bool(redeliver_on_live_connection, name, value);
  if (is("sasClockSkewSeconds")) {
    std::int64_t skew = 0;
    if (auto set = set_number<std::int64_t>(skew, 0, 3600, name, value); !set) return set;
    sas_clock_skew = seconds{skew};
    return {};
  }
  if (is("tokenExpiryGrace")) {
    return set_duration(token_expiry_grace, no_time, hours{24}, name, value);
  }
  if (is("mqttOutOfOrderAck")) {
    return set_choice<Order>(mqtt_out_of_order_ack,
                             {{"hold", Order::hold},
                              {"ignore", Order::ignore},
                              {"close", Order::close},
                              {"complete", Order::complete}},
                             name, value);
  }
  if (is("mqttInFlightMax")) return set_number(mqtt_in_flight_max, 1u, 50u, name, value);
  if (is("strictPropertyChars")) return set_bool(strict_property_chars, name, value);
  if (is("partitionCount")) return set_number(partition_count, 2u, 32u, name, value);
  if (is("eventsPerPartitionMax")) {
    return set_number<std::uint64_t>(events_per_partition_max, 1, 10'000'000, name, value);
  }
  if (is("sku.name")) {
    return set_choice<Sku>(
        sku,
        {{"none", Sku::none}, {"F1", Sku::f1}, {"S1", Sku::s1}, {"S2", Sku::s2}, {"S3", Sku::s3}},
        name, value);
  }
  if (is("sku.capacity")) return set_number(sku_units, 1u, 200u, name, value);
  if (is("dailyMessageQuota")) {
    return set_number<std::uint64_t>(daily_message_quota, 0, 1'000'000'000'000, name, value);
  }
  if (is("disableDeviceSAS")) return set_bool(disable_device_sas, name, value);
  if (is("disableModuleSAS")) return set_bool(disable_module_sas, name, value);
  return fail(HubErrc::argument_invalid,
              "unknown setting '" + std::string(name) + "'; the README lists them");
}

}  // namespace hub
