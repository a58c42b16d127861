#include "db/shadowed_versions.h"

#include <gtest/gtest.h>

#include <string>

namespace varve {
namespace {

// Feeds "k@7" style entries and returns those that stay; "k@7+" is a merge operand.
std::string Kept(std::vector<SequenceNumber> snapshots, const std::vector<std::string>& entries,
                 SequenceNumber history_from = 9) {
  ShadowedVersions shadowed(ReadSequences(std::move(snapshots), history_from));
  std::string kept;
  for (const std::string& entry : entries) {
    const size_t at = entry.find('@');
    std::string key;
    AppendInternalKey(&key, entry.substr(0, at),
                      PackTrailer(std::stoull(entry.substr(at + 1)),
                                  entry.back() == '+' ? ValueType::kMerge : ValueType::kValue));
    if (!shadowed.Hides(key)) kept += (kept.empty() ? "" : " ") + entry;
  }
  return kept;
}

TEST(ShadowedVersions, KeepsTheNewestOfEachKey) {
  EXPECT_EQ(Kept({}, {"a@9", "a@5", "a@1", "b@3", "b@2"}), "a@9 b@3");
}

TEST(ShadowedVersions, KeepsWhatASnapshotSees) {
  EXPECT_EQ(Kept({5}, {"a@9", "a@5", "a@1"}), "a@9 a@5");
  EXPECT_EQ(Kept({6}, {"a@9", "a@5", "a@1"}), "a@9 a@5");
  EXPECT_EQ(Kept({8}, {"a@9", "a@5", "a@1"}), "a@9 a@5");
  EXPECT_EQ(Kept({9}, {"a@9", "a@5", "a@1"}), "a@9");
  EXPECT_EQ(Kept({4}, {"a@9", "a@5", "a@1"}), "a@9 a@1");
  EXPECT_EQ(Kept({1, 5}, {"a@9", "a@5", "a@1"}), "a@9 a@5 a@1");
  EXPECT_EQ(Kept({0}, {"a@9", "a@5", "a@1"}), "a@9");
}

// A snapshot between the kept version and one further down counts for the version next above it,
// not for the newest.
TEST(ShadowedVersions, LooksAtTheNextNewerVersionNotTheNewest) {
  EXPECT_EQ(Kept({7}, {"a@9", "a@6", "a@5"}), "a@9 a@6");
}

TEST(ShadowedVersions, KeepsWhatHistoryMayAskFor) {
  EXPECT_EQ(Kept({}, {"a@9", "a@5", "a@3", "a@1"}, 4), "a@9 a@5 a@3");
  EXPECT_EQ(Kept({}, {"a@9", "a@5", "a@3", "a@1"}, 5), "a@9 a@5");
  EXPECT_EQ(Kept({2}, {"a@9", "a@5", "a@3", "a@1"}, 5), "a@9 a@5 a@1");
  EXPECT_EQ(Kept({}, {"a@9", "a@5", "a@3", "a@1"}, 0), "a@9 a@5 a@3 a@1");
}

// Checklist C5: what an operand is applied to stays.
TEST(ShadowedVersions, OperandsHideNothing) {
  EXPECT_EQ(Kept({}, {"a@9+", "a@5+", "a@3", "a@1"}), "a@9+ a@5+ a@3");
  EXPECT_EQ(Kept({}, {"a@9", "a@5+", "a@3"}), "a@9");
  EXPECT_EQ(Kept({5}, {"a@9", "a@5+", "a@3+", "a@2", "a@1"}), "a@9 a@5+ a@3+ a@2");
  EXPECT_EQ(Kept({4}, {"a@9", "a@5+", "a@3"}), "a@9 a@3");
  EXPECT_EQ(Kept({}, {"a@9+", "b@5+", "b@1"}), "a@9+ b@5+ b@1");
}

TEST(ReadSequences, TellsTheFirstThatSeesAnEntry) {
  const ReadSequences readers({3, 7}, 10);
  EXPECT_EQ(readers.FirstToSee(0), 3u);
  EXPECT_EQ(readers.FirstToSee(3), 3u);
  EXPECT_EQ(readers.FirstToSee(4), 7u);
  EXPECT_EQ(readers.FirstToSee(8), 10u);
  EXPECT_EQ(readers.FirstToSee(11), 11u);
  EXPECT_EQ(ReadSequences({3, 7}, 5).FirstToSee(4), 5u);
  EXPECT_EQ(ReadSequences({3, 7}, 1).lowest(), 1u);
  EXPECT_TRUE(readers.SnapshotSees(7));
  EXPECT_FALSE(readers.SnapshotSees(8));
}

TEST(ShadowedVersions, EmptyKeyIsAKey) { EXPECT_EQ(Kept({}, {"@4", "@3", "a@1"}), "@4 a@1"); }

}  // namespace
}  // namespace varve
