#pragma once
// Small files, whole or not at all.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace app {

// A new file beside `path`, synced, then renamed over it; a link is followed, and what is no file
// (a FIFO, a device) is written to as it is. Throws std::system_error with the path.
void write_file_atomically(const std::filesystem::path& path, std::string_view text, mode_t mode);
std::optional<std::string> read_file(const std::filesystem::path& path);  // nullopt: not there

}  // namespace app
