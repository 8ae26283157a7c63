//===- RunPasses.cpp - passes that may fail or crash ----------------------===//
// MLIR's crash reproducer, written whole, and told as an error of ours.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/RunPasses.h"

#include "ftc/Support/AtomicFile.h"

#include "mlir/Pass/PassInstrumentation.h"

using namespace mlir;
using namespace ftc;

std::string ftc::reproducerPath(const std::string &output) {
  bool toFile = !output.empty() && output != "-";
  return (toFile ? output : "ftc") + ".reproducer.mlir";
}

namespace {
/// What MLIR made of the reproducer; it outlives the pass manager.
struct Reproducer {
  std::string path, text;
};

struct Stream : ReproducerStream {
  explicit Stream(std::shared_ptr<Reproducer> target)
      : target(std::move(target)), stream(this->target->text) {}
  StringRef description() override { return target->path; }
  raw_ostream &os() override { return stream; }

  std::shared_ptr<Reproducer> target;
  llvm::raw_string_ostream stream;
};

/// Which pass was running when a run ended.
struct Progress {
  std::vector<std::string> running; ///< outermost first
  std::string failed;
};

class ProgressInstrumentation : public PassInstrumentation {
public:
  explicit ProgressInstrumentation(std::shared_ptr<Progress> progress)
      : progress(std::move(progress)) {}

  void runBeforePass(Pass *pass, Operation *) override {
    StringRef flag = pass->getArgument();
    progress->running.push_back(flag.empty() ? pass->getName().str() : flag.str());
  }
  void runAfterPass(Pass *, Operation *) override { progress->running.pop_back(); }
  void runAfterPassFailed(Pass *, Operation *) override {
    // The innermost is told first; it is the one.
    if (progress->failed.empty())
      progress->failed = progress->running.back();
    progress->running.pop_back();
  }

private:
  std::shared_ptr<Progress> progress;
};
} // namespace

static void addReproducerNote(Error &error, const Reproducer &reproducer) {
  if (reproducer.text.empty())
    return;
  if (Status status = writeFileAtomically(reproducer.path, reproducer.text); !status) {
    error.note("no reproducer: " + status.error().str());
    return;
  }
  error.note("what the passes began with is in " + reproducer.path + "; to run them on it again:");
  error.note("ft-opt --run-reproducer " + reproducer.path);
}

PassRun ftc::runPasses(std::unique_ptr<PassManager> manager, ModuleOp module,
                       const std::string &reproducer, const std::function<Error()> &takeError) {
  auto file = std::make_shared<Reproducer>(Reproducer{reproducer, ""});
  auto progress = std::make_shared<Progress>();
  // Of the whole pipeline: that costs one copy of the module as it is now. MLIR's local kind, of
  // the pass at fault alone, would copy the module before every pass, a fifth of the time of a
  // large model; ft-opt makes a local one of this one on demand.
  if (!reproducer.empty())
    manager->enableCrashReproducerGeneration(
        [file](std::string &) { return std::make_unique<Stream>(file); });
  manager->addInstrumentation(std::make_unique<ProgressInstrumentation>(progress));
  if (succeeded(manager->run(module)))
    return {Status::ok()};

  if (!progress->failed.empty()) {
    Error error = takeError();
    error.message += " (in " + progress->failed + ")";
    addReproducerNote(error, *file);
    return {std::move(error)};
  }
  manager.release();
  std::string culprit = progress->running.empty() ? "a pass" : progress->running.back();
  Error error = makeError("ftc compile",
                          culprit + " crashed; that is a fault of ftc, whatever its input was");
  addReproducerNote(error, *file);
  return {std::move(error), /*crashed=*/true};
}
