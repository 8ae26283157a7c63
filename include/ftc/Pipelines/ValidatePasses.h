//===- ValidatePasses.h - passes run before and after -----------*- C++ -*-===//
// Runs a module in the interpreter around every pass.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_PIPELINES_VALIDATEPASSES_H
#define FTC_PIPELINES_VALIDATEPASSES_H

#include "ftc/Pipelines/Pipelines.h"
#include "ftc/Pipelines/RunPasses.h"
#include "ftc/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassInstrumentation.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ftc {

/// What a validation says of one pass over one module.
struct Verdict {
  enum Kind {
    agrees,   ///< every function computes what it did
    differs,  ///< one does not: `text` is the finding
    tooLarge, ///< more work than the limit allows
    notRun,   ///< functions of ft that the interpreter cannot run, or the inputs do not fit
    nothing   ///< nothing to run
  };
  Kind kind;
  std::string pass; ///< its flag; a nested pipeline is one pass, such as `func.func(cse)`
  std::string text; ///< one line; empty for `agrees` and `nothing`
  mlir::Location location;
  std::string reproducer; ///< of `differs`: the IR before the pass, for ft-opt --run-reproducer
};

/// "agrees", "differs", "too-large", "not-run", "nothing".
llvm::StringRef stringify(Verdict::Kind kind);

struct ValidationOptions {
  /// Most operations and bytes of one run of all functions of the module (by the cost interface,
  /// and eight bytes per element of a parameter); the interpreter does about 10^8 a second.
  double limit = 1e8;
  /// Called after each pass over a module that stands on its own. Passes whose flag says that they
  /// only verify are left out.
  std::function<void(const Verdict &)> tell;
};

/// Evaluates the public functions of a module of the ft dialect, and the entry points of launches
/// that are made of them, in double precision before and after each pass, on several seeds of
/// random inputs: results and committed parameters, which of a training step are the loss, all
/// gradients, and parameters, moments and accumulators after a step. Where a backward appears, its
/// gradients are held against finite differences of the loss. Around a pass that changes values on
/// purpose (ftc/Analysis/ValueChanges.h) both runs start from state that carries the change. The
/// first pass after which a value differs is kept; what comes behind it is not looked at.
class PassValidator : public mlir::PassInstrumentation {
public:
  explicit PassValidator(ValidationOptions options = {});
  ~PassValidator() override;

  void runBeforePipeline(std::optional<mlir::OperationName>, const PipelineParentInfo &) override;
  void runBeforePass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPass(mlir::Pass *pass, mlir::Operation *op) override;
  void runAfterPassFailed(mlir::Pass *pass, mlir::Operation *op) override;

  /// The first pass that changed something.
  const std::optional<Verdict> &finding() const { return found; }

private:
  struct Frame;
  struct State;
  Verdict compare(mlir::Pass *pass, Frame &frame, mlir::ModuleOp module);

  ValidationOptions options;
  std::unique_ptr<State> state;
  std::optional<Verdict> found;
};

/// Takes `module` (a forward step, small) through `pipeline` under a PassValidator. A finding is an
/// error that names the pass, the value and its site, and leaves a reproducer at that path, as does
/// a pass that fails or crashes. `checked` is how many passes changed nothing.
PassRun validatePasses(mlir::ModuleOp module, const PipelineOptions &pipeline,
                       const std::string &reproducer, unsigned &checked);

/// A finding as an error, with its reproducer written to that path.
Error findingError(const Verdict &finding, const std::string &reproducer);

/// The operations and bytes that one run of all functions of `module` takes, or of the entry points
/// that become of it; 0 where there is nothing to run.
double validationWork(mlir::ModuleOp module);

} // namespace ftc

#endif
