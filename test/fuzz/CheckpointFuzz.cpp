//===- CheckpointFuzz.cpp - what a checkpoint says of itself ----------------===//
// One text as the manifest, as the counters and as the history of a run.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "FuzzTarget.h"
#include "ftc/Support/AtomicFile.h"
#include "ftc/Trainer/Checkpoint.h"
#include "ftc/Trainer/Manifest.h"
#include "ftc/Trainer/TrainerState.h"

using namespace ftc;
using fuzz::checkError;
using fuzz::require;

static void readManifest(std::string_view input) {
  static fuzz::ScratchFile manifest(trainer::kManifestName), file("file");
  static const bool made = !file.write("123456789").empty();
  require(made, "no file");
  std::string folder = directoryName(manifest.write(input));
  Result<int64_t> step = trainer::verifyManifest(folder);
  // Of a file that is not as the manifest says, the file is the place.
  if (!step)
    return checkError(step.error(), folder);
  require(*step >= 1, "a checkpoint of no step");
}

static void readRun(std::string_view input) {
  static fuzz::ScratchFile counters(trainer::kStateCounters);
  Result<trainer::SavedRun> run = trainer::readCounters(directoryName(counters.write(input)));
  if (!run)
    return checkError(run.error(), counters.path());
  require(run->counters.step >= 1 && run->identity.totalSteps >= 1, "a run of no step");
  require(run->identity.differences(run->identity).empty(), "a run differs from itself");
  trainer::RunIdentity other;
  other.config = json::Value::object();
  run->identity.differences(other);
}

static void readHistory(std::string_view input) {
  Result<json::Value> value = json::parse(input, "trainer_state.json");
  if (!value)
    return checkError(value.error(), "trainer_state.json");
  trainer::runSummary(*value);
  trainer::TrainerState state;
  if (Status s = state.restore(*value, "trainer_state.json"); !s)
    return checkError(s.error(), "trainer_state.json");
  std::string text = json::dump(state.toValue());
  require(bool(json::parse(text, "written.json")), "what is written is not JSON", text);
}

void fuzz::readInput(std::string_view input) {
  readManifest(input);
  readRun(input);
  readHistory(input);
}
