// DeleteRange and Merge from the call to the segment: what is refused, what is logged, flushed and
// recovered. (What reads make of it: the tests of reads.)

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "table/segment_reader.h"
#include "tests/support/comparators.h"
#include "tests/support/temp_dir.h"
#include "util/filename.h"
#include "util/mutex.h"
#include "varve/db.h"
#include "varve/listener.h"

namespace varve {
namespace {

using Ranges = std::vector<RangeTombstone>;

class Append final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Append"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    value->append(newer);
    return true;
  }
};

class RangeDeleteStorage : public ::testing::Test {
 protected:
  RangeDeleteStorage() {
    options_.create_if_missing = true;
    options_.compaction_style = CompactionStyle::kNone;  // what was flushed is looked at
  }

  void Open() {
    const Status status = DB::Open(options_, path(), &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  // As after the death of the process: nothing is flushed.
  void Reopen() {
    db_.reset();
    Open();
  }
  std::string path() const { return dir_.File("db"); }
  uint64_t LastSequence() {
    uint64_t sequence = 0;
    EXPECT_TRUE(db_->GetIntProperty("varve.last-sequence", &sequence));
    return sequence;
  }

  // What the manifest says, and the segment's own view of its tombstones.
  struct Segment {
    SegmentEntry entry;
    Ranges ranges;
    std::vector<std::pair<std::string, uint64_t>> entries;  // user key, trailer
  };
  std::vector<Segment> Segments() {
    ManifestState state;
    EXPECT_TRUE(Manifest::Inspect(Env::Default().file_system.get(), path(), &state).ok());
    std::vector<Segment> segments;
    for (const SegmentEntry& entry : state.segments) {
      Segment segment;
      segment.entry = entry;
      std::unique_ptr<RandomAccessFile> file;
      const std::string name = SegmentFileName(path(), entry.number);
      EXPECT_TRUE(Env::Default().file_system->NewRandomAccessFile(name, false, &file).ok());
      std::unique_ptr<SegmentReader> reader;
      SegmentReaderOptions open;
      open.comparator = options_.comparator;
      Status status = SegmentReader::Open(open, std::move(file), name, entry.number, &reader);
      if (status.ok()) status = reader->Verify();
      EXPECT_TRUE(status.ok()) << status.ToString();
      if (!status.ok()) continue;
      if (const auto* ranges = reader->range_tombstones()) segment.ranges = ranges->Tombstones();
      EXPECT_EQ((entry.flags & kHasRangeDeletes) != 0, !segment.ranges.empty());
      EXPECT_EQ(entry.smallest, reader->properties().smallest_key);
      EXPECT_EQ(entry.largest, reader->properties().largest_key);
      const auto it = reader->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        segment.entries.emplace_back(ExtractUserKey(it->key()), ExtractTrailer(it->key()));
      }
      segments.push_back(std::move(segment));
    }
    return segments;
  }

  TempDir dir_;
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(RangeDeleteStorage, WhatCannotBeIsRefusedBeforeAnythingIsWritten) {  // Checklist S10, W15
  Open();
  const std::string too_long(WriteBatch::kKeyBytesMax + 1, 'k');
  EXPECT_TRUE(db_->DeleteRange({}, "b", "a").IsInvalidArgument());
  EXPECT_TRUE(db_->DeleteRange({}, too_long, "z").IsInvalidArgument());
  EXPECT_TRUE(db_->DeleteRange({}, "a", too_long).IsInvalidArgument());
  EXPECT_TRUE(db_->Merge({}, "a", "1").IsInvalidArgument());
  WriteBatch batch;
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.DeleteRange("b", "a").ok());
  EXPECT_TRUE(db_->Write({}, batch).IsInvalidArgument());
  batch.Clear();
  ASSERT_TRUE(batch.Put("a", "1").ok());
  ASSERT_TRUE(batch.Merge("a", "2").ok());
  EXPECT_TRUE(db_->Write({}, batch).IsInvalidArgument());
  EXPECT_TRUE(db_->Write({}, WriteBatch::FromData(batch.Data())).IsInvalidArgument());
  EXPECT_EQ(LastSequence(), 0u);
  EXPECT_TRUE(db_->Put({}, "a", "1").ok());  // nothing latched
}

TEST_F(RangeDeleteStorage, AnEmptyRangeWritesNothing) {
  Open();
  EXPECT_TRUE(db_->DeleteRange({}, "a", "a").ok());
  WriteOptions sync;
  sync.sync = true;
  EXPECT_TRUE(db_->DeleteRange(sync, "", "").ok());
  EXPECT_EQ(LastSequence(), 0u);
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_FALSE(db_->DeleteRange({}, "a", "a").ok());  // closed all the same
}

TEST_F(RangeDeleteStorage, RangesOfAllMemtablesOfAFlushAreInItsSegment) {
  options_.memtables_max = 8;
  options_.flush_memtables_min = 7;
  options_.memtable_bytes = 64 << 10;
  Open();
  ASSERT_TRUE(db_->Put({}, "b", "1").ok());          // 1
  ASSERT_TRUE(db_->DeleteRange({}, "a", "c").ok());  // 2
  for (int i = 0; i < 3; ++i) {                      // 3 to 5, each in a memtable of its own
    ASSERT_TRUE(db_->Put({}, "x", std::string(60 << 10, 'v')).ok());
  }
  WriteBatch batch;
  ASSERT_TRUE(batch.DeleteRange("b", "x").ok());  // 6
  ASSERT_TRUE(batch.Put("b", "2").ok());          // 7
  ASSERT_TRUE(batch.DeleteRange("q", "q").ok());  // 8, nothing
  ASSERT_TRUE(batch.DeleteRange("q", "z").ok());  // 9
  ASSERT_TRUE(db_->Write({}, batch).ok());
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(LastSequence(), 9u);
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].ranges, (Ranges{{"a", "c", 2}, {"b", "x", 6}, {"q", "z", 9}}));
  EXPECT_EQ(segments[0].entry.smallest_sequence, 2u);  // that of b @ 1 is shadowed
  EXPECT_EQ(segments[0].entry.largest_sequence, 9u);
  EXPECT_EQ(ExtractUserKey(segments[0].entry.smallest), "a");
  EXPECT_EQ(ExtractUserKey(segments[0].entry.largest), "z");
  EXPECT_EQ(ExtractTrailer(segments[0].entry.largest), kExclusiveTrailer);
}

