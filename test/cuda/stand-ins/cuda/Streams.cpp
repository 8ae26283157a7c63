//===- Streams.cpp - the stand-in for libcuda.so.1: streams, events --------===//
// Waiting does what has been kept for later; events are positions in a stream.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "stand-ins/cuda/Driver.h"

#include <chrono>

using namespace standin;
using namespace standin::cuda;

namespace {

int onStream(const char *function, void *stream) {
  Call call(function);
  if (!call)
    return call.result;
  int result = call.checkStream(stream);
  return result ? result : call.finish(stream);
}

int checkEvent(const Call &call, void *event) {
  if (call.driver.events.count(static_cast<Event *>(event)))
    return Success;
  return call.refuse(InvalidHandle, "no such event");
}

int finishEvent(const Event &event) {
  return event.recorded ? Work::instance().finish(event.stream, event.position) : Success;
}

int onEvent(const char *function, void *event) {
  Call call(function);
  if (!call)
    return call.result;
  int result = checkEvent(call, event);
  return result ? result : finishEvent(*static_cast<Event *>(event));
}

} // namespace

STAND_IN int cuStreamCreate(void **stream, unsigned flags) {
  Call call("cuStreamCreate");
  if (!call)
    return call.result;
  if (!stream || flags > 1)
    return call.refuse(InvalidValue, "a null pointer or unknown flags");
  auto *created = new Stream{flags};
  call.driver.streams.insert(created);
  *stream = created;
  return Success;
}

STAND_IN int cuStreamDestroy_v2(void *stream) {
  Call call("cuStreamDestroy_v2");
  if (!call)
    return call.result;
  if (!call.driver.streams.count(static_cast<Stream *>(stream)))
    return call.refuse(InvalidHandle, "no such stream");
  int result = call.finish(stream);
  call.driver.streams.erase(static_cast<Stream *>(stream));
  delete static_cast<Stream *>(stream);
  return result;
}

STAND_IN int cuStreamSynchronize(void *stream) { return onStream("cuStreamSynchronize", stream); }
STAND_IN int cuStreamQuery(void *stream) { return onStream("cuStreamQuery", stream); }

STAND_IN int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  Call call("cuStreamWaitEvent");
  if (!call)
    return call.result;
  if (flags)
    return call.refuse(InvalidValue, "flags other than 0");
  int result = call.checkStream(stream);
  if (!result)
    result = checkEvent(call, event);
  if (result)
    return result;
  Event now = *static_cast<Event *>(event); // a later record is not waited for
  return Work::instance().enqueue(stream, [now] { return finishEvent(now); });
}

STAND_IN int cuEventCreate(void **event, unsigned flags) {
  Call call("cuEventCreate");
  if (!call)
    return call.result;
  if (!event || flags & ~7u)
    return call.refuse(InvalidValue, "a null pointer or unknown flags");
  auto *created = new Event;
  call.driver.events.insert(created);
  *event = created;
  return Success;
}

STAND_IN int cuEventDestroy_v2(void *event) {
  Call call("cuEventDestroy_v2");
  if (!call)
    return call.result;
  if (!call.driver.events.erase(static_cast<Event *>(event)))
    return call.refuse(InvalidHandle, "no such event");
  delete static_cast<Event *>(event);
  return Success;
}

STAND_IN int cuEventRecord(void *event, void *stream) {
  Call call("cuEventRecord");
  if (!call)
    return call.result;
  int result = checkEvent(call, event);
  if (!result)
    result = call.checkStream(stream);
  if (result)
    return result;
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  auto *recorded = static_cast<Event *>(event);
  recorded->recorded = true;
  recorded->stream = stream;
  recorded->position = Work::instance().position(stream);
  recorded->nanoseconds =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  return Success;
}

STAND_IN int cuEventSynchronize(void *event) { return onEvent("cuEventSynchronize", event); }
STAND_IN int cuEventQuery(void *event) { return onEvent("cuEventQuery", event); }

STAND_IN int cuEventElapsedTime_v2(float *milliseconds, void *first, void *last) {
  Call call("cuEventElapsedTime_v2");
  if (!call)
    return call.result;
  for (void *event : {first, last})
    if (int result = checkEvent(call, event))
      return result;
  auto *from = static_cast<Event *>(first), *to = static_cast<Event *>(last);
  if (!milliseconds || !from->recorded || !to->recorded)
    return call.refuse(InvalidHandle, "an event that was never recorded, or a null pointer");
  *milliseconds = static_cast<float>(static_cast<double>(to->nanoseconds) -
                                     static_cast<double>(from->nanoseconds)) *
                  1e-6f;
  return Success;
}
