// Runs the transcripts of this folder: README.md has their form.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/support/conversation.hpp"
#include "tests/unit/mqtt/fixture.hpp"

namespace {

using mqtt_test::Client;
using mqtt_test::World;

struct Line {
  int number = 0;
  std::string command;
  std::string rest;
};

struct Transcript {
  std::string name;
  std::vector<Line> lines;
};

std::vector<Transcript> read_transcripts(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Transcript> out;
  int number = 0;
  for (std::string text; std::getline(file, text);) {
    ++number;
    if (number == 1 || text.starts_with("== ")) {
      out.push_back({text.substr(number == 1 ? 0 : 3), {}});
      continue;
    }
    std::istringstream in(text);
    Line line;
    line.number = number;
    in >> line.command >> std::ws;
    std::getline(in, line.rest);
    if (!line.command.empty() && line.command[0] != '#') {
      out.back().lines.push_back(std::move(line));
    }
  }
  return out;
}

std::string with_length(const std::string& text) {
  std::string out;
  out += static_cast<char>(text.size() >> 8);
  out += static_cast<char>(text.size() & 0xFF);
  return out + text;
}

std::string remaining_length(std::size_t length) {
  std::string out;
  do {
    const std::size_t low = length & 0x7F;
    length >>= 7;
    out += static_cast<char>(low | (length > 0 ? 0x80 : 0));
  } while (length > 0);
  return out;
}

// What most exchanges begin with: CleanSession 0, keep-alive 240 s.
std::string connect_of(const std::string& device, const World& world) {
  const std::string body = with_length("MQTT") + "\x04\xC0" + std::string("\0\xF0", 2) +
                           with_length(device) +
                           with_length("hub.local/" + device + "/?api-version=2021-04-12") +
                           with_length(world.token(device));
  return "\x10" + remaining_length(body.size()) + body;
}

unsigned hex_byte(std::string_view pair) {
  unsigned value = 256;
  std::from_chars(pair.data(), pair.data() + 2, value, 16);
  REQUIRE(value < 256);
  return value;
}

// The bytes that `text` describes, up to its end or a closing brace.
std::string bytes_of(std::string_view& text, const World& world) {
  std::string out;
  const auto until = [&text](char end) {
    const auto at = text.find(end);
    REQUIRE(at != std::string_view::npos);
    const std::string taken(text.substr(0, at));
    text.remove_prefix(at + 1);
    return taken;
  };
  while (!text.empty()) {
    if (text[0] == ' ') {
      text.remove_prefix(1);
    } else if (text[0] == '#') {
      text = {};
    } else if (text[0] == '}') {
      text.remove_prefix(1);
      return out;
    } else if (text[0] == '{') {
      text.remove_prefix(1);
      const std::string inside = bytes_of(text, world);
      out += remaining_length(inside.size()) + inside;
    } else if (text[0] == '"') {
      text.remove_prefix(1);
      out += until('"');
    } else if (text.starts_with("s\"")) {
      text.remove_prefix(2);
      out += with_length(until('"'));
    } else if (text.starts_with("s<token ")) {
      text.remove_prefix(8);
      out += with_length(world.token(until('>')));
    } else if (text.starts_with("<connect ")) {
      text.remove_prefix(9);
      out += connect_of(until('>'), world);
    } else {
      REQUIRE(text.size() >= 2);
      const auto byte = static_cast<char>(hex_byte(text));
      text.remove_prefix(2);
      std::size_t count = 1;
      if (text.starts_with('*')) {
        const auto end = std::from_chars(text.data() + 1, text.data() + text.size(), count).ptr;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
      }
      out.append(count, byte);
    }
  }
  return out;
}

std::string bytes_of(const std::string& rest, const World& world) {
  std::string_view text = rest;
  return bytes_of(text, world);
}

// The newest telemetry: its body, then its application properties.
std::string newest_event(World& world) {
  const auto events = world.events();
  REQUIRE_FALSE(events.empty());
  std::string text = events.back()->content.body;
  for (const auto& property : events.back()->content.properties) {
    text += " " + property.first + "=" + property.second.value_or("");
  }
  return text;
}

class Run {
 public:
  Run(const Transcript& transcript, std::size_t step) : step_(step) {
    hub::Settings settings;
    for (const Line& line : transcript.lines) {
      if (line.command != "set") continue;
      const auto equals = line.rest.find('=');
      REQUIRE(settings.set(line.rest.substr(0, equals), line.rest.substr(equals + 1)).has_value());
    }
    world_ = std::make_unique<World>(settings);
    use_connection("1");
    for (const Line& line : transcript.lines) {
      INFO("line " << line.number << ": " << line.command << " " << line.rest);
      do_line(line);
    }
    finish_input();
    for (auto& [name, connection] : connections_) {
      INFO("connection " << name);
      finish_output(connection);
    }
  }

