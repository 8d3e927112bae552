#pragma once
// Text encodings of the hub's wire, over OpenSSL where a library has them.
#include <optional>
#include <string>
#include <string_view>

namespace hub {

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);  // strict: padded, no white space

// RFC 3986: unreserved stay, all else becomes %XX in upper case (M-34).
std::string percent_encode(std::string_view bytes);
// `%XX` becomes a byte; an incomplete or non-hex escape stays literal; `+` stays `+` (M-20).
std::string percent_decode(std::string_view text);

std::string hmac_sha256(std::string_view key, std::string_view data);
std::string hex_encode(std::string_view bytes);  // lower case
bool equal_constant_time(std::string_view a, std::string_view b);
bool is_valid_utf8(std::string_view text);
bool iequals(std::string_view a, std::string_view b);  // ASCII only
std::string to_lower(std::string_view text);           // ASCII only

}  // namespace hub
