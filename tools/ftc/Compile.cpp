//===- Compile.cpp - the flags of ftc compile ------------------------------===//
// What `ftc compile` takes, and what it does not take yet.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "Commands.h"

#if FTC_HAS_COMPILER
#include "ftc/Pipelines/Compile.h"
#include "ftc/Support/TrainConfig.h"
#endif

#include <memory>

namespace ftc::cli {

namespace {

struct Flags {
  std::vector<std::string> adapters;
  std::string model, train, from, target = "cpu", cpuArch = "x86-64-v3", emit = "package";
  std::string gpuArch = "sm_90", cubins = "auto";
  std::string stopAfter, report, output;
  std::vector<std::string> disabledPasses, mlirFlags;
  bool validatePasses = false;
  std::string memoryBudget;
  bool memoryCurve = false;
  // Parts of the interface that are announced and not there yet.
  std::string mesh, fuseAdapters = "none";
};

Status refuseWhatIsMissing(const Flags &flags) {
  auto refuse = [](const char *flag) {
    return makeError(flag, "is not supported yet; leave it out");
  };
  if (!flags.mesh.empty())
    return refuse("--mesh");
  if (flags.fuseAdapters != "none")
    return makeError("--fuse-adapters=" + flags.fuseAdapters,
                     "is not supported yet; use --fuse-adapters=none");
  if (flags.adapters.size() > 1)
    return makeError("--adapter", "is given " + std::to_string(flags.adapters.size()) +
                                      " times; several adapters in one step are not supported yet");
  return Status::ok();
}

Status compile(const Flags &flags, const std::string &programName) {
  if (Status s = refuseWhatIsMissing(flags); !s)
    return s;
#if FTC_HAS_COMPILER
  CompileOptions options;
  options.model = flags.model;
  options.adapter = flags.adapters.empty() ? "" : flags.adapters.front();
  options.train = flags.train;
  options.from = flags.from;
  options.target = flags.target;
  options.cpuArch = flags.cpuArch;
  options.gpuArch = flags.gpuArch;
  options.memoryCurve = flags.memoryCurve;
  if (!flags.memoryBudget.empty()) {
    Result<ByteSize> budget = parseByteSize(flags.memoryBudget, "--memory-budget");
    if (!budget)
      return budget.takeError();
    options.memoryBudget = static_cast<int64_t>(budget->bytes);
  }
  options.cubins = flags.cubins;
  options.emit = flags.emit;
  options.stopAfter = flags.stopAfter;
  options.report = flags.report;
  options.output = flags.output;
  options.disabledPasses = flags.disabledPasses;
  options.mlirFlags = flags.mlirFlags;
  options.validatePasses = flags.validatePasses;
  return runCompile(options, programName);
#else
  return makeError("",
                   "this ftc was built without the compiler (FTC_BUILD_COMPILER=OFF); compile on "
                   "a machine that has it, the package runs here");
#endif
}

} // namespace

Command compileCommand(const std::string &programName) {
  auto flags = std::make_shared<Flags>();
  Command command("compile", "compile a model and an adapter into a package");
  command.synopsis = "--model M --adapter A [OPTION...] -o OUT";
  command.about =
      "Compiles one training step, forward, backward and optimizer, for a model and an adapter, "
      "and "
      "writes a package with native code and a plan of all memory. Only configs are read, no "
      "weights. The training configuration uses the names of transformers.TrainingArguments; batch "
      "size, length, type and optimizer are compiled in, all else may change when training. MLIR's "
      "flags for looking at passes work: --mlir-print-ir-after=PASS, --mlir-print-ir-after-all, "
      "--mlir-print-ir-tree-dir=DIR, --mlir-timing, --dump-pass-pipeline.";
  command.example = "ftc compile --model llama/ --adapter lora/ --train train.yaml -o lora.ftp";
  command.option("--model", "M", &flags->model,
                 "a Hugging Face model directory, or its config.json");
  command.list(
      "--adapter", "A", &flags->adapters,
      "a PEFT adapter directory or its adapter_config.json, or a template in MLIR text (.mlir); "
      "'none': full fine-tuning");
  command.option("--train", "T.yaml", &flags->train,
                 "training configuration, YAML or JSON (default: transformers' defaults)");
  command.option("-o,--output", "OUT", &flags->output, "where the result goes");
  command.option("--target", "T", &flags->target, "cpu or cuda (default: cpu)").choices = {"cpu",
                                                                                           "cuda"};
  command.option("--cpu-arch", "ARCH", &flags->cpuArch,
                 "the least processor that the code runs on (default: x86-64-v3)");
  command.option("--from", "IR.mlir", &flags->from,
                 "go on from a dump of any level, instead of --model and --adapter");
  command.option("--emit", "KIND", &flags->emit, "package, mlir or cuda (default: package)")
      .choices = {"package", "mlir", "cuda"};
  command.option("--stop-after", "PASS", &flags->stopAfter,
                 "stop after this pass (with --emit=mlir: print what it made)");
  command.list(
      "--disable-pass", "PASS", &flags->disabledPasses,
      "leave optional work out, such as ft-prune-graph; any other word lists what there is");
  command.option("--report", "R.json", &flags->report, "write what each pass did and took, JSON");
  command.option("--gpu-arch", "ARCH", &flags->gpuArch,
                 "for --target=cuda: sm_80, sm_90, ... or several, separated by commas (default: "
                 "sm_90)");
  command
      .option("--cubins", "HOW", &flags->cubins,
              "for --target=cuda: machine code beside the source, auto (where nvcc is found), "
              "none or require (default: auto)")
      .choices = {"auto", "none", "require"};
  command.option("--mesh", "AXES", &flags->mesh, "devices, such as tp=2,dp=2 (not supported yet)");
  command.option("--memory-budget", "SIZE", &flags->memoryBudget,
                 "the most memory of a step, such as 24GiB; recompute what that takes");
  command.flag("--memory-curve", &flags->memoryCurve,
               "print how much memory a step needs against how much it repeats, and write nothing");
  command
      .option("--fuse-adapters", "HOW", &flags->fuseAdapters,
              "none, horizontal or full (default: none; others not supported yet)")
      .choices = {"none", "horizontal", "full"};
  command.flag("--validate-passes", &flags->validatePasses,
               "interpret a small twin before and after each pass, and compare");
  command.passThrough = {"--mlir-", "--dump-pass-pipeline"};
  command.passed = &flags->mlirFlags;
  command.check = [flags]() -> std::optional<std::string> {
    if (flags->from.empty() && flags->model.empty())
      return "--model is missing, or --from";
    if (flags->from.empty() && flags->adapters.empty())
      return "--adapter is missing; '--adapter none' trains the model itself";
    if (!flags->from.empty() && (!flags->model.empty() || !flags->adapters.empty()))
      return "--from goes on from IR and takes no --model or --adapter";
    return std::nullopt;
  };
  command.run = [flags, programName] { return exitStatus(compile(*flags, programName)); };
  return command;
}

} // namespace ftc::cli
