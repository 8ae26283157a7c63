//===- TruncationHandler.cpp - mapped files that are cut off while in use --===//
// The list of mappings, and a SIGBUS handler of functions that are safe in signal handlers.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Support/TruncationHandler.h"

#include "Mappings.h"
#include "ftc/Mutants.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

namespace ftc {

namespace {

std::atomic<Mapping *> mappings{nullptr};
std::atomic_flag isTelling = ATOMIC_FLAG_INIT;
struct sigaction previousAction;

Mapping *takeEntry() {
  for (Mapping *entry = mappings.load(std::memory_order_acquire); entry; entry = entry->next) {
    bool isTaken = false;
    if (entry->isTaken.compare_exchange_strong(isTaken, true, std::memory_order_acquire))
      return entry;
  }
  auto *entry = new Mapping;
  entry->isTaken.store(true, std::memory_order_relaxed);
  entry->next = mappings.load(std::memory_order_relaxed);
  while (!mappings.compare_exchange_weak(entry->next, entry, std::memory_order_release,
                                         std::memory_order_relaxed)) {
  }
  return entry;
}

/// A line put together without allocating; what does not fit is left out.
class Line {
public:
  void add(std::string_view text) {
    size_t count = std::min(text.size(), buffer.size() - length);
    std::memcpy(buffer.data() + length, text.data(), count);
    length += count;
  }
  void add(uint64_t number) {
    std::array<char, 20> digits;
    size_t first = digits.size();
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    add(std::string_view(digits.data() + first, digits.size() - first));
  }
  void write(int descriptor) const {
    for (size_t done = 0; done < length;) {
      ssize_t count = ::write(descriptor, buffer.data() + done, length - done);
      if (count <= 0)
        return;
      done += static_cast<size_t>(count);
    }
  }

private:
  std::array<char, 8192> buffer; ///< longer than PATH_MAX
  size_t length = 0;
};

void tell(const Mapping &mapping) {
  Line line;
  if (::isatty(STDOUT_FILENO) && ::isatty(STDERR_FILENO))
    line.add("\n"); // from the line of progress that may stand there
  line.add("error: ");
  line.add(mapping.path);
  struct stat info;
  uint64_t now =
      ::fstat(mapping.descriptor, &info) == 0 ? static_cast<uint64_t>(info.st_size) : mapping.bytes;
  if (now < mapping.bytes) {
    line.add(": was truncated while in use, from ");
    line.add(mapping.bytes);
    line.add(" to ");
    line.add(now);
    line.add(" bytes; restore it, and leave files that a run reads as they are until it ends\n");
  } else {
    line.add(": cannot be read: input/output error while in use; check the disk or the file server "
             "that it lies on\n");
  }
  line.write(STDERR_FILENO);
}

void onBusError(int signal, siginfo_t *info, void *) {
  const Mapping *mapping = info->si_code > 0 ? findMapping(info->si_addr) : nullptr;
  if (mapping) {
    // The threads of a step run into the hole together: one of them tells.
    while (isTelling.test_and_set())
      ::pause();
    tell(*mapping);
    ::_exit(1);
  }
  // The access that raised it is made again behind this handler, and is judged as before.
  ::sigaction(signal, &previousAction, nullptr);
  if (info->si_code <= 0)
    ::raise(signal);
}

} // namespace

void addMapping(const void *begin, uint64_t bytes, int descriptor, const std::string &path) {
  Mapping *entry = takeEntry();
  entry->bytes = bytes;
  entry->descriptor = descriptor;
  entry->path = path;
  entry->begin.store(reinterpret_cast<uintptr_t>(begin), std::memory_order_release);
}

void removeMapping(const void *begin) {
  for (Mapping *entry = mappings.load(std::memory_order_acquire); entry; entry = entry->next) {
    if (entry->begin.load(std::memory_order_acquire) != reinterpret_cast<uintptr_t>(begin))
      continue;
    entry->begin.store(0, std::memory_order_release);
    entry->isTaken.store(false, std::memory_order_release);
    return;
  }
}

const Mapping *findMapping(const void *address) {
  auto wanted = reinterpret_cast<uintptr_t>(address);
  for (Mapping *entry = mappings.load(std::memory_order_acquire); entry; entry = entry->next) {
    uintptr_t begin = entry->begin.load(std::memory_order_acquire);
    if (begin != 0 && wanted >= begin && wanted - begin < entry->bytes)
      return entry;
  }
  return nullptr;
}

void installTruncationHandler() {
  struct sigaction action{};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  (void)FTC_MUTATE("truncation-unseen", ::sigaction(SIGBUS, &action, &previousAction), 0);
}

} // namespace ftc
