// The small parts: targets, routes, etags, times, errors, answers, JSON.
#include "protocols/http/device_json.hpp"
#include "protocols/http/errors.hpp"
#include "protocols/http/etag.hpp"
#include "protocols/http/message_headers.hpp"
#include "protocols/http/routes.hpp"
#include "protocols/http/telemetry_batch.hpp"
#include "tests/unit/http/support.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace http::test {

namespace json = boost::json;
using hub::HubErrc;
using Segments = std::vector<std::string>;

TEST_CASE("T-06 a target is taken apart: trailing slash, one decode, unknown query, any order") {
  const auto target = parse_target("/devices/a%2Bb/?top=5&whatever&api-version=2021-04-12");
  REQUIRE(target);
  CHECK(target->segments == Segments{"devices", "a+b"});
  CHECK(target->find("API-Version") == "2021-04-12");
  CHECK(target->find("whatever") == "");
  CHECK_FALSE(target->find("reject"));
  CHECK(parse_target("/devices/?top=1")->segments == Segments{"devices"});
  CHECK(parse_target("/")->segments.empty());
  // Once only: what was encoded twice stays encoded once.
  CHECK(parse_target("/devices/a%252Bb")->segments[1] == "a%2Bb");
  CHECK(parse_target("/devices/a+b")->segments[1] == "a+b");
}

TEST_CASE("T-06 ids that a client does not encode at all are tolerated") {
  for (const std::string id : {"a'(b)*!,;=@$:", "a|b"}) {
    CAPTURE(id);
    const auto target = parse_target("/devices/" + id + "?api-version=2021-04-12");
    REQUIRE(target);
    CHECK(target->segments == Segments{"devices", id});
  }
  CHECK(parse_target("https://localhost:443/devices/d1?top=2")->segments ==
        Segments{"devices", "d1"});
  CHECK_FALSE(parse_target("devices/d1"));
  CHECK_FALSE(parse_target("*"));
  CHECK_FALSE(parse_target(""));
}

TEST_CASE("H-72 a raw # and a % that starts no escape are refused, and the reason says to encode") {
  for (const std::string path :
       {"/devices/a#b", "/devices/a%3", "/devices/a%", "/devices/a%zz/modules/m",
        "/devices/%23/modules/m#", "/devices/a%b?top=1", "/devices/a|b#c"}) {
    CAPTURE(path);
    CHECK_FALSE(parse_target(path));
    CHECK(target_problem(path).find("encodeURIComponent") != std::string::npos);
  }
  CHECK(parse_target("/devices/a%23b%25")->segments == Segments{"devices", "a#b%"});
  CHECK(target_problem("devices/d1").find("starts with a slash") != std::string::npos);
}

TEST_CASE("T-06 fixed segments match in any case and ids are taken as they are") {
  const auto routed = [](Method method, const Segments& segments) {
    return match(all_routes(), method, segments);
  };
  const Segments path{"Devices", "Dev1", "messages", "devicebound"};
  const auto receive = routed(Method::get, path);
  REQUIRE(receive.route != nullptr);
  CHECK(receive.route->path == "/devices/{id}/messages/deviceBound");
  CHECK(receive.ids == std::vector<std::string_view>{"Dev1"});
  CHECK(routed(Method::get, {"MESSAGES", "servicebound", "feedback"}).route != nullptr);

  const auto none = routed(Method::get, {"devices", "d1", "messages"});
  CHECK(none.route == nullptr);
  CHECK_FALSE(none.path_known);
  const auto wrong_method = routed(Method::put, {"statistics", "devices"});
  CHECK(wrong_method.route == nullptr);
  CHECK(wrong_method.path_known);
  CHECK(wrong_method.allow == "GET");
  CHECK(routed(Method::get, {}).route->path == "/");
  CHECK(routed(Method::get, {"devices", ""}).route == nullptr);
}

TEST_CASE("H-45 routes that come later are known by name") {
  for (const Segments& segments :
       {Segments{"jobs"}, Segments{"jobs", "v2", "query"}, Segments{"configurations", "c"},
        Segments{"twins", "d", "methods"}, Segments{"devices", "d", "files", "notifications"},
        Segments{"digitaltwins", "d"}}) {
    const auto found = match(all_routes(), Method::post, segments);
    REQUIRE(found.route != nullptr);
    CHECK(found.route->access == Access::open);
  }
}

