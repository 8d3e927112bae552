#include "tests/unit/storage/faulty_disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace storage_test {
namespace {

struct Write {
  sqlite3_int64 offset = 0;
  std::string bytes;
};
struct File {
  std::filesystem::path path;
  const sqlite3_io_methods* real = nullptr;
  // Since the last sync: the size then, what was there before each write, and the writes.
  sqlite3_int64 synced_size = 0;
  std::vector<Write> before;
  std::vector<Write> after;
};
std::map<sqlite3_file*, File> files;

struct State {
  FaultyDisk::Plan plan;
  int writes = 0;
  bool cut = false;
};
std::optional<State> active;

void write_all(std::fstream& out, const Write& write) {
  out.seekp(write.offset);
  out.write(write.bytes.data(), static_cast<std::streamsize>(write.bytes.size()));
}

void leave_what_survives(const File& file, std::mt19937& random) {
  const auto target = active->plan.survivors / file.path.filename();
  std::filesystem::copy_file(file.path, target);
  {
    std::fstream out{target, std::ios::in | std::ios::out | std::ios::binary};
    for (auto i = file.before.size(); i-- > 0;) write_all(out, file.before[i]);
  }
  if (!file.before.empty()) {
    std::filesystem::resize_file(target, static_cast<std::uintmax_t>(file.synced_size));
  }
  std::fstream out{target, std::ios::in | std::ios::out | std::ios::binary};
  std::bernoulli_distribution survives{active->plan.unsynced_survives};
  for (const auto& write : file.after) {
    if (survives(random)) write_all(out, write);
  }
}

void cut_power() {
  active->cut = true;
  active->plan.at_cut();
  std::mt19937 random{static_cast<unsigned>(active->writes)};
  for (const auto& [handle, file] : files) {
    if (std::filesystem::exists(file.path)) leave_what_survives(file, random);
  }
}

void remember(sqlite3_file* handle, File& file, Write write) {
  sqlite3_int64 size = 0;
  file.real->xFileSize(handle, &size);
  if (file.before.empty()) file.synced_size = size;
  const auto present =
      std::clamp(size - write.offset, sqlite3_int64{0}, sqlite3_int64(write.bytes.size()));
  std::string old(static_cast<std::size_t>(present), '\0');
  if (present > 0) {
    file.real->xRead(handle, old.data(), static_cast<int>(present), write.offset);
  }
  file.before.push_back({write.offset, std::move(old)});
  file.after.push_back(std::move(write));
}

int on_write(sqlite3_file* handle, const void* data, int size, sqlite3_int64 offset) {
  auto& file = files.at(handle);
  if (active) {
    const int number = active->writes++;
    if (active->plan.fail_from_write >= 0 && number >= active->plan.fail_from_write) {
      return SQLITE_FULL;
    }
    if (number == active->plan.cut_at_write) cut_power();
    if (active->plan.cut_at_write >= 0 && !active->cut) {
      const std::string_view bytes{static_cast<const char*>(data), static_cast<std::size_t>(size)};
      remember(handle, file, {offset, std::string{bytes}});
    }
  }
  return file.real->xWrite(handle, data, size, offset);
}

int on_sync(sqlite3_file* handle, int flags) {
  auto& file = files.at(handle);
  file.before.clear();
  file.after.clear();
  return file.real->xSync(handle, flags);
}

int on_close(sqlite3_file* handle) {
  const auto* real = files.at(handle).real;
  files.erase(handle);
  return real->xClose(handle);
}

int on_open(sqlite3_vfs* self, const char* name, sqlite3_file* handle, int flags, int* out_flags) {
  auto* system = static_cast<sqlite3_vfs*>(self->pAppData);
  const int code = system->xOpen(system, name, handle, flags, out_flags);
  if (code != SQLITE_OK || name == nullptr) return code;
  // Databases and logs have different methods: each kind gets its copy.
  static std::map<const sqlite3_io_methods*, sqlite3_io_methods> faulty;
  const auto [methods, is_new] = faulty.try_emplace(handle->pMethods, *handle->pMethods);
  if (is_new) {
    methods->second.xWrite = on_write;
    methods->second.xSync = on_sync;
    methods->second.xClose = on_close;
  }
  files[handle] = {name, handle->pMethods, 0, {}, {}};
  handle->pMethods = &methods->second;
  return code;
}

// The default from the start of the program, so that it knows the files of every database.
const bool registered = [] {
  static sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);
  vfs.pAppData = sqlite3_vfs_find(nullptr);
  vfs.zName = "faulty-disk";
  vfs.xOpen = on_open;
  return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
}();

}  // namespace

FaultyDisk::FaultyDisk(Plan plan) { active.emplace(State{std::move(plan)}); }
FaultyDisk::~FaultyDisk() { active.reset(); }
bool FaultyDisk::is_cut() const { return active->cut; }
int FaultyDisk::writes() const { return active->writes; }

}  // namespace storage_test