TEST_F(RangeDeleteStorage, ReplayBringsRangesAndOperandsBack) {  // Checklist W11
  options_.merge_operator = std::make_shared<Append>();
  Open();
  ASSERT_TRUE(db_->Put({}, "k", "base").ok());       // 1
  ASSERT_TRUE(db_->Merge({}, "k", "+1").ok());       // 2
  ASSERT_TRUE(db_->DeleteRange({}, "a", "c").ok());  // 3
  WriteBatch batch;
  ASSERT_TRUE(batch.Merge("k", "+2").ok());       // 4
  ASSERT_TRUE(batch.DeleteRange("m", "n").ok());  // 5
  ASSERT_TRUE(db_->Write({}, batch).ok());
  Reopen();
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].ranges, (Ranges{{"a", "c", 3}, {"m", "n", 5}}));
  using Entry = std::pair<std::string, uint64_t>;
  EXPECT_EQ(segments[0].entries, (std::vector<Entry>{{"k", PackTrailer(4, ValueType::kMerge)},
                                                     {"k", PackTrailer(2, ValueType::kMerge)},
                                                     {"k", PackTrailer(1, ValueType::kValue)}}));
  EXPECT_GT(LastSequence(), 4u);
}

TEST_F(RangeDeleteStorage, NothingButRangesIsASegmentToo) {
  Open();
  ASSERT_TRUE(db_->DeleteRange({}, "a", "c").ok());
  ASSERT_TRUE(db_->Flush().ok());
  WriteOptions unlogged;
  unlogged.disable_wal = true;
  ASSERT_TRUE(db_->DeleteRange(unlogged, "d", "e").ok());
  ASSERT_TRUE(db_->Close().ok());
  Reopen();
  const std::vector<Segment> segments = Segments();
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].ranges, (Ranges{{"a", "c", 1}}));
  EXPECT_EQ(segments[0].entry.entries, 0u);
  EXPECT_EQ(segments[1].ranges, (Ranges{{"d", "e", 2}}));
}

