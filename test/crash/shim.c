//===- shim.c - the calls that change a directory, counted and disturbed ---===//
// Preloaded into a program: kills it at the k-th call, tears a write, or makes a call fail.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
// The environment says what to do (crash.py sets it):
//   CRASH_DIR  absolute path without links; calls on it and on what it holds are counted
//   CRASH_LOG  a file outside of it; each counted call is appended before it is made, as
//              `NUMBER CALL PATH[ -> PATH]`
//   CRASH_AT   the number, from 1, of the call that is disturbed
//   CRASH_HOW  kill: SIGKILL instead of the call; torn: half of a write's bytes, then SIGKILL;
//              short: half of a write's bytes; or an error: ENOSPC, EIO, EINTR, EINVAL
//   CRASH_ON   set: all calls from there on fail that take space (a disk that stays full)
// What stdio writes is seen when it is flushed or closed, not where a full buffer goes out.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum How { UNDISTURBED, KILL, TORN, SHORT, ERROR };
enum Kind { WRITES, TAKES_SPACE, GIVES_SPACE }; // what a call does to the disk
enum Verdict { GO, HALF, FAIL };

static char directory[PATH_MAX];
static int logFile = -1;
static enum How how;
static int errorNumber;
static long at;
static int staysSo;
static atomic_long count;

__attribute__((constructor)) static void readEnvironment(void) {
  const char *text = getenv("CRASH_DIR");
  if (!text)
    return;
  snprintf(directory, sizeof directory, "%s", text);
  if ((text = getenv("CRASH_LOG")))
    logFile =
        (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  text = getenv("CRASH_AT");
  at = text ? atol(text) : 0;
  staysSo = getenv("CRASH_ON") != NULL;
  static const struct {
    const char *name;
    enum How how;
    int error;
  } names[] = {{"kill", KILL, 0},         {"torn", TORN, 0},   {"short", SHORT, 0},
               {"ENOSPC", ERROR, ENOSPC}, {"EIO", ERROR, EIO}, {"EINTR", ERROR, EINTR},
               {"EINVAL", ERROR, EINVAL}};
  text = getenv("CRASH_HOW");
  for (size_t i = 0; text && i < sizeof names / sizeof *names; ++i)
    if (!strcmp(text, names[i].name)) {
      how = names[i].how;
      errorNumber = names[i].error;
    }
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;)
    pause();
}

// ---- Where a call goes --------------------------------------------------------------------------

static int isBelow(const char *path) {
  size_t length = strlen(directory);
  return length > 0 && !strncmp(path, directory, length) &&
         (path[length] == '/' || path[length] == '\0');
}

/// The path behind a descriptor, or an empty text.
static void pathOfDescriptor(int descriptor, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = '\0';
}

