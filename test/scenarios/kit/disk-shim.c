/*
 * Loaded before the C library of a node, it lets a disk fail: the first byte of the control file says how. '0': not at
 * all; 'E': every write and sync answers EIO; 'R': EROFS, and nothing can be opened for writing; 'N': ENOSPC; 'S': all of
 * them take the milliseconds longer that bytes 4 to 7 say. Bytes 8 to 15 count the calls that felt it; both are numbers
 * of this machine.
 * Only regular files below the directory are meant: a pipe that fails ends Node.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#undef fwrite_unlocked

struct control {
  char mode;
  char unused[3];
  uint32_t delay_ms;
  uint64_t felt;
};

static volatile struct control *control;
static const char *below;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAILING_DISK_CONTROL");
  below = getenv("FAILING_DISK_BELOW");
  if (path == NULL || below == NULL) return;
  int fd = open(path, O_RDWR);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) control = map;
  close(fd);
}

static int error_now(void) {
  if (control == NULL) return 0;
  switch (control->mode) {
    case 'E': return EIO;
    case 'R': return EROFS;
    case 'N': return ENOSPC;
    default: return 0;
  }
}

static int is_wrong(void) {
  return control != NULL && control->mode != '0';
}

/* How a call on a file that is meant ends: 0, perhaps later than it would have, or an error. */
static int felt(void) {
  __atomic_add_fetch(&control->felt, 1, __ATOMIC_RELAXED);
  if (control->mode == 'S') {
    uint32_t ms = control->delay_ms;
    struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {}
  }
  return error_now();
}

static int is_meant(int fd) {
  struct stat seen;
  if (fstat(fd, &seen) != 0 || !S_ISREG(seen.st_mode)) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strncmp(path, below, strlen(below)) == 0;
}

#define FAIL_IF_MEANT(fd) \
  int error = is_wrong() && is_meant(fd) ? felt() : 0; \
  if (error != 0) { errno = error; return -1; }
#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (real == NULL) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name);

ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t)
  FAIL_IF_MEANT(fd)
  return real(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
  FAIL_IF_MEANT(fd)
  return real(fd, bytes, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, "writev", int, const struct iovec *, int)
  FAIL_IF_MEANT(fd)
  return real(fd, parts, count);
}

int fsync(int fd) {
  REAL(int, "fsync", int)
  FAIL_IF_MEANT(fd)
  return real(fd);
}

int fdatasync(int fd) {
  REAL(int, "fdatasync", int)
  FAIL_IF_MEANT(fd)
  return real(fd);
}

#define OPEN(symbol) \
  int symbol(const char *path, int flags, ...) { \
    REAL(int, #symbol, const char *, int, ...) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t permissions = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    if (error_now() == EROFS && (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 && \
        strncmp(path, below, strlen(below)) == 0) { \
      errno = EROFS; \
      return -1; \
    } \
    return real(path, flags, permissions); \
  }
OPEN(open)
OPEN(open64)

static FILE *open_stream(FILE *(*real)(const char *, const char *), const char *path, const char *how) {
  if (error_now() == EROFS && strpbrk(how, "wa+") != NULL && strncmp(path, below, strlen(below)) == 0) {
    errno = EROFS;
    return NULL;
  }
  return real(path, how);
}

/* LevelDB writes its files as streams, and flushes after every record. */
#define FLUSH(symbol) \
  int symbol(FILE *stream) { \
    REAL(int, #symbol, FILE *) \
    int error = is_wrong() && stream != NULL && is_meant(fileno(stream)) ? felt() : 0; \
    if (error != 0) { errno = error; return EOF; } \
    return real(stream); \
  }
FLUSH(fflush)
FLUSH(fflush_unlocked)

#define WRITE(symbol) \
  size_t symbol(const void *bytes, size_t size, size_t count, FILE *stream) { \
    REAL(size_t, #symbol, const void *, size_t, size_t, FILE *) \
    int error = is_wrong() && is_meant(fileno(stream)) ? felt() : 0; \
    if (error != 0) { errno = error; return 0; } \
    return real(bytes, size, count, stream); \
  }
WRITE(fwrite)
WRITE(fwrite_unlocked)

FILE *fopen(const char *path, const char *how) {
  REAL(FILE *, "fopen", const char *, const char *)
  return open_stream(real, path, how);
}

FILE *fopen64(const char *path, const char *how) {
  REAL(FILE *, "fopen64", const char *, const char *)
  return open_stream(real, path, how);
}