class FlushLog final : public EventListener {
 public:
  void OnFlushEnd(const FlushInfo& info) override {
    MutexLock lock(&mu_);
    flushes_.push_back(info);
  }
  std::vector<FlushInfo> flushes() {
    MutexLock lock(&mu_);
    return flushes_;
  }

 private:
  Mutex mu_;
  std::vector<FlushInfo> flushes_ GUARDED_BY(mu_);
};

// Ranges that are empty in the order of the keys alone reach the log, in batches; a memtable of
// such makes no segment, and its log goes all the same.
TEST_F(RangeDeleteStorage, NothingButEmptyRangesIsNoSegment) {
  const auto listener = std::make_shared<FlushLog>();
  options_.comparator = CaseInsensitiveComparator();
  options_.listeners.push_back(listener);
  Open();
  EXPECT_TRUE(db_->DeleteRange({}, "B", "a").IsInvalidArgument());
  ASSERT_TRUE(db_->DeleteRange({}, "a", "A").ok());
  EXPECT_EQ(LastSequence(), 0u);
  WriteBatch batch;
  ASSERT_TRUE(batch.DeleteRange("a", "A").ok());
  ASSERT_TRUE(batch.DeleteRange("b", "b").ok());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  EXPECT_EQ(LastSequence(), 2u);
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_TRUE(Segments().empty());
  ASSERT_TRUE(db_->Write({}, batch).ok());
  Reopen();  // replays it
  EXPECT_TRUE(Segments().empty());
  EXPECT_GE(LastSequence(), 4u);
  ASSERT_TRUE(db_->DeleteRange({}, "a", "B").ok());
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Segments().size(), 1u);
  ASSERT_TRUE(db_->Close().ok());  // who waits for a flush may return before its end is told
  const std::vector<FlushInfo> flushes = listener->flushes();
  ASSERT_EQ(flushes.size(), 2u);
  EXPECT_TRUE(flushes[0].segments.empty());
  EXPECT_EQ(flushes[0].bytes_written, 0u);
  EXPECT_EQ(flushes[1].segments.size(), 1u);
}

// Range tombstones are charged with what they take, so that a memtable of them becomes full.
TEST_F(RangeDeleteStorage, ManyRangesFillMemtables) {
  const auto listener = std::make_shared<FlushLog>();
  options_.listeners.push_back(listener);
  options_.memtable_bytes = 64 << 10;
  Open();
  WriteBatch batch;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = std::to_string(10'000 + i);
    if (i % 2 == 0) {
      ASSERT_TRUE(db_->DeleteRange({}, key, key + "x").ok());
    } else {
      ASSERT_TRUE(batch.DeleteRange(key, key + "x").ok());
      if (batch.Count() == 50) {
        ASSERT_TRUE(db_->Write({}, batch).ok());
        batch.Clear();
      }
    }
  }
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->Close().ok());  // all is told
  uint64_t memtables = 0;
  for (const FlushInfo& flush : listener->flushes()) memtables += flush.memtables;
  EXPECT_GT(memtables, 5u);  // keys alone are 22 KB
}

TEST_F(RangeDeleteStorage, TheMergeOperatorIsShownAmongTheOptions) {
  options_.merge_operator = std::make_shared<Append>();
  Open();
  std::string text;
  ASSERT_TRUE(db_->GetProperty("varve.options", &text));
  EXPECT_NE(text.find("merge_operator = test.Append\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace varve
