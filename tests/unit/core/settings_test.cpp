// Every setting: its name, its default, its range or choices (spec/c2d.md 1.2 and 9, contract.md
// 6).
#include "emulator/core/settings/limits.hpp"
#include "emulator/core/settings/setting_list.hpp"
#include "tests/support/print_result.hpp"
#include "tests/support/test_hub.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

using namespace hub;
using namespace std::chrono_literals;

namespace {

struct Row {
  std::string name;
  std::function<std::string(const Settings&)> read;  // in the spelling of `accepted`
  std::string standard;                              // its default
  std::vector<std::string> accepted;                 // ends of the range first
  std::vector<std::string> refused;                  // one beyond them, and what is no value at all
};

template <class Number>
std::function<std::string(const Settings&)> number(Number Settings::*member) {
  return [member](const Settings& s) { return std::to_string(s.*member); };
}
std::function<std::string(const Settings&)> duration(Duration Settings::*member) {
  return [member](const Settings& s) { return to_iso8601_duration(s.*member); };
}
std::function<std::string(const Settings&)> boolean(bool Settings::*member) {
  return [member](const Settings& s) { return std::string(s.*member ? "true" : "false"); };
}
template <class Enum>
std::function<std::string(const Settings&)> choice(Enum Settings::*member,
                                                   std::vector<std::string> texts) {
  return [member, texts = std::move(texts)](const Settings& s) {
    return texts.at(static_cast<std::size_t>(s.*member));
  };
}

const std::vector<std::string> no_number{"", "x", "1x", "-1", "1.0", " 1"};
const std::vector<std::string> no_duration{"", "60", "PT", "1:00:00", "PT-1S"};

std::vector<std::string> operator+(std::vector<std::string> more,
                                   const std::vector<std::string>& all) {
  more.insert(more.end(), all.begin(), all.end());
  return more;
}

std::vector<Row> rows() {
  using S = Settings;
  const std::vector<std::string> modes{"abandon-only", "every-return"},
      expire{"immediate", "atUnlock"}, descriptions{"code", "legacy"},
      orders{"hold", "ignore", "close", "complete"}, backlogs{"reject", "keep", "deliver"},
      tiers{"none", "F1", "S1", "S2", "S3"}, booleans{"true", "false"},
      no_boolean{"", "yes", "1", "tru"};
  return {
      {"cloudToDevice.maxDeliveryCount",
       number(&S::max_delivery_count),
       "10",
       {"1", "100"},
       no_number + std::vector<std::string>{"0", "101"}},
      {"cloudToDevice.defaultTtlAsIso8601",
       duration(&S::default_ttl),
       "PT1H",
       {"PT1M", "P2D"},
       no_duration + std::vector<std::string>{"PT59.999S", "P2DT0.001S"}},
      {"cloudToDevice.feedback.lockDurationAsIso8601",
       duration(&S::feedback_lock_duration),
       "PT1M",
       {"PT5S", "PT5M"},
       no_duration + std::vector<std::string>{"PT4.999S", "PT5M0.001S"}},
      {"cloudToDevice.feedback.ttlAsIso8601",
       duration(&S::feedback_ttl),
       "PT1H",
       {"PT1M", "P2D"},
       no_duration + std::vector<std::string>{"PT59S", "P2DT1S"}},
      {"cloudToDevice.feedback.maxDeliveryCount",
       number(&S::feedback_max_delivery_count),
       "10",
       {"1", "100"},
       no_number + std::vector<std::string>{"0", "101"}},
      {"feedback.window",
       duration(&S::feedback_window),
       "PT15S",
       {"PT0S", "PT1H", "PT0.1S"},
       no_duration + std::vector<std::string>{"PT1H0.001S"}},
      {"feedback.batchRecords",
       number(&S::feedback_batch_records),
       "64",
       {"1", "64"},
       no_number + std::vector<std::string>{"0", "65"}},
      {"feedbackDescriptions",
       choice(&S::feedback_legacy_descriptions, descriptions),
       "code",
       descriptions,
       {"", "text"}},
      {"deliveryCountMode",
       choice(&S::delivery_count_mode, modes),
       "abandon-only",
       modes,
       {"", "abandon"}},
      {"expireWhileLocked",
       choice(&S::expire_while_locked, expire),
       "immediate",
       expire,
       {"", "never"}},
      {"mqttBacklogOnFirstSubscribe",
       choice(&S::mqtt_backlog, backlogs),
       "reject",
       backlogs,
       {"", "true", "drop"}},
      {"releaseLocksOnDisconnect", boolean(&S::release_locks_on_disconnect), "true", booleans,
       no_boolean},
      {"redeliverOnLiveConnection", boolean(&S::redeliver_on_live_connection), "true", booleans,
       no_boolean},
      {"sasClockSkewSeconds",
       [](const S& s) { return std::to_string(s.sas_clock_skew / 1s); },
       "0",
       {"0", "3600", "300"},
       no_number + std::vector<std::string>{"3601"}},
      {"tokenExpiryGrace",
       duration(&S::token_expiry_grace),
       "PT0S",
       {"PT0S", "P1D", "PT10M"},
       no_duration + std::vector<std::string>{"P1DT1S"}},
      {"mqttOutOfOrderAck",
       choice(&S::mqtt_out_of_order_ack, orders),
       "hold",
       orders,
       {"", "drop"}},
      {"mqttInFlightMax",
       number(&S::mqtt_in_flight_max),
       "50",
       {"1", "50"},
       no_number + std::vector<std::string>{"0", "51"}},
      {"strictPropertyChars", boolean(&S::strict_property_chars), "false", booleans, no_boolean},
      {"partitionCount",
       number(&S::partition_count),
       "4",
       {"1", "32"},
       no_number + std::vector<std::string>{"0", "33"}},
      {"eventsPerPartitionMax",
       number(&S::events_per_partition_max),
       "10000",
       {"1", "10000000"},
       no_number + std::vector<std::string>{"0", "10000001"}},
      {"sku.name", choice(&S::sku, tiers), "none", tiers, {"", "B1", "S4"}},
      {"sku.capacity",
       number(&S::sku_units),
       "1",
       {"1", "200"},
       no_number + std::vector<std::string>{"0", "201"}},
      {"dailyMessageQuota",
       number(&S::daily_message_quota),
       "0",
       {"0", "1000000000000"},
       no_number + std::vector<std::string>{"1000000000001"}},
      {"disableDeviceSAS", boolean(&S::disable_device_sas), "false", booleans, no_boolean},
      {"disableModuleSAS", boolean(&S::disable_module_sas), "false", booleans, no_boolean},
  };
}

std::string in_capitals(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

}  // namespace

TEST_CASE("C2D-18 every setting has its default, takes its whole range and nothing beyond") {
  for (const Row& row : rows()) {
    CAPTURE(row.name);
    Settings settings;
    CHECK(row.read(settings) == row.standard);
    for (const std::string& value : row.accepted) {
      CAPTURE(value);
      CHECK(settings.set(row.name, value));
      CHECK(row.read(settings) == value);
      CHECK(
          settings.set(in_capitals(row.name), in_capitals(value)));  // names and values in any case
      CHECK(row.read(settings) == value);
    }
    const std::string before = row.read(settings);
    for (const std::string& value : row.refused) {
      CAPTURE(value);
      const auto refused = settings.set(row.name, value);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == HubErrc::argument_invalid);
      CHECK(refused.error().detail.find(row.name) != std::string::npos);
      CHECK(row.read(settings) == before);
    }
    // Only what is a duration by its ARM name may go without that suffix.
    constexpr std::string_view suffix = "AsIso8601";
    if (row.name.ends_with(suffix)) {
      CHECK(settings.set(row.name.substr(0, row.name.size() - suffix.size()), row.accepted[0]));
    } else {
      CHECK_FALSE(settings.set(row.name + std::string(suffix), row.accepted[0]));
    }
  }
  CHECK_FALSE(Settings{}.set("", "1"));
  CHECK_FALSE(Settings{}.set("cloudToDevice", "1"));
}

