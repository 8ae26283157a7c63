//===- MinCutTest.cpp - cuts against all cuts -----------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/MinCut.h"

#include "gtest/gtest.h"

#include <random>

using ftc::MinCut;

namespace {
struct Edge {
  int from, to, cost;
};

/// The cost of a cut: bit i of `sinkSide` is node i + 2.
int costOf(const std::vector<Edge> &edges, unsigned sinkSide) {
  auto isSink = [&](int node) {
    return node == MinCut::sink || (node > 1 && (sinkSide >> (node - 2)) % 2 == 1);
  };
  int cost = 0;
  for (const Edge &edge : edges)
    if (!isSink(edge.from) && isSink(edge.to))
      cost += edge.cost;
  return cost;
}

TEST(MinCut, IsTheCheapestOfAllCutsWithTheFewestNodes) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    int nodes = 1 + static_cast<int>(random() % 8);
    std::vector<Edge> edges;
    MinCut cut;
    for (int i = 0; i < nodes; ++i)
      cut.addNode();
    for (int i = 0, count = static_cast<int>(random() % 25); i < count; ++i) {
      Edge edge{static_cast<int>(random() % (nodes + 2)), static_cast<int>(random() % (nodes + 2)),
                static_cast<int>(random() % 10)};
      edges.push_back(edge);
      cut.addEdge(edge.from, edge.to, edge.cost);
    }
    int best = costOf(edges, 0);
    for (unsigned side = 0; side < 1u << nodes; ++side)
      best = std::min(best, costOf(edges, side));
    EXPECT_EQ(static_cast<int>(cut.solve()), best) << "round " << round;
    unsigned chosen = 0;
    for (int i = 0; i < nodes; ++i)
      chosen |= static_cast<unsigned>(cut.isOnSinkSide(i + 2)) << i;
    EXPECT_EQ(costOf(edges, chosen), best) << "round " << round;
    for (unsigned side = 0; side < 1u << nodes; ++side)
      if (costOf(edges, side) == best)
        EXPECT_EQ(side & chosen, chosen) << "round " << round << ": a cut without a node of it";
  }
}

TEST(MinCut, TakesPathsOfThousandsOfNodes) {
  MinCut cut;
  int last = MinCut::source;
  for (int i = 0; i < 100000; ++i) {
    int node = cut.addNode();
    cut.addEdge(last, node, i == 70000 ? 3 : 5);
    last = node;
  }
  cut.addEdge(last, MinCut::sink, MinCut::never);
  EXPECT_EQ(static_cast<int>(cut.solve()), 3);
  EXPECT_FALSE(cut.isOnSinkSide(70001));
  EXPECT_TRUE(cut.isOnSinkSide(70002));
}
} // namespace
