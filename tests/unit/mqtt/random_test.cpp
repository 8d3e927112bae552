// Sessions under random and mutated bytes: whatever comes, nothing breaks, and what the session
// says is MQTT. The seed is printed; HUB_SEED sets it.
#include <cstdlib>

#include "protocols/mqtt/topic_filter.hpp"
#include "tests/unit/mqtt/fixture.hpp"

using namespace mqtt_test;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : ids_(seed) {}
  std::size_t below(std::size_t bound) { return ids_.next_u64() % bound; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

 private:
  hub::SeededIdSource ids_;
};

// Something a client could send, often well-formed.
std::string some_packet(Random& random) {
  static const std::vector<std::string> topics = {"devices/dev1/messages/events/",
                                                  "devices/dev1/messages/events/a=b&%24.mid=1/",
                                                  "devices/dev1/messages/devicebound/#",
                                                  "#",
                                                  "$iothub/twin/res/#",
                                                  "$iothub/twin/GET/?$rid=1",
                                                  "$iothub/twin/PATCH/properties/reported/?$rid=2",
                                                  "$iothub/methods/res/200/?$rid=1",
                                                  "devices/+/messages/devicebound/#"};
  const std::string& topic = topics[random.below(topics.size())];
  const auto qos = static_cast<std::uint8_t>(random.below(2));
  const auto id = static_cast<std::uint16_t>(1 + random.below(60));
  std::string bytes;
  switch (random.below(6)) {
    case 0:
      mqtt::encode(bytes, mqtt::Pingreq{});
      break;
    case 1:
      if (!mqtt::has_wildcard(topic)) {
        const auto packet_id = qos > 0 ? id : std::uint16_t{0};
        mqtt::encode(bytes, mqtt::Publish{random.below(2) == 0, qos, random.below(2) == 0, topic,
                                          packet_id, "{}"});
      }
      break;
    case 2:
      mqtt::encode(bytes, mqtt::Subscribe{id, {{topic, qos}}});
      break;
    case 3:
      mqtt::encode(bytes, mqtt::Unsubscribe{id, {topic}});
      break;
    default:
      mqtt::encode(bytes, mqtt::Puback{id});
      break;
  }
  return bytes;
}

void mutate(std::string& bytes, Random& random) {
  for (std::size_t changes = random.below(3); changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random.below(bytes.size());
    switch (random.below(3)) {
      case 0:
        bytes[at] = static_cast<char>(random.byte());
        break;
      case 1:
        bytes.erase(at, 1 + random.below(4));
        break;
      default:
        bytes.insert(at, 1, static_cast<char>(random.byte()));
        break;
    }
  }
}

void feed(Client& client, std::string_view bytes, Random& random) {
  while (!bytes.empty()) {
    const std::size_t size = 1 + random.below(bytes.size());
    client.send_bytes(bytes.substr(0, size));
    bytes.remove_prefix(size);
    client.run();
  }
}

}  // namespace

TEST_CASE("random and mutated bytes never break a session") {
  const char* given = std::getenv("HUB_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20'251'124;
  MESSAGE("HUB_SEED=" << seed);
  Random random(seed);
  World world;
  world.add_device("dev1");
  auto client = std::make_unique<Client>(world);
  int packets_out = 0, violations = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (client->closed() || random.below(500) == 0) {
      violations += client->closed() ? 1 : 0;
      if (!client->closed()) client->session->on_peer_closed(world.now);
      client = std::make_unique<Client>(world);
      if (random.below(10) > 0) {
        client->connect("dev1", {.clean_session = random.below(4) == 0, .keep_alive_s = 600});
      }
      world.log.lines.clear();
    }
    std::string bytes = some_packet(random);
    if (random.below(8) == 0) mutate(bytes, random);
    if (random.below(200) == 0) {
      for (char& byte : bytes) byte = static_cast<char>(random.byte());
    }
    feed(*client, bytes, random);
    if (random.below(3) == 0 && world.queued("dev1") < 50) world.send("dev1", "x");
    if (random.below(50) == 0) world.pass(std::chrono::seconds{random.below(70)});
    client->run();
    packets_out += static_cast<int>(client->take().size());  // fails if it is no MQTT
  }
  CHECK(violations > 100);
  CHECK(packets_out > 5'000);
}

TEST_CASE("random bytes alone never break the decoder, cut in any way") {
  Random random(11);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(random.below(64), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.byte());
    if (!bytes.empty() && random.below(2) == 0) bytes[0] = '\x30';
    Lines results[2];
    for (const std::size_t step : {bytes.size() + 1, std::size_t{1}}) {
      mqtt::Decoder decoder(262'144);
      mqtt::Packet packet;
      Lines& result = results[step == 1 ? 1 : 0];
      bool failed = false;
      for (std::size_t at = 0; at < bytes.size() && !failed; at += step) {
        std::string_view piece = std::string_view(bytes).substr(at, step);
        for (;;) {
          const auto status = decoder.next(piece, packet);
          if (status == mqtt::Decoder::Status::need_more) break;
          failed = status == mqtt::Decoder::Status::error;
          result.push_back(failed ? std::string(mqtt::to_text(decoder.error())) : describe(packet));
          if (failed) break;
        }
      }
    }
    CHECK(results[0] == results[1]);
  }
}
