// Offsets by lifetime: what lives at the same time lies apart, what does not may share. Sizes are
// rounded up to 64 bytes.
// RUN: ft-opt %s --launch-plan-arena | FileCheck %s
// RUN: ft-opt %s --launch-plan-arena | FileCheck %s --check-prefix=ORDERS
// A plan reads back, and planning again gives the same.
// RUN: ft-opt %s --launch-plan-arena | ft-opt | FileCheck %s
// RUN: ft-opt %s --launch-plan-arena --launch-plan-arena | FileCheck %s

// The module needs the largest arena of its entry points.
// CHECK: module attributes {
// CHECK-SAME: {candidates = {{\[}}["largest first", true, "reaches the lower bound", {{\[}}["arena bytes", 512]]]], count = 1 : i64, question = "in which order are buffers placed", site = "chain"}
// CHECK-SAME: pass = "launch-plan-arena", remarks = ["chain: 512 B in the arena, 4 buffers, 1.000 of the lower bound",
// CHECK-SAME: ["chain.arena_bytes", 512], ["chain.lower_bound_bytes", 512], ["chain.buffers", 4],
// CHECK-SAME: launch.arena_bytes = 2048 : i64

launch.kernel @fill map [#launch.arg<write element memref<?xf32>>] {
  %c = arith.constant 0.0 : f32
  launch.yield %c : f32
}
launch.kernel @copy map [#launch.arg<read element memref<?xf32>>, #launch.arg<write element memref<?xf32>>] {
^bb0(%a: f32):
  launch.yield %a : f32
}

// DOC: launch-plan-arena
// A chain of buffers of 256 bytes, each live for two launches: two places are enough.
// CHECK-LABEL: launch.entry @chain arena(512) live(512) {
// CHECK-NEXT: launch.alloc "a" at(0) : memref<64xf32>
// CHECK-NEXT: launch.alloc "b" at(256) : memref<64xf32>
// CHECK-NEXT: launch.alloc "c" at(0) : memref<64xf32>
// CHECK-NEXT: launch.alloc "d" at(256) : memref<64xf32>
launch.entry @chain {
  %a = launch.alloc "a" : memref<64xf32>
  %b = launch.alloc "b" : memref<64xf32>
  %c = launch.alloc "c" : memref<64xf32>
  %d = launch.alloc "d" : memref<64xf32>
  launch.launch @fill site("0") grid(64) cost(0, 256) (%a) : memref<64xf32>
  launch.launch @copy site("1") grid(64) cost(0, 512) (%a, %b) : memref<64xf32>, memref<64xf32>
  launch.launch @copy site("2") grid(64) cost(0, 512) (%b, %c) : memref<64xf32>, memref<64xf32>
  launch.launch @copy site("3") grid(64) cost(0, 512) (%c, %d) : memref<64xf32>, memref<64xf32>
}

// DOC-END
// An input is filled before the first launch: it is live from the start, though read late. Behind its
// last reader its place is free.
// CHECK-LABEL: launch.entry @inputs arena(1024) live(1024) {
// CHECK-NEXT: launch.input "run" at(512) : memref<128xf32>
// CHECK-NEXT: launch.alloc "a" at(0) : memref<128xf32>
// CHECK-NEXT: launch.alloc "b" at(512) : memref<128xf32>
launch.entry @inputs {
  %run = launch.input "run" : memref<128xf32>
  %a = launch.alloc "a" : memref<128xf32>
  %b = launch.alloc "b" : memref<128xf32>
  launch.launch @fill site("0") grid(128) cost(0, 512) (%a) : memref<128xf32>
  launch.launch @copy site("1") grid(128) cost(0, 1024) (%run, %a) : memref<128xf32>, memref<128xf32>
  launch.launch @copy site("2") grid(128) cost(0, 1024) (%a, %b) : memref<128xf32>, memref<128xf32>
}

// A returned buffer lives to the end; a scalar takes 64 bytes; what no launch touches takes no room.
// CHECK-LABEL: launch.entry @outputs arena(128) live(128) {
// CHECK-NEXT: launch.alloc "loss" at(0) : memref<f32>
// CHECK-NEXT: launch.alloc "later" at(64) : memref<1xf32>
// CHECK-NEXT: launch.alloc "unused" at(0) : memref<4096xf32>
launch.entry @outputs {
  %loss = launch.alloc "loss" : memref<f32>
  %later = launch.alloc "later" : memref<1xf32>
  %unused = launch.alloc "unused" : memref<4096xf32>
  %view = launch.view %loss[0] : memref<f32> -> memref<1xf32>
  launch.launch @fill site("0") grid(1) cost(0, 4) (%view) : memref<1xf32>
  launch.launch @fill site("1") grid(1) cost(0, 4) (%later) : memref<1xf32>
  launch.output "loss", %loss : memref<f32>
}

