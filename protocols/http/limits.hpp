#pragma once
// Bounds of one HTTP connection (H-20..H-22). The hub's own quotas are in core/settings/limits.hpp.
#include "emulator/core/base/time.hpp"
#include "protocols/session.hpp"

#include <cstddef>

namespace http {

// Request line and headers; 16 KiB is also what HTTP.sys, the real hub's front, takes (H-20).
inline constexpr std::size_t head_bytes_max = 16 * 1024;
// A 256 KiB batch grows by a third in base64, and a bulk call of 100 devices is well below (H-21).
inline constexpr std::size_t body_bytes_max = 512 * 1024;
// Up to here a body that is too large is read and dropped, so that the peer, which is still
// sending, gets to see the 413 instead of a reset connection.
inline constexpr std::size_t drained_bytes_max = 4 * 1024 * 1024;
// A chunk's size line, and the last one with its trailers.
inline constexpr std::size_t chunk_line_bytes_max = 512;
inline constexpr std::size_t chunk_line_bytes_min = 5;  // "0", CR LF, CR LF
// Answers that wait to be written; above it the rest of the input waits too.
inline constexpr std::size_t output_bytes_high = 256 * 1024;  // H-54
static_assert(head_bytes_max + output_bytes_high <= protocols::stranger_bytes_max);
inline constexpr std::size_t leading_blank_lines_max = 4;
inline constexpr std::size_t batch_messages_max = 500;  // spec/c2d.md 1.3

inline constexpr hub::Duration head_timeout = std::chrono::seconds{30};   // from its first byte
inline constexpr hub::Duration body_timeout = std::chrono::seconds{120};  // from the head's end
inline constexpr hub::Duration idle_timeout = std::chrono::seconds{120};  // as HTTP.sys

}  // namespace http