 private:
  struct Connection {
    explicit Connection(World& world) : client(world) {}
    Client client;
    test::Conversation heard{"mqtt"};
    std::string input, written, expected;
  };

  void use_connection(const std::string& name) {
    current_ = &connections_.try_emplace(name, *world_).first->second;
  }

  void do_line(const Line& line) {
    if (line.command == ">") {
      finish_output(*current_);
      current_->input += bytes_of(line.rest, *world_);
      return;
    }
    finish_input();
    if (line.command == "<") {
      current_->expected += bytes_of(line.rest, *world_);
      return;
    }
    std::istringstream in(line.rest);
    std::string word;
    in >> word;
    std::size_t number = 0;
    if (line.command == "set") return;
    if (line.command == "device") {
      world_->add_device(word);
    } else if (line.command == "@") {
      use_connection(word);
    } else if (line.command == "lost") {
      finish_output(*current_);
      current_->client.session->on_peer_closed(world_->now);
      settle();
    } else if (line.command == "module") {
      std::string id;
      in >> id;
      world_->add_module(word, id, mqtt_test::device_key);
    } else if (line.command == "!") {
      finish_output(*current_);
      CHECK(current_->client.closed() == (word == "closed"));
    } else if (line.command == "+") {
      finish_output(*current_);
      world_->pass(std::chrono::seconds{std::stoi(word)});
      settle();
    } else if (line.command == "send") {
      finish_output(*current_);
      std::string body;
      std::getline(in >> std::ws, body);
      world_->send(word, body);
      settle();
    } else if (line.command == "queued") {
      in >> number;
      CHECK(world_->queued(word) == number);
    } else if (line.command == "events") {
      CHECK(world_->events().size() == std::stoul(word));
    } else if (line.command == "event") {
      CHECK(newest_event(*world_) == line.rest);
    } else if (line.command == "log") {
      CHECK(world_->log.contains(line.rest));
      world_->log.lines.clear();
    } else {
      FAIL("unknown command " << line.command);
    }
  }

  void finish_input() {
    std::string_view rest = current_->input;
    current_->heard.client(rest);
    while (!rest.empty()) {
      current_->client.send_bytes(rest.substr(0, step_));
      rest.remove_prefix(std::min(step_, rest.size()));
      settle();
    }
    current_->input.clear();
  }

  // What a server's loop does after each event.
  void settle() {
    for (auto& [name, connection] : connections_) {
      Client& client = connection.client;
      client.run();
      const std::string output = client.driven.take();
      connection.written += output;
      connection.heard.hub(output);
      client.run();
    }
  }

  static void finish_output(Connection& connection) {
    CHECK(hub::hex_encode(connection.written) == hub::hex_encode(connection.expected));
    connection.written.clear();
    connection.expected.clear();
  }

  std::size_t step_;
  std::unique_ptr<World> world_;
  std::map<std::string, Connection> connections_;
  Connection* current_ = nullptr;
};

}  // namespace

TEST_CASE("MQTT transcripts, whole and byte by byte") {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(__FILE__).parent_path())) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  CHECK(paths.size() >= 10);
  for (const auto& path : paths) {
    CAPTURE(path.filename().string());
    for (const Transcript& transcript : read_transcripts(path)) {
      SUBCASE(transcript.name.c_str()) {
        Run(transcript, std::string::npos);
        Run(transcript, 1);
      }
    }
  }
}
