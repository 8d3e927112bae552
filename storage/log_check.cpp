#include "storage/log_check.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace storage {
namespace {

constexpr std::size_t header_size = 32;
constexpr std::size_t frame_header_size = 24;
constexpr std::size_t page_size_min = 512;
constexpr std::size_t page_size_max = 65536;
constexpr std::uint32_t magic = 0x377f0682;  // its last bit: the checksums' words are big-endian
constexpr std::size_t index_header_size = 48;
constexpr std::uint32_t index_version = 3007000;

using Kind = LogFinding::Kind;

std::uint32_t big(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

std::uint32_t native(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool is_zeros(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == 0; });
}

struct Checksum {
  std::uint32_t first = 0;
  std::uint32_t second = 0;

  // Over pairs of words.
  void add(std::string_view bytes, bool big_endian_words) {
    const bool swap = big_endian_words != (std::endian::native == std::endian::big);
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      const std::uint32_t one = native(bytes, at), two = native(bytes, at + 4);
      first += (swap ? __builtin_bswap32(one) : one) + second;
      second += (swap ? __builtin_bswap32(two) : two) + first;
    }
  }
  bool operator==(const Checksum&) const = default;
};

Checksum checksum_at(std::string_view bytes, std::size_t at) {
  return {big(bytes, at), big(bytes, at + 4)};
}

// Would one bit more or less in `bytes`, the last that went into `computed`, make it `stored`? The
// sums are linear: a word adds itself times the effect of its place.
class FlippedBit {
 public:
  FlippedBit(Checksum computed, Checksum stored) : computed_(computed), stored_(stored) {}

  // Pieces from the last to the first.
  bool is_in(std::string_view bytes, bool big_endian_words) {
    const bool swap = big_endian_words != (std::endian::native == std::endian::big);
    for (std::size_t at = bytes.size(); at >= 8; at -= 8) {
      const std::uint32_t one = native(bytes, at - 8), two = native(bytes, at - 4);
      if (explains(swap ? __builtin_bswap32(one) : one, of_first_) ||
          explains(swap ? __builtin_bswap32(two) : two, of_second_)) {
        return true;
      }
      of_first_ = one_pair_earlier(of_first_);
      of_second_ = one_pair_earlier(of_second_);
    }
    return false;
  }
  bool is_in_checksum() const {
    return std::popcount(computed_.first ^ stored_.first) +
               std::popcount(computed_.second ^ stored_.second) ==
           1;
  }

 private:
  static Checksum one_pair_earlier(Checksum effect) {
    return {effect.first + effect.second, effect.first + 2 * effect.second};
  }
  bool explains(std::uint32_t word, Checksum effect) const {
    for (std::uint32_t bit = 1; bit != 0; bit <<= 1) {
      const std::uint32_t change = (word & bit) != 0 ? 0 - bit : bit;
      if (computed_.first + change * effect.first == stored_.first &&
          computed_.second + change * effect.second == stored_.second) {
        return true;
      }
    }
    return false;
  }

  Checksum computed_, stored_;
  Checksum of_first_{1, 1}, of_second_{0, 1};  // of the words of the last pair
};

struct Frame {
  std::string_view bytes;
  std::uint32_t page_number() const { return big(bytes, 0); }
  bool is_commit() const { return big(bytes, 4) != 0; }
  std::string_view salt() const { return bytes.substr(8, 8); }
  Checksum checksum() const { return checksum_at(bytes, 16); }
  Checksum checksum_after(Checksum before, bool big_endian_words) const {
    before.add(bytes.substr(0, 8), big_endian_words);
    before.add(page(), big_endian_words);
    return before;
  }
  std::string_view page() const { return bytes.substr(frame_header_size); }
  // Given what its checksum should be: is it off by a bit?
  bool has_flipped_bit(Checksum computed, bool big_endian_words) const {
    FlippedBit flipped{computed, checksum()};
    return flipped.is_in_checksum() || flipped.is_in(page(), big_endian_words) ||
           flipped.is_in(bytes.substr(0, 8), big_endian_words);
  }
};

class Log {
 public:
  explicit Log(std::string_view bytes) : bytes_(bytes) {}

  bool has_valid_header() {
    if (bytes_.size() < header_size || (big(bytes_, 0) & ~1u) != magic) return false;
    big_endian_words_ = (big(bytes_, 0) & 1u) != 0;
    frame_size_ = frame_header_size + big(bytes_, 8);
    const std::size_t page_size = big(bytes_, 8);
    if (page_size < page_size_min || page_size > page_size_max || !std::has_single_bit(page_size)) {
      return false;
    }
    checksum_.add(bytes_.substr(0, 24), big_endian_words_);
    return checksum_ == checksum_at(bytes_, 24);
  }
  std::string_view salt() const { return bytes_.substr(16, 8); }

