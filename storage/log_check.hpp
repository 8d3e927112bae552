#pragma once
// Is the database's log (hub.db-wal) whole? SQLite replays it up to the first frame whose checksum
// does not fit, and forgets the rest without a word: right after a crash, which leaves a tail that
// nobody was told of, and wrong if what was acknowledged follows a damaged frame (ST-14).
// Pure, over the bytes; the format is SQLite's (walformat.html):
//   log   = header *( frame )
//   header = magic version page-size sequence salt(8) checksum(8)                 ; 32 octets
//   frame  = page-number size-after-commit salt(8) checksum(8) page              ; 24 octets + page
// Numbers are big-endian. A frame's checksum goes on from that of the frame before it; a frame with
// another salt is of an earlier use of the file.
#include <cstdint>
#include <string>
#include <string_view>

namespace storage {

struct LogFinding {
  enum class Kind {
    whole,     // or without anything to lose behind the last transaction
    lost_end,  // the last transaction is not: as after a power cut, when nobody was told of it
    damaged,   // what was acknowledged would be lost
  };
  Kind kind = Kind::whole;
  std::string cause;  // of lost_end and damaged; names the frame
};

// `index`: hub.db-shm as it was left, where SQLite notes how many frames are committed after they
// are on the disk. Nothing makes it durable: after kill -9 it says exactly that, after a power cut
// perhaps less; it may be empty.
LogFinding check_log(std::string_view log, std::string_view index);

}  // namespace storage
