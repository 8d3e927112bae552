#include "protocols/net/heap_trim.hpp"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

namespace net {

void trim_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace net
