/* Faults of the machine, put between a server under test and its system by LD_PRELOAD, so that the
 * program that is tested is the one that is shipped.
 *
 * The folder that FAULTS names says what is wrong at this moment: each fault is a name in it, made and
 * taken away by the test while the server runs. Without names everything is as without this file.
 *
 *   full      no byte goes into a database or its log any more: there is no room (ENOSPC). As on a
 *             real disk, what is written may get half of its way first.
 *   write     writing them fails (EIO)
 *   readonly  nothing may be written (EROFS), which is what a system makes of a disk that fails; the
 *             files beside them cannot be opened for writing either
 *   sync      bringing them to the disk fails (EIO)
 *   read      reading them fails (EIO)
 *   map       no file can be mapped into memory that is shared (ENODEV), as on some file systems
 *   threads   a link to a number: how many threads may be begun; the next is too many (EAGAIN)
 *   clock     a link to a number: the seconds by which the system's clock is wrong
 *   clock.X   the same for threads of the name X alone
 *   timer     a link to a number: the seconds by which the time since the start is ahead
 *
 * Links, since reading one needs no file descriptor, of which there may be none. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char folder[4096];

__attribute__((constructor)) static void begin(void) {
  const char *named = getenv("FAULTS");
  if (named) snprintf(folder, sizeof folder, "%s", named);
}

static int is_on(const char *fault) {
  char path[4200];
  if (!folder[0]) return 0;
  int before = errno;
  snprintf(path, sizeof path, "%s/%s", folder, fault);
  int is_there = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  errno = before;
  return is_there;
}

static int is_database(int fd) {
  char path[64], name[4200];
  int before = errno;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(path, name, sizeof name - 1);
  errno = before;
  if (length < 4) return 0;
  name[length] = 0;
  return strcmp(name + length - 3, ".db") == 0 ||
         (length > 7 && strcmp(name + length - 7, ".db-wal") == 0);
}

static long number(const char *fault) {
  char path[4200], digits[32];
  if (!folder[0]) return 0;
  int before = errno;
  snprintf(path, sizeof path, "%s/%s", folder, fault);
  ssize_t length = readlink(path, digits, sizeof digits - 1);
  errno = before;
  if (length <= 0) return 0;
  digits[length] = 0;
  return atol(digits);
}

/* Returns how many bytes may be written now, or -1 and why not. */
static ssize_t allowed(int fd, size_t bytes) {
  if (is_on("full") && is_database(fd)) {
    if (bytes > 1) return (ssize_t)(bytes / 2);
    errno = ENOSPC;
    return -1;
  }
  if (is_on("write") && is_database(fd)) {
    errno = EIO;
    return -1;
  }
  if (is_on("readonly") && is_database(fd)) {
    errno = EROFS;
    return -1;
  }
  return (ssize_t)bytes;
}

static int open_file(const char *path, int flags, mode_t mode) {
  if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && strstr(path, ".db") && is_on("readonly")) {
    errno = EROFS;
    return -1;
  }
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return open_file(path, flags | O_LARGEFILE, mode);
}

ssize_t write(int fd, const void *from, size_t bytes) {
  ssize_t now = allowed(fd, bytes);
  return now < 0 ? now : syscall(SYS_write, fd, from, (size_t)now);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) {
  ssize_t now = allowed(fd, bytes);
  return now < 0 ? now : syscall(SYS_pwrite64, fd, from, (size_t)now, at);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
  return pwrite64(fd, from, bytes, at);
}

ssize_t read(int fd, void *into, size_t bytes) {
  if (is_on("read") && is_database(fd)) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_read, fd, into, bytes);
}

ssize_t pread64(int fd, void *into, size_t bytes, off64_t at) {
  if (is_on("read") && is_database(fd)) {
    errno = EIO;
    return -1;
  }
  return syscall(SYS_pread64, fd, into, bytes, at);
}

ssize_t pread(int fd, void *into, size_t bytes, off_t at) {
  return pread64(fd, into, bytes, at);
}

int fsync(int fd) {
  if (is_on("sync") && is_database(fd)) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  if (is_on("sync") && is_database(fd)) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fdatasync, fd);
}

static void *map_file(void *at, size_t bytes, int access, int flags, int fd, off64_t from) {
  if ((flags & MAP_SHARED) && fd >= 0 && is_on("map")) {
    errno = ENODEV;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, at, bytes, access, flags, fd, from);
}

void *mmap(void *at, size_t bytes, int access, int flags, int fd, off_t from) {
  return map_file(at, bytes, access, flags, fd, from);
}

void *mmap64(void *at, size_t bytes, int access, int flags, int fd, off64_t from) {
  return map_file(at, bytes, access, flags, fd, from);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  static int begun;
  if (is_on("threads") && __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST) >= number("threads"))
    return EAGAIN;
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  return real(thread, how, run, with);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (failed) return failed;
  if (clock == CLOCK_REALTIME) {
    char thread[16] = "", fault[32];
    prctl(PR_GET_NAME, thread);
    snprintf(fault, sizeof fault, "clock.%s", thread);
    now->tv_sec += number("clock") + number(fault);
  } else if (clock == CLOCK_MONOTONIC) {
    now->tv_sec += number("timer");
  }
  return 0;
}
