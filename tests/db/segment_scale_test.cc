// Very many segments: they open when they are read, within bounds of number and of memory. What
// opening 10,000 costs is measured by segment_scale_bench.

#include <gtest/gtest.h>

#include <string>

#include "tests/db/many_segments.h"
#include "tests/support/temp_dir.h"
#include "varve/db.h"

namespace varve {
namespace {

uint64_t Property(DB* db, const std::string& name) {
  uint64_t value = 0;
  EXPECT_TRUE(db->GetIntProperty("varve." + name, &value)) << name;
  return value;
}

TEST(SegmentScale, OpensSegmentsAsTheyAreReadAndNoMoreThanAllowed) {
  TempDir dir;
  constexpr uint32_t kSegments = 1000, kKeys = 2000;
  constexpr uint64_t kSegmentBytesMax = 8 << 10;  // of one, in memory
  const Status made = MakeManySegments(dir.File("db"), kSegments, kKeys);
  ASSERT_TRUE(made.ok()) << made.ToString();
  Options options;
  options.open_segments_max = 300;
  options.open_segments_bytes = 1 << 20;
  options.compaction_style = CompactionStyle::kNone;
  std::unique_ptr<DB> db;
  const Status status = DB::Open(options, dir.File("db"), &db);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Property(db.get(), "num-segments"), kSegments);
  EXPECT_EQ(Property(db.get(), "open-segments"), 0u);
  for (uint32_t i = 0; i < kSegments; ++i) {
    std::string value;
    ASSERT_TRUE(db->Get({}, ManySegmentsKey(i, i % kKeys), &value).ok()) << i;
    EXPECT_LE(Property(db.get(), "open-segments"), 300u);
    // What was closed for the last one goes when the next is opened.
    EXPECT_LE(Property(db.get(), "segment-reader-bytes"), (uint64_t{1} << 20) + kSegmentBytesMax);
  }
  // At about 4 KiB each the bytes were the tighter bound.
  EXPECT_GT(Property(db.get(), "open-segments"), 100u);
  EXPECT_LT(Property(db.get(), "open-segments"), 299u);
  uint64_t count = 0;
  const std::unique_ptr<Iterator> it = db->NewIterator({});
  for (it->SeekToFirst(); it->Valid() && count < 10 * kKeys; it->Next()) ++count;
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  EXPECT_EQ(count, uint64_t{10} * kKeys);
}

}  // namespace
}  // namespace varve
