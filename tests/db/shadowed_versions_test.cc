#include "db/shadowed_versions.h"

#include <gtest/gtest.h>

#include <string>

namespace varve {
namespace {

// Feeds "k@7" style entries and returns those that stay.
std::string Kept(std::vector<SequenceNumber> snapshots, const std::vector<std::string>& entries) {
  ShadowedVersions shadowed(std::move(snapshots));
  std::string kept;
  for (const std::string& entry : entries) {
    const size_t at = entry.find('@');
    std::string key;
    AppendInternalKey(&key, entry.substr(0, at),
                      PackTrailer(std::stoull(entry.substr(at + 1)), ValueType::kValue));
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

TEST(ShadowedVersions, EmptyKeyIsAKey) { EXPECT_EQ(Kept({}, {"@4", "@3", "a@1"}), "@4 a@1"); }

}  // namespace
}  // namespace varve
