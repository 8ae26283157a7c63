//===- MinCut.cpp - a cheapest cut of a directed graph --------------------===//
// Dinic's algorithm (1970): shortest augmenting paths, all of one length at a time.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#include "ftc/Analysis/MinCut.h"

#include <algorithm>

using namespace ftc;

int MinCut::addNode() {
  leaving.emplace_back();
  return static_cast<int>(leaving.size()) - 1;
}

void MinCut::addEdge(int from, int to, Cost cost) {
  leaving[from].push_back(static_cast<int>(edges.size()));
  edges.push_back({to, cost});
  leaving[to].push_back(static_cast<int>(edges.size()));
  edges.push_back({from, 0});
}

bool MinCut::findLevels() {
  level.assign(leaving.size(), -1);
  level[source] = 0;
  std::vector<int> queue = {source};
  for (size_t i = 0; i < queue.size(); ++i)
    for (int index : leaving[queue[i]]) {
      const Edge &edge = edges[index];
      if (edge.left == 0 || level[edge.to] >= 0)
        continue;
      level[edge.to] = level[queue[i]] + 1;
      queue.push_back(edge.to);
    }
  return level[sink] >= 0;
}

/// Sends as much as one path of the level graph takes; 0 where there is none left. Without
/// recursion: a chain of layers is a path of thousands of nodes.
MinCut::Cost MinCut::augment() {
  std::vector<int> path; // edges
  int node = source;
  while (node != sink) {
    int chosen = -1;
    for (int &i = next[node]; i < static_cast<int>(leaving[node].size()); ++i) {
      const Edge &edge = edges[leaving[node][i]];
      if (edge.left > 0 && level[edge.to] == level[node] + 1) {
        chosen = leaving[node][i];
        break;
      }
    }
    if (chosen >= 0) {
      path.push_back(chosen);
      node = edges[chosen].to;
      continue;
    }
    if (path.empty())
      return 0;
    // A dead end: back, past the edge that led here.
    node = edges[path.back() ^ 1].to;
    path.pop_back();
    ++next[node];
  }
  Cost most = edges[path.front()].left;
  for (int index : path)
    most = std::min(most, edges[index].left);
  for (int index : path) {
    edges[index].left -= most;
    edges[index ^ 1].left += most;
  }
  return most;
}

MinCut::Cost MinCut::solve() {
  Cost total = 0;
  while (findLevels()) {
    next.assign(leaving.size(), 0);
    while (Cost sent = augment())
      total += sent;
  }
  // What still reaches the sink is on its side; everything else can be on the source's.
  onSinkSide.assign(leaving.size(), false);
  onSinkSide[sink] = true;
  std::vector<int> queue = {sink};
  for (size_t i = 0; i < queue.size(); ++i)
    for (int index : leaving[queue[i]]) {
      const Edge &back = edges[index ^ 1]; // of the edge that enters
      if (back.left == 0 || onSinkSide[edges[index].to])
        continue;
      onSinkSide[edges[index].to] = true;
      queue.push_back(edges[index].to);
    }
  return total;
}
