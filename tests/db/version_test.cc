// Versions as sorted runs: which segments make a run, in which order runs are asked, and which
// segment of a run may hold a key.

#include "db/version.h"

#include <gtest/gtest.h>

#include <string>

#include "db/ghost.h"
#include "tests/support/comparators.h"
#include "util/hash.h"

namespace varve {
namespace {

constexpr uint64_t kTrailer = 5 << 8 | 1;

SegmentEntry Entry(FileNumber number, uint32_t level, uint64_t epoch, Slice smallest, Slice largest,
                   bool exclusive = false) {
  SegmentEntry entry;
  entry.number = number;
  entry.level = level;
  entry.epoch = epoch;
  entry.file_bytes = 100;
  entry.entries = 2;
  AppendInternalKey(&entry.smallest, smallest, kTrailer);
  AppendInternalKey(&entry.largest, largest, exclusive ? SegmentFile::kExclusiveTrailer : kTrailer);
  return entry;
}

class VersionTest : public ::testing::Test {
 protected:
  std::shared_ptr<const Version> Build(std::vector<SegmentEntry> entries) {
    std::shared_ptr<const Version> version;
    const Status status = Version::Build(comparator_, std::move(entries), 0, &version);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return version;
  }
  // "L0@9: 3 | L0@7: 1 2 | L2: 5"
  static std::string Draw(const Version& version) {
    std::string text;
    for (const auto& run : version.runs()) {
      if (!text.empty()) text += " | ";
      text += "L" + std::to_string(run->level());
      if (run->level() == 0) text += "@" + std::to_string(run->epoch());
      text += ":";
      for (const auto& segment : run->segments()) text += " " + std::to_string(segment->number());
    }
    return text;
  }
  // The number of the segment of the run that may hold the key, or 0.
  static FileNumber Find(const SortedRun& run, Slice key) {
    const auto* const found = run.Find(key, KeyPrefix(key));
    return found == nullptr ? 0 : (*found)->number();
  }

