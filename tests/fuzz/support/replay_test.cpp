// Every file of corpus/ and crashes/ through its target, and the empty input, without libFuzzer.
#include "tests/fuzz/support/target.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> files_of(std::string_view target) {
  const fs::path root = fs::path(__FILE__).parent_path().parent_path();
  std::vector<fs::path> files;
  for (const char* kind : {"corpus", "crashes"}) {
    const fs::path folder = root / kind / target;
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("FUZZ-01 what the fuzzers have found and learnt stays harmless") {
  REQUIRE(fuzz::targets().size() > 10);
  for (const fuzz::Target& target : fuzz::targets()) {
    SUBCASE(std::string(target.name).c_str()) {
      const auto files = files_of(target.name);
      CHECK_FALSE(files.empty());
      target.run({});
      for (const auto& path : files) {
        INFO(path.string());  // shown when the target aborts, too
        target.run(bytes_of(path));
      }
    }
  }
}
