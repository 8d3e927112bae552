#include "emulator/app/descriptor_table.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace app {

void make_descriptor_table() {
  constexpr rlim_t at_once = 65'536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int root = ::open("/", O_PATH | O_CLOEXEC);
  if (root < 0) return;
  // The table never shrinks again.
  const int last =
      ::fcntl(root, F_DUPFD_CLOEXEC, static_cast<int>(std::min(limit.rlim_cur, at_once)) - 1);
  if (last >= 0) ::close(last);
  ::close(root);
}

}  // namespace app
