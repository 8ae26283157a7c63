//===- OptMain.cpp - ft-opt as a function ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Pipelines/OptMain.h"

#include "ftc/Pipelines/RegisterAll.h"
#include "ftc/Pipelines/ValidatePasses.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/ToolOutputFile.h"

#include <fcntl.h>
#include <unistd.h>

using namespace mlir;
using namespace ftc;

namespace {
/// The options of validation. The last of several counts, so that a test's own overrides what lit
/// puts in front.
struct ValidationFlags {
  llvm::cl::opt<bool> validate{
      "validate-passes", llvm::cl::ZeroOrMore,
      llvm::cl::desc("Interpret each module before and after each pass and compare")};
  llvm::cl::opt<double> limit{
      "validate-passes-limit", llvm::cl::ZeroOrMore, llvm::cl::init(ValidationOptions().limit),
      llvm::cl::desc("Most operations and bytes of a run of a module that is validated")};
  llvm::cl::opt<std::string> report{
      "validate-passes-report", llvm::cl::ZeroOrMore, llvm::cl::value_desc("FILE"),
      llvm::cl::desc("Append a line for each pass over each module: verdict and pass")};
};

/// What all modules of a process came to.
class Validation {
public:
  Validation(const ValidationFlags &flags, bool quiet) : flags(flags), quiet(quiet) {}

  void attach(PassManager &manager) {
    warned = false;
    ValidationOptions options;
    options.limit = flags.limit;
    options.tell = [this](const Verdict &verdict) { tell(verdict); };
    manager.addInstrumentation(std::make_unique<PassValidator>(options));
  }

  bool found() const { return differs; }

  /// Other processes may append at the same time, so all lines go out at once.
  LogicalResult writeReport() const {
    if (flags.report.empty() || lines.empty())
      return success();
    int file = open(flags.report.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    bool written = file >= 0 && write(file, lines.data(), lines.size()) == ssize_t(lines.size());
    if (file >= 0)
      close(file);
    if (!written)
      llvm::errs() << "error: " << flags.report << ": cannot be written\n";
    return success(written);
  }

private:
  void tell(const Verdict &verdict) {
    lines += stringify(verdict.kind).str() + " " + verdict.pass + "\n";
    if (verdict.kind == Verdict::differs) {
      differs = true;
      emitError(verdict.location) << verdict.text;
      return;
    }
    // Not by the diagnostics of the module: tests expect exactly those that it has itself.
    if (verdict.text.empty() || quiet || (verdict.kind == Verdict::tooLarge && warned))
      return;
    warned |= verdict.kind == Verdict::tooLarge;
    llvm::errs() << (verdict.kind == Verdict::tooLarge ? "warning: " : "remark: ") << verdict.text
                 << "\n";
  }

  const ValidationFlags &flags;
  bool quiet, differs = false;
  bool warned = false; ///< of the present module's size
  std::string lines;
};
} // namespace

/// MLIR's own, apart from the output: it waits for the end, so that a finding leaves none.
static LogicalResult run(const MlirOptMainConfig &config, const Validation &validation,
                         StringRef input, StringRef output, DialectRegistry &registry) {
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> file = openInputFile(input, &message);
  if (!file) {
    llvm::errs() << message << "\n";
    return failure();
  }
  std::unique_ptr<llvm::ToolOutputFile> out = openOutputFile(output, &message);
  if (!out) {
    llvm::errs() << message << "\n";
    return failure();
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  LogicalResult status = MlirOptMain(os, std::move(file), registry, config);
  if (failed(validation.writeReport()) || validation.found())
    return failure();
  // A failure behind some chunks of a split input has left the others' output, as MLIR has it.
  out->os() << text;
  if (succeeded(status))
    out->keep();
  return status;
}

int ftc::optMain(int argc, char **argv, llvm::function_ref<void(DialectRegistry &)> extend) {
  DialectRegistry registry;
  registerAllDialects(registry);
  if (extend)
    extend(registry);
  registerAllPasses();
  ValidationFlags flags;
  auto [input, output] = registerAndParseCLIOptions(
      argc, argv, "ft-opt: passes over the ft and launch dialects\n", registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (!flags.validate || config.shouldListPasses() || config.shouldShowDialects())
    return asMainReturnCode(MlirOptMain(argc, argv, input, output, registry));

  llvm::InitLLVM initialize(argc, argv);
  Validation validation(flags, config.shouldVerifyDiagnostics());
  MlirOptMainConfig validating = config;
  validating.setPassPipelineSetupFn([&](PassManager &manager) -> LogicalResult {
    if (failed(config.setupPassPipeline(manager)))
      return failure();
    validation.attach(manager);
    return success();
  });
  return asMainReturnCode(run(validating, validation, input, output, registry));
}