// A view keeps its buffer: %a is read through one in the last launch.
// CHECK-LABEL: launch.entry @views arena(512) live(512) {
// CHECK-NEXT: launch.alloc "a" at(0)
// CHECK-NEXT: launch.alloc "b" at(256)
launch.entry @views {
  %a = launch.alloc "a" : memref<64xf32>
  %b = launch.alloc "b" : memref<64xf32>
  launch.launch @fill site("0") grid(64) cost(0, 256) (%a) : memref<64xf32>
  launch.launch @fill site("1") grid(64) cost(0, 256) (%b) : memref<64xf32>
  %part = launch.view %a[32] : memref<64xf32> -> memref<32xf32>
  launch.launch @fill site("2") grid(32) cost(0, 128) (%part) : memref<32xf32>
}

// The largest first. When %w begins, %q's place (448 bytes) and %u's (320) are free: it goes into the
// smaller, though that lies higher.
// CHECK-LABEL: launch.entry @gaps arena(1920) live(1920) {
// CHECK-NEXT: launch.alloc "w" at(1344) : memref<48xf32>
// CHECK-NEXT: launch.alloc "v" at(1664) : memref<64xf32>
// CHECK-NEXT: launch.alloc "u" at(1344) : memref<80xf32>
// CHECK-NEXT: launch.alloc "r" at(960) : memref<96xf32>
// CHECK-NEXT: launch.alloc "q" at(512) : memref<112xf32>
// CHECK-NEXT: launch.alloc "p" at(0) : memref<128xf32>
launch.entry @gaps {
  %w = launch.alloc "w" : memref<48xf32>
  %v = launch.alloc "v" : memref<64xf32>
  %u = launch.alloc "u" : memref<80xf32>
  %r = launch.alloc "r" : memref<96xf32>
  %q = launch.alloc "q" : memref<112xf32>
  %p = launch.alloc "p" : memref<128xf32>
  launch.launch @fill site("p") grid(128) cost(0, 0) (%p) : memref<128xf32>
  launch.launch @fill site("q") grid(112) cost(0, 0) (%q) : memref<112xf32>
  launch.launch @fill site("r") grid(96) cost(0, 0) (%r) : memref<96xf32>
  launch.launch @fill site("u") grid(80) cost(0, 0) (%u) : memref<80xf32>
  launch.launch @fill site("v") grid(64) cost(0, 0) (%v) : memref<64xf32>
  launch.launch @fill site("q") grid(112) cost(0, 0) (%q) : memref<112xf32>
  launch.launch @fill site("u") grid(80) cost(0, 0) (%u) : memref<80xf32>
  launch.launch @fill site("w") grid(48) cost(0, 0) (%w) : memref<48xf32>
  launch.launch @fill site("p") grid(128) cost(0, 0) (%p) : memref<128xf32>
  launch.launch @fill site("r") grid(96) cost(0, 0) (%r) : memref<96xf32>
  launch.launch @fill site("v") grid(64) cost(0, 0) (%v) : memref<64xf32>
  launch.launch @fill site("w") grid(48) cost(0, 0) (%w) : memref<48xf32>
}

// Nothing to place.
// CHECK-LABEL: launch.entry @empty arena(0) live(0) {
launch.entry @empty {
}

// Where the largest first misses the lower bound, other orders are tried: %p, which is live throughout,
// goes first here, and not behind %q.
// ORDERS: {candidates = {{\[}}["largest first", false, "larger", {{\[}}["arena bytes", 2304]]], ["live at the peak first", true, "reaches the lower bound", {{\[}}["arena bytes", 2048]]]], count = 1 : i64, question = "in which order are buffers placed", site = "orders"}
// CHECK-LABEL: launch.entry @orders arena(2048) live(2048) {
// CHECK-NEXT: launch.alloc "p" at(0) : memref<192xf32>
// CHECK-NEXT: launch.alloc "q" at(768) : memref<256xf32>
// CHECK-NEXT: launch.alloc "r" at(768) : memref<192xf32>
// CHECK-NEXT: launch.alloc "s" at(1536) : memref<128xf32>
launch.entry @orders {
  %p = launch.alloc "p" : memref<192xf32>
  %q = launch.alloc "q" : memref<256xf32>
  %r = launch.alloc "r" : memref<192xf32>
  %s = launch.alloc "s" : memref<128xf32>
  launch.launch @fill site("p") grid(192) cost(0, 0) (%p) : memref<192xf32>
  launch.launch @fill site("q") grid(256) cost(0, 0) (%q) : memref<256xf32>
  launch.launch @fill site("q") grid(256) cost(0, 0) (%q) : memref<256xf32>
  launch.launch @fill site("r") grid(192) cost(0, 0) (%r) : memref<192xf32>
  launch.launch @fill site("s") grid(128) cost(0, 0) (%s) : memref<128xf32>
  launch.launch @fill site("r") grid(192) cost(0, 0) (%r) : memref<192xf32>
  launch.launch @fill site("p") grid(192) cost(0, 0) (%p) : memref<192xf32>
}