TEST_CASE(
    "C2D-47 the older name of mqttBacklogOnFirstSubscribe is understood: true delivers, false "
    "keeps") {
  Settings settings;
  CHECK(settings.set("mqttDeliverBacklogOnFirstSubscribe", "true"));
  CHECK(settings.mqtt_backlog == MqttBacklog::deliver);
  CHECK(settings.set("mqttdeliverbacklogonfirstsubscribe", "FALSE"));
  CHECK(settings.mqtt_backlog == MqttBacklog::keep);
  const auto refused = settings.set("mqttDeliverBacklogOnFirstSubscribe", "reject");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("true or false") != std::string::npos);
  CHECK(settings.mqtt_backlog == MqttBacklog::keep);
}

TEST_CASE("C2D-18 one duration has many spellings") {
  for (const char* hour : {"PT1H", "PT1H0M0S", "PT60M", "PT3600S", "P0DT1H", "PT59M60S", "pt1h",
                           "PT3600.000S", "PT3600,0S"}) {
    CAPTURE(hour);
    Settings settings;
    settings.default_ttl = 2h;
    CHECK(settings.set("cloudToDevice.defaultTtlAsIso8601", hour));
    CHECK(settings.default_ttl == Duration{1h});
  }
  for (const char* bad : {"P1Y", "P1M", "P1W", "PT1H1H", "PT1S1M", "PT1.S", "PT.S", "P", "PT1H ",
                          "1H", "P1H", "PT1D", "PT99999999999999999999S"}) {
    CAPTURE(bad);
    CHECK_FALSE(Settings{}.set("cloudToDevice.defaultTtlAsIso8601", bad));
  }
}

