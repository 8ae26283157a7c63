//===- MinCut.h - a cheapest cut of a directed graph ------------*- C++ -*-===//
// Maximum flow by Dinic's algorithm, in integers, so that equal input gives equal cuts everywhere.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef FTC_ANALYSIS_MINCUT_H
#define FTC_ANALYSIS_MINCUT_H

#include <cstdint>
#include <vector>

namespace ftc {

/// Splits the nodes of a graph in two, the source's and the sink's side, so that the edges from the
/// source's side to the sink's cost least together.
class MinCut {
public:
  using Cost = __int128;
  /// For edges that no cut may contain: more than what all others cost together.
  static constexpr Cost never = Cost(1) << 120;

  static constexpr int source = 0, sink = 1;

  /// A new node; the source and the sink are there already.
  int addNode();
  /// An edge that costs `cost` (0 or more) when `from` is on the source's side and `to` is not.
  void addEdge(int from, int to, Cost cost);

  /// Solves, and returns the cost of the cut. Every other node's side is then fixed: of the cuts of
  /// that cost, the one with the fewest nodes on the sink's side.
  Cost solve();
  bool isOnSinkSide(int node) const { return onSinkSide[node]; }

private:
  struct Edge {
    int to;
    Cost left;
  };
  bool findLevels();
  Cost augment();

  std::vector<Edge> edges; ///< each behind an even index, its reverse behind it
  std::vector<std::vector<int>> leaving = std::vector<std::vector<int>>(2);
  std::vector<int> level, next;
  std::vector<bool> onSinkSide;
};

} // namespace ftc

#endif // FTC_ANALYSIS_MINCUT_H
