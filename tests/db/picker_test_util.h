#ifndef VARVE_TESTS_DB_PICKER_TEST_UTIL_H_
#define VARVE_TESTS_DB_PICKER_TEST_UTIL_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/compaction_plan.h"
#include "db/version.h"

// Trees and plans as text, so that a test of a picker shows what it is given and what it wants:
//
//   L0@9: a-f#12(64M) | L0@7: b-k#11* | L1: a-c#3 d-h)#4(900/1000) | L2: a-z#1(rd s5-90)
//
// Each part is a sorted run: level, epoch in level 0, then segments SMALLEST-LARGEST#NUMBER. A `)`
// says that the largest key is exclusive, a `*` that the segment is an input of a running
// compaction. In parentheses, any of: bytes (K, M, G), deletes/entries, `rd` for range tombstones,
// `h` and a number of hidden entries, sN-M for sequences, xN where all entries expire at N,
// xM-N where they do from M to N, eM-N where those do that expire at all.

namespace varve::testing {

inline constexpr uint64_t kDrawnSegmentBytes = 10 << 20;  // where the text says nothing

struct DrawnTree {
  std::shared_ptr<const Version> version;
  BusySegments busy;
};

// Fails the test where the text makes no sense.
DrawnTree ParseTree(const InternalKeyComparator& comparator, const std::string& text);
// "L0@9: a-f#12 | L1: a-c#3 d-h)#4", without sizes.
std::string DrawTree(const Version& version);
// "L0:#12,#11 + L1:#3,#4 -> L1 (level0 runs, score 1.50)"; `=>` where the inputs only move.
std::string DrawPlan(const CompactionPlan& plan);
std::string DrawPlan(const std::optional<CompactionPlan>& plan);  // "none"

// A plan with these segments of the tree as inputs, as though it were running.
CompactionPlan RunningPlan(const Version& version, const std::vector<FileNumber>& numbers,
                           uint32_t output_level);

}  // namespace varve::testing

#endif  // VARVE_TESTS_DB_PICKER_TEST_UTIL_H_
