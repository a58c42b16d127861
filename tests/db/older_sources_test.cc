// What lies beneath the inputs of a compaction: each test draws a tree and names the inputs.

#include "db/older_sources.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/db/picker_test_util.h"

namespace varve {
namespace {

// Which of the keys "a" to "z" anything older may hold.
std::string Held(const std::string& tree, const std::vector<FileNumber>& inputs,
                 uint32_t output_level) {
  const InternalKeyComparator comparator(BytewiseComparator());
  const testing::DrawnTree drawn = testing::ParseTree(comparator, tree);
  const OlderSources older(comparator, drawn.version,
                           testing::RunningPlan(*drawn.version, inputs, output_level));
  std::string held;
  for (char c = 'a'; c <= 'z'; ++c) {
    const std::string key(1, c);
    const bool may_hold = older.MayHold(key);
    EXPECT_EQ(older.MayOverlap(key, key + '\x01'), may_hold) << key;
    if (may_hold) held += key;
  }
  return held;
}

// Checklist C5
TEST(OlderSources, WhatIsOlderThanEveryInput) {
  const std::string tree = "L0@9: a-z#9 | L0@8: b-d#8 | L0@7: c-e#7 | L6: x-y#6";
  EXPECT_EQ(Held(tree, {9}, 0), "bcdexy");
  EXPECT_EQ(Held(tree, {9, 8}, 0), "cdexy");
  EXPECT_EQ(Held(tree, {8, 7}, 0), "xy");
  EXPECT_EQ(Held(tree, {9, 8, 7, 6}, 6), "");
}

TEST(OlderSources, WhatStaysOfTheOldestInputsPlaceMayHoldKeysOfNewerInputs) {
  EXPECT_EQ(Held("L0@9: a-z#9 | L0@8: a-c#8 f-g#7", {9, 8}, 0), "fg");
  EXPECT_EQ(Held("L4: a-z#9 | L5: a-c#8 f-g#7 k-m#6", {9, 7}, 5), "abcklm");
  EXPECT_EQ(Held("L0@9: b-f#9 | L0@8: a-c#8 | L0@8: b-d#7", {9, 8}, 0), "bcd");
  EXPECT_EQ(Held("L0@9: b-f#9 | L0@8: a-c#8 | L0@8: b-d#7", {9, 7}, 0), "abc");
}

// RULES R1.3: no key is in two siblings, so they keep no tombstones of each other, in whatever
// order they are listed.
TEST(OlderSources, SiblingsAreNotOlder) {
  const std::string tree = "L0@9: a-f#9 | L0@9: c-h#8 | L0@9: d-e#7 | L6: x-y#6";
  for (const FileNumber number : {9, 8, 7}) EXPECT_EQ(Held(tree, {number}, 0), "xy") << number;
  EXPECT_EQ(Held(tree, {9, 7}, 0), "xy");
}

}  // namespace
}  // namespace varve