  const InternalKeyComparator comparator_{BytewiseComparator()};
};

TEST_F(VersionTest, RunsAreListedNewestFirst) {
  const auto version =
      Build({Entry(5, 2, 1, "a", "z"), Entry(1, 0, 7, "a", "c"), Entry(4, 1, 6, "m", "p"),
             Entry(3, 0, 9, "b", "y"), Entry(2, 0, 7, "d", "f"), Entry(6, 1, 2, "a", "k")});
  EXPECT_EQ(Draw(*version), "L0@9: 3 | L0@7: 1 2 | L1: 6 4 | L2: 5");
  EXPECT_EQ(version->level0_runs(), 2u);
  EXPECT_EQ(version->deepest_level(), 2u);
  EXPECT_EQ(version->segments(), 6u);
  EXPECT_EQ(version->entries(), 12u);
  EXPECT_EQ(version->level_bytes(0), 300u);
  EXPECT_EQ(version->level_bytes(1), 200u);
  EXPECT_EQ(version->level_bytes(7), 0u);
  EXPECT_EQ(version->level(1)->segments().size(), 2u);
  EXPECT_EQ(version->level(3), nullptr);
}

TEST_F(VersionTest, OverlappingSegmentsOfOneEpochAreSeveralRuns) {
  const auto version = Build({Entry(1, 0, 7, "a", "m"), Entry(2, 0, 7, "c", "z"),
                              Entry(3, 0, 7, "n", "q"), Entry(4, 0, 7, "m", "m")});
  EXPECT_EQ(Draw(*version), "L0@7: 1 3 | L0@7: 2 | L0@7: 4");
  EXPECT_EQ(version->level0_runs(), 3u);
  EXPECT_EQ(version->sources(), 1u);
  EXPECT_TRUE(version->runs()[0]->IsOneSourceWith(*version->runs()[2]));
}

TEST_F(VersionTest, SourcesArePlacesInTheOrderOfAge) {
  EXPECT_EQ(Version().sources(), 0u);
  const auto version =
      Build({Entry(1, 0, 7, "a", "m"), Entry(2, 0, 7, "c", "z"), Entry(3, 0, 8, "a", "b"),
             Entry(4, 1, 8, "a", "b"), Entry(5, 1, 8, "c", "d"), Entry(6, 2, 8, "a", "b")});
  EXPECT_EQ(version->runs().size(), 5u);
  EXPECT_EQ(version->sources(), 4u);
}

TEST_F(VersionTest, GhostsStandBesideRunsNewestFirst) {
  const auto ghost = [](FileNumber number, uint64_t epoch, uint64_t evicted) {
    SegmentEntry entry = Entry(number, 0, epoch, "b", "d");
    entry.flags = kSegmentGhost;
    entry.evicted = evicted;
    entry.file_bytes = 10;
    return entry;
  };
  SegmentEntry applied = Entry(1, 0, 7, "a", "c");
  applied.applied_to = 4;
  auto version = Build({ghost(5, 3, 1), applied, ghost(6, 8, 3), ghost(7, 5, 2)});
  const auto draw = [&] {
    std::string text;
    for (const auto& g : version->ghosts()) text += " " + std::to_string(g->number());
    return text;
  };
  EXPECT_EQ(Draw(*version), "L0@7: 1");
  EXPECT_EQ(version->segments(), 1u);
  EXPECT_EQ(version->entries(), 2u);
  EXPECT_EQ(draw(), " 6 7 5");
  EXPECT_EQ(version->ghost_file_bytes(), 30u);
  EXPECT_EQ(version->ghost_false_positive_rate(), 3);
  EXPECT_EQ(version->last_eviction(), 4u);
  // Without a file it accepts all within the bounds.
  const Ghost& wide = *version->ghosts().front();
  for (const Slice key : {Slice("b"), Slice("bz"), Slice("d")}) {
    EXPECT_TRUE(wide.Accepts(comparator_, key, KeyPrefix(key), Hash64(key))) << key;
  }
  for (const Slice key : {Slice("a"), Slice("d0"), Slice("")}) {
    EXPECT_FALSE(wide.Accepts(comparator_, key, KeyPrefix(key), Hash64(key))) << key;
  }
  // What is evicted takes the place of the segment; what retires goes.
  const auto made =
      std::make_shared<Ghost>(std::make_shared<SegmentFile>(ghost(1, 7, 9), comparator_), nullptr);
  version = version->With(comparator_, std::vector<FileNumber>{1, 7}, {}, 0, {made});
  EXPECT_EQ(Draw(*version), "");
  EXPECT_EQ(draw(), " 6 1 5");
  EXPECT_EQ(version->last_eviction(), 9u);
}

TEST_F(VersionTest, DamagedManifestsAreToldFromGoodOnes) {
  std::shared_ptr<const Version> version;
  Status status = Version::Build(comparator_, {Entry(1, 1, 1, "a", "m"), Entry(2, 1, 2, "m", "z")},
                                 0, &version);
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_NE(status.ToString().find("level 1 overlap"), std::string::npos) << status.ToString();
  SegmentEntry entry = Entry(17, 0, 1, "a", "m");
  entry.largest = "m";
  status = Version::Build(comparator_, {entry}, 0, &version);
  EXPECT_TRUE(status.IsCorruption());
  EXPECT_NE(status.ToString().find("17"), std::string::npos) << status.ToString();
}

TEST_F(VersionTest, WithReplacesRemovesAndShares) {
  const auto before = Build({Entry(1, 0, 7, "a", "c"), Entry(2, 0, 8, "b", "d"),
                             Entry(3, 1, 6, "a", "k"), Entry(4, 2, 1, "a", "z")});
  const auto make = [this](SegmentEntry entry) {
    return std::make_shared<SegmentFile>(std::move(entry), comparator_);
  };
  const FileNumber removed[] = {1, 3};
  const auto after =
      before->With(comparator_, removed,
                   {make(Entry(3, 2, 6, "zz", "zzz")), make(Entry(5, 1, 7, "c", "d"))}, 11);
  EXPECT_EQ(Draw(*after), "L0@8: 2 | L1: 5 | L2: 4 3");
  EXPECT_EQ(after->retained_sequence(), 11u);
  EXPECT_EQ(after->runs()[0], before->runs()[0]);  // what did not change is the same object
  EXPECT_EQ(Draw(*before), "L0@8: 2 | L0@7: 1 | L1: 3 | L2: 4");
  const FileNumber all[] = {2, 3, 4, 5};
  const auto none = after->With(comparator_, all, {}, 3);
  EXPECT_EQ(Draw(*none), "");
  EXPECT_EQ(none->retained_sequence(), 11u);  // never falls
  EXPECT_EQ(none->file_bytes(), 0u);
}

TEST_F(VersionTest, FindsTheOneSegmentOfARun) {
  // Keys of more than eight bytes, whose prefixes are equal, too.
  const auto version = Build({Entry(1, 1, 1, "b", "d"), Entry(2, 1, 1, "prefix-0-a", "prefix-0-k"),
                              Entry(3, 1, 1, "prefix-0-m", "prefix-0-p"),
                              Entry(4, 1, 1, "q", "t", true), Entry(5, 1, 1, "t", "v")});
  const SortedRun& run = *version->runs()[0];
  EXPECT_EQ(Draw(*version), "L1: 1 2 3 4 5");
  EXPECT_EQ(Find(run, "a"), 0u);
  EXPECT_EQ(Find(run, "b"), 1u);
  EXPECT_EQ(Find(run, "d"), 1u);
  EXPECT_EQ(Find(run, "d0"), 0u);
  EXPECT_EQ(Find(run, "prefix-0-b"), 2u);
  EXPECT_EQ(Find(run, "prefix-0-l"), 0u);
  EXPECT_EQ(Find(run, "prefix-0-m"), 3u);
  EXPECT_EQ(Find(run, "prefix-0-z"), 0u);
  EXPECT_EQ(Find(run, "s"), 4u);
  EXPECT_EQ(Find(run, "t"), 5u);  // the end of a tombstone is not in its segment
  EXPECT_EQ(Find(run, "w"), 0u);
  EXPECT_EQ(run.LowerBound("w"), 5u);
  EXPECT_EQ(run.Overlapping("c", "prefix-0-a").size(), 2u);
  EXPECT_EQ(run.Overlapping("e", "f").size(), 0u);
  EXPECT_EQ(run.Overlapping("", "zzz").size(), 5u);
}

TEST_F(VersionTest, FindsUnderAnotherOrder) {
  const InternalKeyComparator comparator(ReverseComparator());
  std::shared_ptr<const Version> version;
  ASSERT_TRUE(
      Version::Build(comparator, {Entry(1, 1, 1, "z", "p"), Entry(2, 1, 1, "m", "c")}, 0, &version)
          .ok());
  const SortedRun& run = *version->runs()[0];
  EXPECT_EQ(Draw(*version), "L1: 1 2");
  EXPECT_EQ(Find(run, "q"), 1u);
  EXPECT_EQ(Find(run, "n"), 0u);
  EXPECT_EQ(Find(run, "c"), 2u);
  EXPECT_EQ(Find(run, "b"), 0u);
}

}  // namespace
}  // namespace varve
