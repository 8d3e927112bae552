// Plays transcripts.txt whole and byte by byte, and mutations of its good requests in random cuts.
#include "tests/unit/http/support.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

namespace http::test {

namespace {

struct Transcript {
  std::string title;
  std::string sent;
  struct Expected {
    std::string status_line;
    std::vector<std::string> headers, absent, body;
  };
  std::vector<Expected> answers;
  std::string end = "open";
};

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (text.at(++i)) {
      case 'r':
        out += '\r';
        break;
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '0':
        out += '\0';
        break;
      case 'x':
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default:
        FAIL("unknown escape in a transcript");
    }
  }
  return out;
}

std::string replace_all(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

void read_expected(Transcript& transcript, const std::string& line) {
  if (line.starts_with("< HTTP/")) {
    transcript.answers.push_back({line.substr(2), {}, {}, {}});
    return;
  }
  REQUIRE_FALSE(transcript.answers.empty());
  auto& answer = transcript.answers.back();
  if (line.starts_with("< ")) {
    answer.headers.push_back(line.substr(2));
  } else if (line.starts_with("<- ")) {
    answer.absent.push_back(line.substr(3));
  } else if (line.starts_with("<| ")) {
    answer.body.push_back(line.substr(3));
  } else {
    FAIL("unknown line in a transcript: " << line);
  }
}

std::vector<Transcript> read_transcripts() {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "transcripts.txt");
  REQUIRE(file);
  const HttpHub tokens;
  std::vector<Transcript> all;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) {
      all.push_back({line.substr(3), {}, {}, "open"});
      continue;
    }
    if (line.empty() || line.starts_with("#")) continue;
    REQUIRE_FALSE(all.empty());
    Transcript& transcript = all.back();
    line = replace_all(replace_all(std::move(line), "$OWNER", tokens.policy_token()), "$DEVICE",
                       tokens.device_token("d1"));
    if (line == ">") {
      transcript.sent += "\r\n";
    } else if (line.starts_with("> ")) {
      transcript.sent += line.substr(2) + "\r\n";
    } else if (line.starts_with(">|")) {
      transcript.sent += unescape(std::string_view(line).substr(2));
    } else if (line.starts_with(">* ")) {
      const auto space = line.find(' ', 3);
      transcript.sent.append(std::stoul(line.substr(3)), line.at(space + 1));
    } else if (line.starts_with("<")) {
      read_expected(transcript, line);
    } else if (line.starts_with("= ")) {
      transcript.end = line.substr(2);
    } else {
      FAIL("unknown line in a transcript: " << line);
    }
  }
  return all;
}

// What a peer sees of a connection that got these bytes, cut at these places.
struct Seen {
  std::string output;
  std::string end;
  bool operator==(const Seen&) const = default;
};

Seen play(std::string_view bytes, const std::function<std::size_t()>& next_cut) {
  HttpHub hub;
  hub.create("d1");
  hub.send("d1", "hello");
  auto session = hub.connect();
  Seen seen;
  while (!bytes.empty()) {
    const auto size = std::min(bytes.size(), next_cut());
    session->on_bytes(bytes.substr(0, size), hub.now);
    bytes.remove_prefix(size);
    seen.output += take_output(*session);
    while (!session->wants_input()) {
      session->on_time(hub.now);
      seen.output += take_output(*session);
    }
  }
  if (auto upgrade = session->take_upgrade()) {
    seen.end = "upgrade " + upgrade->subprotocol;
    seen.output += upgrade->request_head + upgrade->leftover;
  } else {
    seen.end = session->wants_close() ? "close" : "open";
  }
  return seen;
}

Seen play_whole(std::string_view bytes) {
  return play(bytes, [] { return std::string_view::npos; });
}

void check_answers(const Transcript& transcript, const std::string& output) {
  const auto answers = parse_answers(output);
  REQUIRE(answers.size() == transcript.answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto& expected = transcript.answers[i];
    CHECK(answers[i].status_line == expected.status_line);
    for (const auto& header : expected.headers) {
      CAPTURE(header);
      const auto colon = header.find(": ");
      CHECK(answers[i].header(header.substr(0, colon)) == header.substr(colon + 2));
    }
    for (const auto& name : expected.absent) CHECK_FALSE(answers[i].header(name));
    for (const auto& text : expected.body) {
      CAPTURE(answers[i].body);
      CHECK(answers[i].body.find(text) != std::string::npos);
    }
  }
}

}  // namespace

TEST_CASE("T-01 T-05 T-08 H-20 H-21 H-23 H-24 H-46 transcripts, whole and byte by byte") {
  const auto transcripts = read_transcripts();
  REQUIRE(transcripts.size() > 40);
  for (const Transcript& transcript : transcripts) {
    CAPTURE(transcript.title);
    const Seen whole = play_whole(transcript.sent);
    CHECK(whole.end == transcript.end);
    if (!transcript.end.starts_with("upgrade")) check_answers(transcript, whole.output);
    CHECK(play(transcript.sent, [] { return std::size_t{1}; }) == whole);
  }
}

TEST_CASE("H-56 mutated requests never crash, and mean the same however they are cut") {
  std::vector<std::string> seeds;
  for (auto& transcript : read_transcripts()) {
    if (transcript.sent.size() < 2000) seeds.push_back(std::move(transcript.sent));
  }
  const std::string pieces[] = {"\r\n",
                                "\n",
                                ": ",
                                "0\r\n\r\n",
                                "Content-Length: 7\r\n",
                                "%",
                                "%00",
                                "Transfer-Encoding: chunked\r\n",
                                "/",
                                "?",
                                " ",
                                "\xff",
                                "\x00"s,
                                "HTTP/1.1",
                                "If-Match: \"*\"\r\n",
                                "Connection: upgrade\r\n",
                                "ffffffff"};
  constexpr unsigned seed = 20251124;
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  for (int round = 0; round < 1500; ++round) {
    CAPTURE(round);
    std::string bytes = seeds[pick(seeds.size())];
    for (std::size_t changes = 1 + pick(4); changes > 0 && !bytes.empty(); --changes) {
      const std::size_t at = pick(bytes.size());
      switch (pick(5)) {
        case 0:
          bytes[at] = static_cast<char>(pick(256));
          break;
        case 1:
          bytes.erase(at, 1 + pick(8));
          break;
        case 2:
          bytes.insert(at, pieces[pick(std::size(pieces))]);
          break;
        case 3:
          bytes.insert(at, bytes.substr(pick(bytes.size()), 1 + pick(40)));
          break;
        case 4:
          bytes.resize(at);
          break;
      }
    }
    const Seen whole = play_whole(bytes);
    const Seen cut = play(bytes, [&] { return 1 + pick(30); });
    if (cut != whole) CAPTURE(bytes);
    REQUIRE(cut == whole);
  }
}

}  // namespace http::test