TEST_CASE("H-29 H-71 an If-Match is in quotes, with or without W/, or it is a star") {
  const auto read = [](std::string_view value) {
    RequestHead head;
    head.headers.push_back({"if-match", value});
    return read_if_match(head);
  };
  CHECK(read("\"*\"").value() == "*");
  CHECK(read("*").value() == "*");
  CHECK(read("\"abc=\"").value() == "abc=");
  CHECK(read("W/\"abc=\"").value() == "abc=");
  CHECK(read("\"\"abc\"\"").value() == "\"abc\"");
  CHECK_FALSE(read("").value().has_value());
  CHECK_FALSE(read("\"\"").value().has_value());
  CHECK_FALSE(read_if_match({}).value().has_value());
  for (const std::string_view bare :
       {"abc=", "W/abc=", "\"abc=", "abc=\"", "\"", "W/*", "'abc='"}) {
    CAPTURE(bare);
    REQUIRE_FALSE(read(bare));
    CHECK(read(bare).error().code == HubErrc::precondition_failed);
    CHECK(read(bare).error().detail.find("quotes") != std::string::npos);
  }
  // In a JSON body an etag has none.
  CHECK(to_if_match("abc=") == "abc=");
  CHECK(to_if_match("\"abc=\"") == "abc=");
  CHECK_FALSE(to_if_match("").has_value());
}

TEST_CASE("H-28 every hub error has the status of its number") {
  for (const HubErrc code : {HubErrc::invalid_protocol_version,
                             HubErrc::invalid_operation,
                             HubErrc::argument_invalid,
                             HubErrc::argument_null,
                             HubErrc::iot_hub_format_error,
                             HubErrc::bulk_registry_operation_failure,
                             HubErrc::connection_forcefully_closed_on_new_connection,
                             HubErrc::iot_hub_unauthorized_access,
                             HubErrc::iot_hub_unauthorized,
                             HubErrc::iot_hub_quota_exceeded,
                             HubErrc::device_maximum_queue_depth_exceeded,
                             HubErrc::invalid_message_expiry_time,
                             HubErrc::device_not_found,
                             HubErrc::module_not_found,
                             HubErrc::amqp_address_not_found,
                             HubErrc::feature_not_supported,
                             HubErrc::device_not_online,
                             HubErrc::device_already_exists,
                             HubErrc::link_creation_conflict,
                             HubErrc::module_already_exists_on_device,
                             HubErrc::precondition_failed,
                             HubErrc::device_message_lock_lost,
                             HubErrc::message_too_large,
                             HubErrc::too_many_devices,
                             HubErrc::too_many_modules_on_device,
                             HubErrc::throttling_exception,
                             HubErrc::server_error,
                             HubErrc::service_unavailable}) {
    CAPTURE(hub::name_of(code));
    CHECK(to_wire_error(hub::fail(code)).status == hub::number_of(code) / 1000);
  }
}

