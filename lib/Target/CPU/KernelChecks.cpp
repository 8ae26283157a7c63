//===- KernelChecks.cpp - checks and cost of a kernel's parts -------------===//
// What scalar regions may hold, and the estimate behind cpu.grain.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ftc;
using namespace ftc::cpu;
using launch::KernelOp;

LogicalResult cpu::checkScalarRegions(KernelOp kernel) {
  for (Region &region : kernel.getBodies()) {
    for (Operation &op : region.front().without_terminator()) {
      bool fits = isa<arith::ConstantOp>(op)
                      ? op.getResult(0).getType().isIntOrFloat()
                      : OpTrait::hasElementwiseMappableTraits(&op) && op.getNumRegions() == 0 &&
                            isa<arith::ArithDialect, math::MathDialect>(op.getDialect());
      // x86 has no instruction for the remainder of floats.
      if (!fits || isa<arith::RemFOp>(op))
        return op.emitError("operation ")
               << op.getName() << " in a scalar region of kernel " << kernel.getSymNameAttr()
               << "; expected elementwise operations of arith and math";
    }
  }
  return success();
}

double cpu::estimateRegion(Region &region) {
  double nanoseconds = 0;
  for (Operation &op : region.front().without_terminator())
    nanoseconds +=
        llvm::TypeSwitch<Operation *, double>(&op)
            .Case<arith::ConstantOp>([](auto) { return 0.0; })
            .Case<arith::DivFOp, math::SqrtOp>([](auto) { return 0.15; })
            .Case<math::AbsFOp, math::CopySignOp, math::FmaOp, math::FloorOp, math::CeilOp,
                  math::RoundEvenOp, math::TruncOp>([](auto) { return 0.012; })
            .Default([](Operation *op) {
              return isa<math::MathDialect>(op->getDialect()) ? 0.2 : 0.012;
            });
  return nanoseconds;
}

double cpu::estimateTraffic(KernelOp kernel, launch::Indexing indexing) {
  constexpr double nanosecondsPerByte = 0.01;
  double bytes = 0;
  for (unsigned i = 0; i < kernel.getNumArgs(); ++i) {
    launch::ArgAttr arg = kernel.getArg(i);
    if (arg.getIndexing() == indexing)
      bytes += arg.getType().getElementTypeBitWidth() / 8.0 *
               (arg.getAccess() == launch::Access::readwrite ? 2 : 1);
  }
  return bytes * nanosecondsPerByte;
}
