//===- Work.cpp - what streams have to do ----------------------------------===//
// A queue a stream; the order of streams among each other is that of the waits.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/Work.h"

#include <cstdlib>
#include <cstring>

namespace standin {

Work::Work() {
  const char *text = std::getenv("FTC_STANDIN_LAZY");
  lazy = text && !std::strcmp(text, "1");
}

Work &Work::instance() {
  static Work *work = new Work;
  return *work;
}

int Work::enqueue(void *stream, std::function<int()> work) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!lazy || !stream) {
    int result = finishAll();
    return result ? result : work();
  }
  queues[stream].waiting.push_back(std::move(work));
  return 0;
}

uint64_t Work::position(void *stream) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  Queue &queue = queues[stream];
  return queue.done + queue.waiting.size();
}

int Work::finish(void *stream, uint64_t position) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  Queue &queue = queues[stream];
  while (!queue.waiting.empty() && queue.done < position) {
    std::function<int()> next = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    ++queue.done;
    if (int result = next())
      return result;
  }
  return 0;
}

int Work::finishAll() {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  for (auto &entry : queues)
    if (int result = finish(entry.first))
      return result;
  return 0;
}

void Work::clear() {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  queues.clear();
}

} // namespace standin
