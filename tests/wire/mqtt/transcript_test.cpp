// Runs the transcripts of this folder: README.md has their form.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

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

Transcript read_transcript(const std::filesystem::path& path) {
  std::ifstream file(path);
  Transcript out;
  std::getline(file, out.name);
  int number = 1;
  for (std::string text; std::getline(file, text);) {
    ++number;
    std::istringstream in(text);
    Line line;
    line.number = number;
    in >> line.command >> std::ws;
    std::getline(in, line.rest);
    if (!line.command.empty() && line.command[0] != '#') out.lines.push_back(std::move(line));
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
    client_ = std::make_unique<Client>(*world_);
    for (const Line& line : transcript.lines) {
      INFO("line " << line.number << ": " << line.command << " " << line.rest);
      do_line(line);
    }
    finish_input();
    finish_output();
  }

 private:
  void do_line(const Line& line) {
    if (line.command == ">") {
      finish_output();
      input_ += bytes_of(line.rest, *world_);
      return;
    }
    finish_input();
    if (line.command == "<") {
      expected_ += bytes_of(line.rest, *world_);
      return;
    }
    std::istringstream in(line.rest);
    std::string word;
    in >> word;
    std::size_t number = 0;
    if (line.command == "set") return;
    if (line.command == "device") {
      world_->add_device(word);
    } else if (line.command == "!") {
      finish_output();
      CHECK(client_->closed() == (word == "closed"));
    } else if (line.command == "+") {
      finish_output();
      world_->pass(std::chrono::seconds{std::stoi(word)});
      settle();
    } else if (line.command == "send") {
      finish_output();
      std::string body;
      std::getline(in >> std::ws, body);
      world_->send(word, body);
      settle();
    } else if (line.command == "queued") {
      in >> number;
      CHECK(world_->queued(word) == number);
    } else if (line.command == "events") {
      CHECK(world_->events().size() == std::stoul(word));
    } else if (line.command == "log") {
      CHECK(world_->log.contains(line.rest));
    } else {
      FAIL("unknown command " << line.command);
    }
  }

  void finish_input() {
    std::string_view rest = input_;
    while (!rest.empty()) {
      client_->send_bytes(rest.substr(0, step_));
      rest.remove_prefix(std::min(step_, rest.size()));
      settle();
    }
    input_.clear();
  }

  // What a server's loop does after each event.
  void settle() {
    client_->run();
    written_ += client_->session->output();
    client_->session->consume_output(client_->session->output().size());
    client_->run();
  }

  void finish_output() {
    CHECK(hub::hex_encode(written_) == hub::hex_encode(expected_));
    written_.clear();
    expected_.clear();
  }

  std::size_t step_;
  std::unique_ptr<World> world_;
  std::unique_ptr<Client> client_;
  std::string input_, written_, expected_;
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
    const Transcript transcript = read_transcript(path);
    SUBCASE(transcript.name.c_str()) {
      Run(transcript, std::string::npos);
      Run(transcript, 1);
    }
  }
}