/// An absolute path.
static void pathAt(int folder, const char *name, char *path) {
  char base[PATH_MAX] = "";
  if (name[0] != '/') {
    if (folder == AT_FDCWD) {
      if (!getcwd(base, sizeof base))
        base[0] = '\0';
    } else {
      pathOfDescriptor(folder, base);
    }
  }
  if (snprintf(path, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", name) >= PATH_MAX)
    path[0] = '\0';
}

// ---- What becomes of it -------------------------------------------------------------------------

static void logCall(long number, const char *call, const char *path, const char *second) {
  char line[3 * PATH_MAX];
  size_t skipped = strlen(directory);
  int length = snprintf(line, sizeof line, "%ld %s %s", number, call,
                        path[skipped] ? path + skipped + 1 : ".");
  if (second)
    length += snprintf(line + length, sizeof line - (size_t)length, " -> %s",
                       isBelow(second) && second[skipped] ? second + skipped + 1 : second);
  line[length++] = '\n';
  syscall(SYS_write, logFile, line, (size_t)length);
}

static enum Verdict judge(const char *call, enum Kind kind, const char *path, const char *second) {
  if (!isBelow(path))
    return GO;
  int saved = errno;
  long number = atomic_fetch_add(&count, 1) + 1;
  if (logFile >= 0)
    logCall(number, call, path, second);
  errno = saved;
  if (at == 0 || number < at || (number > at && !(staysSo && how == ERROR)))
    return GO;
  if (number > at && kind == GIVES_SPACE)
    return GO;
  switch (how) {
  case UNDISTURBED:
    return GO;
  case KILL:
    die();
    return FAIL;
  case TORN:
    if (kind != WRITES)
      die();
    return HALF;
  case SHORT:
    return kind == WRITES ? HALF : GO;
  case ERROR:
    errno = errorNumber;
    return FAIL;
  }
  return GO;
}

static enum Verdict judgeDescriptor(const char *call, enum Kind kind, int descriptor) {
  if (!directory[0])
    return GO;
  int saved = errno;
  char path[PATH_MAX];
  pathOfDescriptor(descriptor, path);
  errno = saved;
  return judge(call, kind, path, NULL);
}

static enum Verdict judgePath(const char *call, enum Kind kind, int folder, const char *name) {
  if (!directory[0])
    return GO;
  int saved = errno;
  char path[PATH_MAX];
  pathAt(folder, name, path);
  errno = saved;
  return judge(call, kind, path, NULL);
}

static enum Verdict judgePaths(const char *call, int folder, const char *name, int newFolder,
                               const char *newName) {
  if (!directory[0])
    return GO;
  int saved = errno;
  char path[PATH_MAX], newPath[PATH_MAX];
  pathAt(folder, name, path);
  pathAt(newFolder, newName, newPath);
  errno = saved;
  return judge(call, TAKES_SPACE, path, newPath);
}

/// Behind half of a write.
static ssize_t half(ssize_t written) {
  if (how == TORN)
    die();
  return written;
}

// ---- The calls ----------------------------------------------------------------------------------

#define REAL(type, name, ...)                                                                      \
  static type (*real)(__VA_ARGS__);                                                                \
  if (!real)                                                                                       \
  *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t write(int descriptor, const void *data, size_t size) {
  REAL(ssize_t, "write", int, const void *, size_t);
  switch (judgeDescriptor("write", WRITES, descriptor)) {
  case GO:
    return real(descriptor, data, size);
  case HALF:
    return half(real(descriptor, data, (size + 1) / 2));
  case FAIL:
    return -1;
  }
  return -1;
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  switch (judgeDescriptor("pwrite", WRITES, descriptor)) {
  case GO:
    return real(descriptor, data, size, offset);
  case HALF:
    return half(real(descriptor, data, (size + 1) / 2, offset));
  case FAIL:
    return -1;
  }
  return -1;
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
  return pwrite(descriptor, data, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int number) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  switch (judgeDescriptor("writev", WRITES, descriptor)) {
  case GO:
    return real(descriptor, parts, number);
  case HALF: {
    struct iovec first = {parts[0].iov_base, (parts[0].iov_len + 1) / 2};
    return half(real(descriptor, &first, 1));
  }
  case FAIL:
    return -1;
  }
  return -1;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t size) {
  REAL(ssize_t, "sendfile", int, int, off_t *, size_t);
  switch (judgeDescriptor("sendfile", WRITES, out)) {
  case GO:
    return real(out, in, offset, size);
  case HALF:
    return half(real(out, in, offset, (size + 1) / 2));
  case FAIL:
    return -1;
  }
  return -1;
}

ssize_t copy_file_range(int in, off64_t *inOffset, int out, off64_t *outOffset, size_t size,
                        unsigned flags) {
  REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
  switch (judgeDescriptor("copy_file_range", WRITES, out)) {
  case GO:
    return real(in, inOffset, out, outOffset, size, flags);
  case HALF:
    return half(real(in, inOffset, out, outOffset, (size + 1) / 2, flags));
  case FAIL:
    return -1;
  }
  return -1;
}

#define ON_DESCRIPTOR(name, kind)                                                                  \
  int name(int descriptor) {                                                                       \
    REAL(int, #name, int);                                                                         \
    return judgeDescriptor(#name, kind, descriptor) == FAIL ? -1 : real(descriptor);               \
  }
ON_DESCRIPTOR(fsync, TAKES_SPACE)
ON_DESCRIPTOR(fdatasync, TAKES_SPACE)

/// Counted where the file was open for writing. The descriptor is gone also where closing fails.
int close(int descriptor) {
  REAL(int, "close", int);
  int saved = errno;
  int flags = directory[0] ? (int)syscall(SYS_fcntl, descriptor, F_GETFL) : -1;
  errno = saved;
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
      judgeDescriptor("close", GIVES_SPACE, descriptor) != FAIL)
    return real(descriptor);
  saved = errno;
  real(descriptor);
  errno = saved;
  return -1;
}

int ftruncate(int descriptor, off_t size) {
  REAL(int, "ftruncate", int, off_t);
  return judgeDescriptor("ftruncate", TAKES_SPACE, descriptor) == FAIL ? -1
                                                                       : real(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

int truncate(const char *name, off_t size) {
  REAL(int, "truncate", const char *, off_t);
  return judgePath("truncate", TAKES_SPACE, AT_FDCWD, name) == FAIL ? -1 : real(name, size);
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  REAL(int, "posix_fallocate", int, off_t, off_t);
  return judgeDescriptor("posix_fallocate", TAKES_SPACE, descriptor) == FAIL
             ? errno
             : real(descriptor, offset, size);
}

/// Counted where it may make or empty a file.
static int openAt(int folder, const char *name, int flags, mode_t mode) {
  if ((flags & (O_CREAT | O_TRUNC)) && judgePath("open", TAKES_SPACE, folder, name) == FAIL)
    return -1;
  return (int)syscall(SYS_openat, folder, name, flags, mode);
}

static mode_t modeOf(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
  int name(const char *path, int flags, ...) {                                                     \
    va_list arguments;                                                                             \
    va_start(arguments, flags);                                                                    \
    mode_t mode = modeOf(flags, arguments);                                                        \
    va_end(arguments);                                                                             \
    return openAt(AT_FDCWD, path, flags, mode);                                                    \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
  int name(int folder, const char *path, int flags, ...) {                                         \
    va_list arguments;                                                                             \
    va_start(arguments, flags);                                                                    \
    mode_t mode = modeOf(flags, arguments);                                                        \
    va_end(arguments);                                                                             \
    return openAt(folder, path, flags, mode);                                                      \
  }
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) {
  return openAt(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define ON_PATH(name, kind)                                                                        \
  int name(const char *path) {                                                                     \
    REAL(int, #name, const char *);                                                                \
    return judgePath(#name, kind, AT_FDCWD, path) == FAIL ? -1 : real(path);                       \
  }
ON_PATH(unlink, GIVES_SPACE)
ON_PATH(rmdir, GIVES_SPACE)
ON_PATH(remove, GIVES_SPACE)

int unlinkat(int folder, const char *name, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  return judgePath("unlinkat", GIVES_SPACE, folder, name) == FAIL ? -1 : real(folder, name, flags);
}

int mkdir(const char *name, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  return judgePath("mkdir", TAKES_SPACE, AT_FDCWD, name) == FAIL ? -1 : real(name, mode);
}

int mkdirat(int folder, const char *name, mode_t mode) {
  REAL(int, "mkdirat", int, const char *, mode_t);
  return judgePath("mkdirat", TAKES_SPACE, folder, name) == FAIL ? -1 : real(folder, name, mode);
}

#define ON_PATHS(name)                                                                             \
  int name(const char *from, const char *to) {                                                     \
    REAL(int, #name, const char *, const char *);                                                  \
    return judgePaths(#name, AT_FDCWD, from, AT_FDCWD, to) == FAIL ? -1 : real(from, to);          \
  }
ON_PATHS(rename)
ON_PATHS(link)

int renameat(int folder, const char *from, int newFolder, const char *to) {
  REAL(int, "renameat", int, const char *, int, const char *);
  return judgePaths("rename", folder, from, newFolder, to) == FAIL
             ? -1
             : real(folder, from, newFolder, to);
}

int renameat2(int folder, const char *from, int newFolder, const char *to, unsigned flags) {
  REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
  return judgePaths("rename", folder, from, newFolder, to) == FAIL
             ? -1
             : real(folder, from, newFolder, to, flags);
}

int symlink(const char *target, const char *name) {
  REAL(int, "symlink", const char *, const char *);
  return judgePath("symlink", TAKES_SPACE, AT_FDCWD, name) == FAIL ? -1 : real(target, name);
}

// ---- stdio --------------------------------------------------------------------------------------

#define FOPEN(name)                                                                                \
  FILE *name(const char *path, const char *mode) {                                                 \
    REAL(FILE *, #name, const char *, const char *);                                               \
    if (mode[0] != 'r' && judgePath("fopen", TAKES_SPACE, AT_FDCWD, path) == FAIL)                 \
      return NULL;                                                                                 \
    return real(path, mode);                                                                       \
  }
FOPEN(fopen)
FOPEN(fopen64)

/// What waits in a buffer is lost where writing it fails, or half of it goes out.
static int flushed(const char *call, FILE *file) {
  size_t waiting = file ? __fpending(file) : 0;
  if (waiting == 0)
    return 1;
  switch (judgeDescriptor(call, WRITES, fileno(file))) {
  case GO:
    return 1;
  case HALF:
    if (how == TORN) {
      syscall(SYS_write, fileno(file), file->_IO_write_base, (waiting + 1) / 2);
      die();
    }
    return 1; // stdio goes on behind a short write
  case FAIL:
    __fpurge(file);
    return 0;
  }
  return 1;
}

int fflush(FILE *file) {
  REAL(int, "fflush", FILE *);
  return flushed("fflush", file) ? real(file) : EOF;
}

int fclose(FILE *file) {
  REAL(int, "fclose", FILE *);
  if (flushed("fclose", file))
    return real(file);
  int saved = errno;
  real(file);
  errno = saved;
  return EOF;
}

// ---- For crash.py -------------------------------------------------------------------------------

/// CRC32C bit by bit, on its own, to check what the program wrote.
uint32_t crash_crc32c(const unsigned char *data, size_t size) {
  uint32_t remainder = 0xffffffff;
  for (size_t i = 0; i < size; ++i) {
    remainder ^= data[i];
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ (remainder & 1 ? 0x82f63b78 : 0);
  }
  return ~remainder;
}