  // Whole ones, from 1.
  std::size_t frame_count() const { return (bytes_.size() - header_size) / frame_size_; }
  Frame frame(std::size_t number) const {
    return {bytes_.substr(header_size + (number - 1) * frame_size_, frame_size_)};
  }

  // Goes through the frames that SQLite would replay.
  void follow() {
    for (; good_ < frame_count(); ++good_) {
      const Frame next = frame(good_ + 1);
      const Checksum after = next.checksum_after(checksum_, big_endian_words_);
      const bool fits = after == next.checksum();
      if (!fits || next.salt() != salt() || next.page_number() == 0) {
        // No frame of an earlier use fits, or nearly fits, by chance.
        is_off_by_little_ =
            fits ? next.salt() != salt()
                 : next.salt() == salt() && next.has_flipped_bit(after, big_endian_words_);
        return;
      }
      checksum_ = after;
      if (next.is_commit()) committed_ = good_ + 1;
    }
  }
  std::size_t good() const { return good_; }
  std::size_t committed() const { return committed_; }
  bool is_off_by_little() const { return is_off_by_little_; }

  // Ends of transactions of this use of the file, from frame `first` on, whole or not.
  std::size_t commits_from(std::size_t first) const {
    std::size_t count = 0;
    for (std::size_t number = first; number <= frame_count(); ++number) {
      const Frame each = frame(number);
      count += each.salt() == salt() && each.is_commit();
    }
    return count;
  }

 private:
  std::string_view bytes_;
  bool big_endian_words_ = false;
  std::size_t frame_size_ = 0;
  Checksum checksum_;
  std::size_t good_ = 0;
  std::size_t committed_ = 0;
  bool is_off_by_little_ = false;
};

// How many frames the index says are committed of the log with this salt; `salt` empty: of any.
std::size_t committed_by(std::string_view index, std::string_view salt) {
  std::size_t committed = 0;
  for (const std::size_t copy : {std::size_t{0}, index_header_size}) {
    if (index.size() < copy + index_header_size) break;
    const auto header = index.substr(copy, index_header_size);
    Checksum checksum;
    checksum.add(header.substr(0, 40), std::endian::native == std::endian::big);
    if (native(header, 0) != index_version || checksum.first != native(header, 40) ||
        checksum.second != native(header, 44)) {
      continue;
    }
    if (!salt.empty() && header.substr(32, 8) != salt) continue;
    committed = std::max<std::size_t>(committed, native(header, 16));
  }
  return committed;
}

// How many of them are in the database itself.
std::size_t copied_by(std::string_view index) {
  constexpr std::size_t at = 2 * index_header_size;
  return index.size() < at + 4 ? 0 : native(index, at);
}

LogFinding without_header(std::string_view log, std::string_view index) {
  if (is_zeros(log)) return {};  // what a power cut may leave of a new one
  const bool has_frame = log.size() >= header_size + frame_header_size + page_size_min;
  if (log.size() < 3 || big(std::string(log.substr(0, 3)) + '\0', 0) != (magic & ~0xffu)) {
    return {Kind::damaged, "it is no log of a database"};
  }
  if (!has_frame && committed_by(index, {}) == 0) return {};
  return {Kind::damaged,
          "its header does not fit its checksum, so that SQLite would take none of it"};
}

}  // namespace

LogFinding check_log(std::string_view bytes, std::string_view index) {
  if (bytes.empty()) {  // somebody who goes on without it has moved hub.db-shm away, too
    const auto lost = committed_by(index, {});
    if (lost <= copied_by(index)) return {};
    return {Kind::damaged,
            "it is missing or empty, but " + std::to_string(lost) + " frames were stored for good"};
  }
  Log log{bytes};
  if (!log.has_valid_header()) return without_header(bytes, index);
  log.follow();
  const std::size_t first_bad = log.good() + 1;
  const std::string which = "frame " + std::to_string(first_bad) + " of " +
                            std::to_string(std::max(log.frame_count(), first_bad));
  if (log.is_off_by_little()) return {Kind::damaged, which + " has a flipped bit"};
  if (const auto promised = committed_by(index, log.salt()); promised > log.committed()) {
    return {Kind::damaged, which + " is not whole, but " + std::to_string(promised) +
                               " frames were stored for good"};
  }
  // One transaction is written, synced and acknowledged after the other: all but the last were.
  const std::size_t commits = log.commits_from(first_bad);
  if (commits > 1) {
    return {Kind::damaged, which + " does not fit its checksum, and " +
                               std::to_string(commits - 1) + " whole transactions follow it"};
  }
  if (commits == 1) return {Kind::lost_end, which + " does not fit its checksum"};
  return {};
}

}  // namespace storage