// Here bytes x launches reach the bound, where size alone and what is live at the peak do not.
// ORDERS: {candidates = {{\[}}["largest first", false, "larger", {{\[}}["arena bytes", 2560]]], ["live at the peak first", false, "larger", {{\[}}["arena bytes", 2560]]], ["largest bytes x launches first", true, "reaches the lower bound", {{\[}}["arena bytes", 2048]]]], count = 1 : i64, question = "in which order are buffers placed", site = "work"}
// CHECK-LABEL: launch.entry @work arena(2048) live(2048) {
// CHECK-NEXT: launch.alloc "a" at(0) : memref<256xf32>
// CHECK-NEXT: launch.alloc "b" at(1024) : memref<256xf32>
// CHECK-NEXT: launch.alloc "c" at(0) : memref<128xf32>
// CHECK-NEXT: launch.alloc "d" at(512) : memref<256xf32>
launch.entry @work {
  %a = launch.alloc "a" : memref<256xf32>
  %b = launch.alloc "b" : memref<256xf32>
  %c = launch.alloc "c" : memref<128xf32>
  %d = launch.alloc "d" : memref<256xf32>
  launch.launch @fill site("a") grid(256) cost(0, 0) (%a) : memref<256xf32>
  launch.launch @fill site("a") grid(256) cost(0, 0) (%a) : memref<256xf32>
  launch.launch @fill site("b") grid(256) cost(0, 0) (%b) : memref<256xf32>
  launch.launch @fill site("a") grid(256) cost(0, 0) (%a) : memref<256xf32>
  launch.launch @fill site("c") grid(128) cost(0, 0) (%c) : memref<128xf32>
  launch.launch @fill site("b") grid(256) cost(0, 0) (%b) : memref<256xf32>
  launch.launch @fill site("d") grid(256) cost(0, 0) (%d) : memref<256xf32>
  launch.launch @fill site("c") grid(128) cost(0, 0) (%c) : memref<128xf32>
}

// And here only the longest-lived first does.
// ORDERS: {candidates = {{\[}}["largest first", false, "larger", {{\[}}["arena bytes", 2048]]], ["live at the peak first", false, "larger", {{\[}}["arena bytes", 2048]]], ["largest bytes x launches first", false, "larger", {{\[}}["arena bytes", 2048]]], ["longest-lived first", true, "reaches the lower bound", {{\[}}["arena bytes", 1792]]]], count = 1 : i64, question = "in which order are buffers placed", site = "lives"}
// CHECK-LABEL: launch.entry @lives arena(1792) live(1792) {
// CHECK-NEXT: launch.alloc "a" at(0) : memref<64xf32>
// CHECK-NEXT: launch.alloc "b" at(256) : memref<256xf32>
// CHECK-NEXT: launch.alloc "c" at(1024) : memref<192xf32>
// CHECK-NEXT: launch.alloc "d" at(0) : memref<256xf32>
launch.entry @lives {
  %a = launch.alloc "a" : memref<64xf32>
  %b = launch.alloc "b" : memref<256xf32>
  %c = launch.alloc "c" : memref<192xf32>
  %d = launch.alloc "d" : memref<256xf32>
  launch.launch @fill site("a") grid(64) cost(0, 0) (%a) : memref<64xf32>
  launch.launch @fill site("b") grid(256) cost(0, 0) (%b) : memref<256xf32>
  launch.launch @fill site("c") grid(192) cost(0, 0) (%c) : memref<192xf32>
  launch.launch @fill site("a") grid(64) cost(0, 0) (%a) : memref<64xf32>
  launch.launch @fill site("d") grid(256) cost(0, 0) (%d) : memref<256xf32>
  launch.launch @fill site("c") grid(192) cost(0, 0) (%c) : memref<192xf32>
  launch.launch @fill site("d") grid(256) cost(0, 0) (%d) : memref<256xf32>
  launch.launch @fill site("d") grid(256) cost(0, 0) (%d) : memref<256xf32>
}
