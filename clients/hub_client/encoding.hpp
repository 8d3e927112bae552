#pragma once
// The three encodings of tokens, topics and paths. Pure functions.
#include <optional>
#include <string>
#include <string_view>

namespace iothub {

std::string base64_encode(std::string_view bytes);

// Strict: padding required, no white space. nullopt when malformed.
std::optional<std::string> base64_decode(std::string_view text);

// HMAC-SHA256, 32 raw bytes.
std::string hmac_sha256(std::string_view key, std::string_view data);

// As encodeURIComponent, but without its exceptions: everything outside A-Z a-z 0-9 - . _ ~
// becomes %XX with upper-case digits.
std::string percent_encode(std::string_view text);

// "+" stays a plus; an escape that is none stays as it is, as the hub does.
std::string percent_decode(std::string_view text);

bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII only
bool is_utf8(std::string_view bytes);

// A random version 4 UUID, for message ids and container ids.
std::string make_uuid();

}  // namespace iothub