TEST_CASE("APP-15 the list for people has every setting with its default and its range") {
  const auto listed = all_settings();
  const auto expected = rows();
  REQUIRE(listed.size() == expected.size());
  for (const Row& row : expected) {
    CAPTURE(row.name);
    const auto info = std::find_if(listed.begin(), listed.end(),
                                   [&](const SettingInfo& item) { return item.name == row.name; });
    REQUIRE(info != listed.end());
    CHECK(info->standard == row.standard);
    CHECK_FALSE(info->meaning.empty());
    const auto refused = Settings{}.set(row.name, row.refused.back());
    CHECK(refused.error().detail.ends_with("is not " + info->range));
  }
}

TEST_CASE("APP-14 an unknown setting is told the nearest names") {
  const auto told = [](const char* name) { return Settings{}.set(name, "1").error().detail; };
  CHECK(
      told("cloudToDevice.maxDeliveryCoutn").find("did you mean cloudToDevice.maxDeliveryCount") !=
      std::string::npos);
  CHECK(told("maxDeliveryCount")
            .find("did you mean cloudToDevice.maxDeliveryCount or "
                  "cloudToDevice.feedback.maxDeliveryCount?") != std::string::npos);
  CHECK(told("feedbackwindow").find("feedback.window") != std::string::npos);
  CHECK(told("feedbackwindow").find("--help settings") != std::string::npos);
  CHECK(told("zzz.unheard").find("did you mean") == std::string::npos);
  CHECK(told("").find("did you mean") == std::string::npos);
  CHECK(told(std::string(100'000, 'a').c_str()).find("did you mean") == std::string::npos);
}

TEST_CASE("APP-25 a hub with one partition puts all telemetry there") {
  Settings settings;
  REQUIRE(settings.set("partitionCount", "1"));
  test::TestHub t(settings);
  t.create("d1");
  t.create("d2");
  for (const char* device : {"d1", "d2"}) REQUIRE(t.telemetry({device}));
  CHECK(t.hub.events().partition_count() == 1);
  CHECK(t.hub.events().read(0, 0, 10).size() == 2);
}