TEST_CASE("H-28 an error body is Form A, and its text is one part between two semicolons") {
  Response response;
  response.header("left", "over");
  write_error(response, to_wire_error(hub::fail(HubErrc::device_not_found, "a; b")),
              "00112233-4455-6677-8899-aabbccddeeff", hub::from_unix_seconds(1'763'964'000));
  CHECK(response.status == 404);
  CHECK(response.headers == "iothub-errorcode: DeviceNotFound\r\n");
  const auto body = json::parse(response.body).as_object();
  CHECK(body.at("Message").as_string() == "ErrorCode:DeviceNotFound;a, b");
  CHECK(body.at("ExceptionMessage").as_string() ==
        "Tracking ID:00112233445566778899aabbccddeeff-G:0-TimeStamp:11/24/2025 06:00:00");
  // The Node SDK wants a message that is not empty.
  write_error(response, to_wire_error(hub::fail(HubErrc::server_error)), "", {});
  CHECK(json::parse(response.body).at("Message").as_string() ==
        "ErrorCode:ServerError;ServerError");
}

TEST_CASE("T-08 T-10 an answer has the standard reason phrase; 204 neither body nor content type") {
  Response response;
  ResponseContext context;
  context.now = hub::from_unix_seconds(1'763'964'000);
  context.request_id = "id";
  response.status = 404;
  response.json("{}");
  std::string out;
  append_response(out, response, context);
  CHECK(out ==
        "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n"
        "Content-Type: application/json; charset=utf-8\r\nServer: iothub-emulator\r\n"
        "Date: Mon, 24 Nov 2025 06:00:00 GMT\r\nx-ms-request-id: id\r\n\r\n{}");
  response.status = 204;
  out.clear();
  append_response(out, response, context);
  CHECK(out ==
        "HTTP/1.1 204 No Content\r\nServer: iothub-emulator\r\n"
        "Date: Mon, 24 Nov 2025 06:00:00 GMT\r\nx-ms-request-id: id\r\n\r\n");
  CHECK(reason_phrase(412) == "Precondition Failed");
  CHECK(reason_phrase(413) == "Payload Too Large");
}

TEST_CASE("H-26 H-27 no value and no name can end a header line") {
  Response response;
  response.header("iothub-to", "a\r\nEvil: 1\0b\x7F"s);
  response.property_header("iothub-app-", "x: y\r\nEvil", "caf\xC3\xA9\t%0D");
  response.property_header("iothub-app-", "na\xC3\xAFve", "");
  CHECK(response.headers ==
        "iothub-to: a%0D%0AEvil: 1%00b%7F\r\n"
        "iothub-app-x%3A%20y%0D%0AEvil: caf\xC3\xA9\t%0D\r\n"
        "iothub-app-na%C3%AFve: \r\n");
}

TEST_CASE("H-30 a device as JSON has every member the clients read") {
  HttpHub hub;
  const auto json = to_json(hub.create("d1"));
  const auto now = hub::to_iso8601(hub.now);
  CHECK(json.at("deviceId").as_string() == "d1");
  CHECK(json.at("generationId").as_string().size() == 18);
  CHECK_FALSE(json.at("etag").as_string().empty());
  CHECK(json.at("etag").as_string().front() != '"');
  CHECK(json.at("connectionState").as_string() == "Disconnected");
  CHECK(json.at("status").as_string() == "enabled");
  CHECK(json.at("statusReason").is_null());
  for (const char* time : {"connectionStateUpdatedTime", "statusUpdatedTime", "lastActivityTime"}) {
    CHECK(json.at(time).as_string() == "0001-01-01T00:00:00Z");  // never an empty string
  }
  CHECK(json.at("cloudToDeviceMessageCount").to_number<int>() == 0);
  const auto& authentication = json.at("authentication").as_object();
  CHECK(authentication.at("type").as_string() == "sas");
  CHECK(authentication.at("symmetricKey").at("primaryKey").as_string() == device_key);
  CHECK(authentication.at("x509Thumbprint").at("primaryThumbprint").is_null());
  CHECK(authentication.at("x509Thumbprint").at("secondaryThumbprint").is_null());
  CHECK(json::serialize(json.at("capabilities")) == R"({"iotEdge":false})");
  CHECK(json.at("parentScopes").as_array().empty());
}

TEST_CASE("H-31 keys that are empty, null or missing are the hub's to make; statuses in any case") {
  for (const char* text :
       {R"({})", R"({"authentication":null})", R"({"authentication":{}})",
        R"({"authentication":{"symmetricKey":null}})",
        R"({"authentication":{"symmetricKey":{"primaryKey":null,"secondaryKey":""},"type":"sas"}})",
        R"({"status":"Enabled","statusReason":null,"generationId":"","unknown":[1,{}]})"}) {
    CAPTURE(text);
    const auto spec = to_device_spec(json::parse(text).as_object());
    REQUIRE(spec);
    CHECK(spec->primary_key.empty());
    CHECK(spec->secondary_key.empty());
  }
  const auto spec = to_device_spec(json::parse(R"({"status":"DISABLED","statusReason":"why",
      "authentication":{"type":"SelfSigned","x509Thumbprint":{"primaryThumbprint":"AA"}},
      "capabilities":{"iotEdge":true},"deviceScope":"s"})")
                                       .as_object());
  REQUIRE(spec);
  CHECK(spec->status == hub::DeviceStatus::disabled);
  CHECK(spec->status_reason == "why");
  CHECK(spec->authentication_type == hub::AuthenticationType::self_signed);
  CHECK(spec->primary_thumbprint == "AA");
  CHECK(spec->iot_edge == true);
  CHECK(spec->device_scope == "s");
  CHECK_FALSE(spec->parent_scope.has_value());
  const auto parent = [](const char* text) {
    return to_device_spec(json::parse(text).as_object())->parent_scope;
  };
  CHECK(parent(R"({"parentScopes":["p"]})") == "p");
  CHECK(parent(R"({"parentScopes":[]})") == "");
  CHECK_FALSE(parent(R"({"parentScopes":null})").has_value());
}

TEST_CASE("H-32 a member of the wrong type is named") {
  for (const char* text :
       {R"({"status":1})", R"({"status":"on"})", R"({"authentication":[]})",
        R"({"authentication":{"type":"password"}})",
        R"({"authentication":{"symmetricKey":{"primaryKey":5}}})",
        R"({"capabilities":{"iotEdge":"yes"}})", R"({"deviceScope":{}})", R"({"parentScopes":"s"})",
        R"({"parentScopes":[1]})", R"({"parentScopes":["s","t"]})"}) {
    CAPTURE(text);
    const auto spec = to_device_spec(json::parse(text).as_object());
    REQUIRE_FALSE(spec);
    CHECK(spec.error().code == HubErrc::argument_invalid);
    CHECK_FALSE(spec.error().detail.empty());
  }
  CHECK(parse_json("{").error().code == HubErrc::iot_hub_format_error);
  CHECK(parse_json("").error().code == HubErrc::iot_hub_format_error);
}

TEST_CASE("H-33 a twin has tags as an object, version 2 and both property sections") {
  HttpHub hub;
  const auto twin = to_twin_json(hub.create("d1"));
  CHECK(twin.at("etag").as_string() == "AAAAAAAAAAE=");
  CHECK(twin.at("version").to_number<int>() == 2);
  CHECK(twin.at("tags").as_object().empty());
  CHECK(json::serialize(twin.at("properties")) ==
        R"({"desired":{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1},)"
        R"("reported":{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1}})");
}

TEST_CASE("H-35 header text that is no UTF-8 is Latin-1") {
  SentHeaders sent;
  apply_header(sent, "IoTHub-App-Name", "caf\xE9");
  apply_header(sent, "iothub-app-other", "caf\xC3\xA9");
  CHECK(sent.content.properties ==
        std::vector<hub::Property>{{"Name", "caf\xC3\xA9"}, {"other", "caf\xC3\xA9"}});
}

TEST_CASE("H-41 a batch is taken apart as three SDKs write it") {
  const auto batch = parse_telemetry_batch(
      R"([{"body": "aGk=",
           "properties":{"iothub-app-a":"1","iothub-messageid":"m","dt-subject":"s"}},
          {"body":"plain","base64Encoded":false,"properties":{}},
          {"body":"","base64Encoded":true}])");
  REQUIRE(batch);
  REQUIRE(batch->size() == 3);
  CHECK((*batch)[0].content.body == "hi");
  CHECK((*batch)[0].content.message_id.text == "m");
  CHECK((*batch)[0].subject == "s");
  CHECK((*batch)[0].content.properties == std::vector<hub::Property>{{"a", "1"}});
  CHECK((*batch)[1].content.body == "plain");
  CHECK((*batch)[2].content.body.empty());
  for (const char* bad :
       {"{}", "[1]", "[{}]", R"([{"body":1}])", R"([{"body":"?"}])",
        R"([{"body":"","properties":[]}])", R"([{"body":"","properties":{"a":1}}])",
        R"([{"body":"","base64Encoded":"no"}])", "[", ""}) {
    CAPTURE(bad);
    const auto refused = parse_telemetry_batch(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == HubErrc::iot_hub_format_error);
  }
}

}  // namespace http::test
