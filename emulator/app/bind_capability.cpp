#include "emulator/app/bind_capability.hpp"

#include <cstdint>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace app {

// By system calls: libcap would be a library for these few lines.
void raise_bind_capability() {
  constexpr std::uint32_t bit = CAP_TO_MASK(CAP_NET_BIND_SERVICE);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, sets) != 0) return;
  auto& set = sets[CAP_TO_INDEX(CAP_NET_BIND_SERVICE)];
  if ((set.permitted & bit) == 0) return;
  set.effective |= bit;
  ::syscall(SYS_capset, &header, sets);  // where it is refused, the bind is, and says so
}

}  // namespace app
