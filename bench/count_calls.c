/* Preloaded into the emulator by bench/counts: counts its system calls and allocations in a file
 * that both map. One 64-bit counter for each name, in the order of this list. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MALLOC, RECV, SEND, READ, WRITE, EPOLL_WAIT, EPOLL_CTL, FSYNC, COUNTERS };

static uint64_t unmapped[COUNTERS];
static uint64_t* counters = unmapped;

__attribute__((constructor)) static void map_counters(void) {
  const char* path = getenv("IOTHUB_COUNTS");
  const int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) abort();
  void* memory = mmap(NULL, sizeof unmapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) abort();
  counters = memory;
}

static void count(int which) { __atomic_fetch_add(&counters[which], 1, __ATOMIC_RELAXED); }

/* glibc's own names: dlsym itself allocates. */
extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* memory, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  count(MALLOC);
  return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
  count(MALLOC);
  return __libc_calloc(number, size);
}
void* realloc(void* memory, size_t size) {
  count(MALLOC);
  return __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count(MALLOC);
  return __libc_memalign(alignment, size);
}

#define COUNTED(which, result, name, parameters, arguments)                 \
  result name parameters {                                                  \
    static result(*next) parameters;                                        \
    if (next == NULL) next = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
    count(which);                                                           \
    return next arguments;                                                  \
  }

COUNTED(RECV, ssize_t, recv, (int fd, void* to, size_t size, int flags), (fd, to, size, flags))
COUNTED(RECV, ssize_t, recvmsg, (int fd, struct msghdr* to, int flags), (fd, to, flags))
COUNTED(SEND, ssize_t, send, (int fd, const void* from, size_t size, int flags),
        (fd, from, size, flags))
COUNTED(SEND, ssize_t, sendmsg, (int fd, const struct msghdr* from, int flags), (fd, from, flags))
COUNTED(READ, ssize_t, read, (int fd, void* to, size_t size), (fd, to, size))
COUNTED(WRITE, ssize_t, write, (int fd, const void* from, size_t size), (fd, from, size))
COUNTED(WRITE, ssize_t, pwrite, (int fd, const void* from, size_t size, off_t at),
        (fd, from, size, at))
COUNTED(WRITE, ssize_t, pwrite64, (int fd, const void* from, size_t size, off64_t at),
        (fd, from, size, at))
COUNTED(EPOLL_WAIT, int, epoll_wait, (int fd, struct epoll_event* to, int size, int ms),
        (fd, to, size, ms))
COUNTED(EPOLL_CTL, int, epoll_ctl, (int set, int what, int fd, struct epoll_event* event),
        (set, what, fd, event))
COUNTED(FSYNC, int, fsync, (int fd), (fd))
COUNTED(FSYNC, int, fdatasync, (int fd), (fd))
