#include "emulator/app/log_spdlog.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

namespace {

std::string written(app::LogFormat format, hub::LogLevel level,
                    std::initializer_list<hub::LogField> fields, const char* event = "it happened") {
  std::ostringstream out;
  app::SpdlogLog log(hub::LogLevel::info, format,
                     std::make_shared<spdlog::sinks::ostream_sink_mt>(out, true));
  if (log.enabled(level)) log.write(level, event, fields);
  return out.str();
}

}  // namespace

TEST_CASE("N-20 a text line has time, level, event and fields; values can forge no line") {
  const auto line = written(app::LogFormat::text, hub::LogLevel::warn,
                            {{"device", "d1"}, {"reason", "a b\nwarn forged"}, {"empty", ""}});
  CHECK(line.substr(10, 1) == "T");
  CHECK(line.substr(23) ==
        "Z warn  it happened device=d1 reason=\"a b\\nwarn forged\"\n");
}

TEST_CASE("N-20 a JSON line is one object, whatever the values hold") {
  const auto line = written(app::LogFormat::json, hub::LogLevel::info,
                            {{"device", "d\"1"}, {"reason", "{}\n\x01 %v"}});
  REQUIRE(line.ends_with("}\n"));
  CHECK(line.find('\n') == line.size() - 1);
  const auto object = boost::json::parse(line).as_object();
  CHECK(object.at("level").as_string() == "info");
  CHECK(object.at("event").as_string() == "it happened");
  CHECK(object.at("device").as_string() == "d\"1");
  CHECK(object.at("reason").as_string() == "{}\n\x01 %v");
  CHECK(object.at("time").as_string().size() == 24);
}

TEST_CASE("N-20 what is below the level is not written") {
  CHECK(written(app::LogFormat::text, hub::LogLevel::debug, {}).empty());
  CHECK_FALSE(written(app::LogFormat::text, hub::LogLevel::error, {}).empty());
}
