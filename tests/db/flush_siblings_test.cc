// A flush that is cut otherwise than by the order of keys makes siblings: segments of one epoch
// whose ranges overlap, and no key of which is in two. What they hold together, and what a database
// finds that has been made of them, whatever is merged.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "db/segment_output.h"
#include "table/segment_reader.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"
#include "util/random.h"
#include "util/range_tombstones.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr char kDirectory[] = "/db";

std::string Key(uint64_t i) { return "key" + std::to_string(100 + i); }

// By the key alone, so that every flush cuts alike; to its last output it gives nothing.
class CutByHash : public FlushCut {
 public:
  CutByHash(size_t used, size_t outputs) : used_(used), outputs_(outputs) {}
  size_t outputs() const override { return outputs_; }
  size_t OutputFor(std::span<const MemTableEntry> versions) override {
    const Slice key = ExtractUserKey(versions.front().internal_key);
    EXPECT_TRUE(keys_.insert(std::string(key)).second) << key << " was asked about before";
    uint64_t above = UINT64_MAX;
    for (const MemTableEntry& version : versions) {
      EXPECT_EQ(ExtractUserKey(version.internal_key), key);
      EXPECT_LT(ExtractTrailer(version.internal_key), above);
      above = ExtractTrailer(version.internal_key);
    }
    return std::hash<std::string_view>()(key) % used_;
  }

 private:
  const size_t used_, outputs_;
  std::set<std::string> keys_;
};

using Entries = std::map<std::pair<std::string, uint64_t>, std::string>;  // key, ~trailer

struct Content {
  Entries entries;
  std::vector<std::string> ranges;
};

class FlushSiblingsTest : public ::testing::Test {
 protected:
  FlushSiblingsTest() {
    options_.env.file_system = files_;
    options_.env.clock = Env::Default().clock;
    options_.env.machine = std::make_shared<SimMachine>(1);
    options_.comparator = BytewiseComparator();
    options_.create_if_missing = false;
    EXPECT_TRUE(files_->CreateDirectory(kDirectory).ok());
    ManifestOptions manifest;
    manifest.file_system = files_;
    manifest.machine = options_.env.machine;
    manifest.comparator = options_.comparator->Name();
    EXPECT_TRUE(Manifest::Create(manifest, kDirectory, &manifest_).ok());
  }

  Status Write(const std::vector<std::shared_ptr<MemTable>>& memtables, FlushCut* cut,
               std::vector<SegmentEntry>* made, const ReadSequences& readers = {{}, kMaxSequence}) {
    SegmentOutputOptions output;
    output.options = &options_;
    output.directory = kDirectory;
    EXPECT_TRUE(manifest_->NewFileNumber(&output.number).ok());
    output.epoch = output.number;
    Status status = WriteMemtables(output, manifest_.get(), readers, memtables, cut, made);
    for (const SegmentEntry& entry : *made) {
      EXPECT_EQ(entry.epoch, output.epoch);
      EXPECT_GE(entry.number, output.number);
    }
    return status;
  }

  Content Read(const SegmentEntry& entry) {
    Content content;
    const std::string path = SegmentFileName(kDirectory, entry.number);
    std::unique_ptr<RandomAccessFile> file;
    EXPECT_TRUE(files_->NewRandomAccessFile(path, false, &file).ok());
    std::unique_ptr<SegmentReader> reader;
    SegmentReaderOptions open;
    open.comparator = options_.comparator;
    Status status = SegmentReader::Open(open, std::move(file), path, entry.number, &reader);
    if (status.ok()) status = reader->Verify();
    EXPECT_TRUE(status.ok()) << status.ToString();
    if (!status.ok()) return content;
    const auto it = reader->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      content.entries[{std::string(ExtractUserKey(it->key())), ~ExtractTrailer(it->key())}] =
          it->value();
    }
    EXPECT_EQ((entry.flags & kHasRangeDeletes) != 0, reader->range_tombstones() != nullptr);
    if (reader->range_tombstones() != nullptr) {
      for (const RangeTombstone& t : reader->range_tombstones()->Tombstones()) {
        content.ranges.push_back(t.start + " " + t.end + " " + std::to_string(t.sequence));
      }
    }
    return content;
  }

  std::set<FileNumber> SegmentFiles() {
    std::vector<std::string> names;
    EXPECT_TRUE(files_->ListDirectory(kDirectory, &names).ok());
    std::set<FileNumber> numbers;
    for (const std::string& name : names) {
      FileNumber number;
      FileType type;
      if (ParseFileName(name, &number, &type) && type == FileType::kSegment) numbers.insert(number);
    }
    return numbers;
  }

  std::shared_ptr<MemTable> NewMemTable() {
    return std::make_shared<MemTable>(InternalKeyComparator(options_.comparator));
  }

  const std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  Options options_;
  std::unique_ptr<Manifest> manifest_;
};

TEST_F(FlushSiblingsTest, TogetherTheyHoldWhatOneSegmentWould) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<std::shared_ptr<MemTable>> newest_first;
    SequenceNumber sequence = 0;
    for (int table = 0; table < 2; ++table) {
      auto memtable = NewMemTable();
      for (int i = 0; i < 100; ++i) {
        const std::string key = Key(random.Uniform(40)), other = Key(random.Uniform(40));
        ++sequence;
        if (seed % 2 == 0 && random.OneIn(20)) {
          memtable->Add(sequence, ValueType::kRangeDelete, std::min(key, other),
                        std::max(key, other));
        } else if (random.OneIn(4)) {
          memtable->Add(sequence, ValueType::kDelete, key, "");
        } else {
          memtable->Add(sequence, ValueType::kValue, key, std::to_string(sequence));
        }
      }
      newest_first.insert(newest_first.begin(), std::move(memtable));
    }
    const ReadSequences readers({random.Uniform(100), 150}, 190);
    std::vector<SegmentEntry> one, siblings;
    ASSERT_TRUE(Write(newest_first, nullptr, &one, readers).ok());
    CutByHash cut(1 + seed % 5, 2 + seed % 5);
    ASSERT_TRUE(Write(newest_first, &cut, &siblings, readers).ok());
    ASSERT_EQ(one.size(), 1u);
    ASSERT_EQ(siblings.size(), 1 + seed % 5);

    const Content whole = Read(one.front());
    Entries together;
    std::map<std::string, FileNumber> sibling_of;
    for (const SegmentEntry& entry : siblings) {
      const Content content = Read(entry);
      EXPECT_EQ(content.ranges, whole.ranges);  // RULES R1.3
      for (const auto& [key, value] : content.entries) {
        EXPECT_EQ(sibling_of.emplace(key.first, entry.number).first->second, entry.number);
        EXPECT_TRUE(together.emplace(key, value).second);
      }
    }
    EXPECT_EQ(together, whole.entries);
  }
}

TEST_F(FlushSiblingsTest, WhereNoKeyIsKeptThereIsOneSegmentForTheRanges) {
  CutByHash cut(3, 4);
  std::vector<SegmentEntry> made;
  auto memtable = NewMemTable();
  memtable->Add(1, ValueType::kRangeDelete, "z", "a");  // none in this order
  ASSERT_TRUE(Write({memtable}, &cut, &made).ok());
  EXPECT_TRUE(made.empty());
  EXPECT_TRUE(SegmentFiles().empty());
  memtable->Add(2, ValueType::kRangeDelete, "a", "c");
  ASSERT_TRUE(Write({memtable}, &cut, &made).ok());
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(Read(made.front()).ranges, std::vector<std::string>{"a c 2"});
  EXPECT_EQ(SegmentFiles(), std::set<FileNumber>{made.front().number});
}

TEST_F(FlushSiblingsTest, AFailureLeavesNoneOfThem) {
  auto memtable = NewMemTable();
  for (uint64_t i = 0; i < 40; ++i) {
    memtable->Add(i + 1, ValueType::kValue, Key(i), std::string(300, 'x'));
  }
  memtable->Add(41, ValueType::kRangeDelete, "a", "c");
  uint64_t nth = 1;
  for (;; ++nth) {
    ASSERT_LT(nth, 1000u);
    CutByHash cut(3, 3);
    std::vector<SegmentEntry> made;
    files_->InjectFault({.path_part = ".seg", .nth = nth});
    const Status status = Write({memtable}, &cut, &made);
    const bool failed = files_->calls_failed() > 0;
    files_->ClearFault();
    if (status.ok() && !failed) {
      EXPECT_EQ(made.size(), 3u);
      EXPECT_EQ(SegmentFiles().size(), 3u);
      break;
    }
    if (status.ok()) continue;
    EXPECT_TRUE(made.empty());
    ASSERT_TRUE(SegmentFiles().empty()) << "call " << nth;
  }
  EXPECT_GT(nth, 9u);
}

// A database whose flushes were cut so, opened by whatever merges what it finds.
class SiblingsDatabaseTest : public FlushSiblingsTest {
 protected:
  using Model = std::map<std::string, std::string>;

  void MakeFlushes(int flushes) {
    ManifestEdit edit;
    for (int flush = 0; flush < flushes; ++flush) {
      auto memtable = NewMemTable();
      for (int i = 0; i < 60; ++i) {
        const std::string key = Key(random_.Uniform(80)), other = Key(random_.Uniform(80));
        ++sequence_;
        if (random_.OneIn(25)) {
          const auto [from, to] = std::minmax(key, other);
          memtable->Add(sequence_, ValueType::kRangeDelete, from, to);
          model_.erase(model_.lower_bound(from), model_.lower_bound(to));
        } else if (random_.OneIn(4)) {
          memtable->Add(sequence_, ValueType::kDelete, key, "");
          model_.erase(key);
        } else {
          memtable->Add(sequence_, ValueType::kValue, key, std::to_string(sequence_));
          model_[key] = std::to_string(sequence_);
        }
      }
      CutByHash cut(3, 3);
      std::vector<SegmentEntry> made;
      ASSERT_TRUE(Write({memtable}, &cut, &made).ok());
      edit.added.insert(edit.added.end(), made.begin(), made.end());
    }
    edit.next_sequence = sequence_ + 1;
    ASSERT_TRUE(manifest_->Commit(edit).ok());
    ManifestEdit last;
    last.next_sequence = sequence_ + 1;
    ASSERT_TRUE(manifest_->Close(last).ok());
    manifest_.reset();
  }

  void Check(DB* db) {
    std::vector<std::string> keys;
    for (uint64_t i = 0; i < 80; ++i) keys.push_back(Key(i));
    const std::vector<Slice> asked(keys.begin(), keys.end());
    std::vector<PinnedValue> values(asked.size());
    std::vector<Status> statuses(asked.size());
    db->MultiGet({}, asked, values, statuses);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto expected = model_.find(keys[i]);
      const bool there = expected != model_.end();
      std::string value;
      const Status status = db->Get({}, keys[i], &value);
      ASSERT_EQ(status.ok(), there) << keys[i] << ": " << status.ToString();
      ASSERT_EQ(statuses[i].ok(), there) << keys[i] << ": " << statuses[i].ToString();
      if (!there) {
        ASSERT_TRUE(status.IsNotFound() && statuses[i].IsNotFound());
        continue;
      }
      ASSERT_EQ(value, expected->second) << keys[i];
      ASSERT_EQ(values[i].slice(), expected->second) << keys[i];
    }
    const auto it = db->NewIterator({});
    Model forward, backward;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      forward.emplace(it->key(), it->value());
    }
    ASSERT_TRUE(it->status().ok());
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      backward.emplace(it->key(), it->value());
    }
    ASSERT_TRUE(it->status().ok());
    ASSERT_EQ(forward, model_);
    ASSERT_EQ(backward, model_);
  }

  std::unique_ptr<DB> Open(const std::string& path = kDirectory) {
    std::unique_ptr<DB> db;
    const Status status = DB::Open(options_, path, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return db;
  }

  Random random_{1};
  SequenceNumber sequence_ = 0;
  Model model_;
};

class SiblingsDatabaseStyleTest : public SiblingsDatabaseTest,
                                  public ::testing::WithParamInterface<CompactionStyle> {};

TEST_P(SiblingsDatabaseStyleTest, ReadsMergesAndCheckpointsFindTheNewestVersions) {
  options_.compaction_style = GetParam();
  options_.segment_bytes = 64 << 10;
  MakeFlushes(3);
  auto db = Open();
  ASSERT_NE(db, nullptr);
  Check(db.get());
  // Over and beneath what is merged.
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) {
      const std::string key = Key(random_.Uniform(80));
      if (random_.OneIn(3)) {
        ASSERT_TRUE(db->Delete({}, key).ok());
        model_.erase(key);
      } else {
        ASSERT_TRUE(db->Put({}, key, key + " again").ok());
        model_[key] = key + " again";
      }
    }
    ASSERT_TRUE(db->Flush().ok());
    Check(db.get());
    if (round == 0) {
      ASSERT_TRUE(db->Checkpoint("/copy").ok());
      Check(Open("/copy").get());
    }
    CompactRangeOptions compact;
    compact.rewrite_deepest = round == 2;
    const std::string begin = Key(20), end = Key(50);
    const bool part = round == 1;
    ASSERT_TRUE(db->CompactRange(compact, part ? std::optional<Slice>(begin) : std::nullopt,
                                 part ? std::optional<Slice>(end) : std::nullopt)
                    .ok());
    Check(db.get());
  }
  ASSERT_TRUE(db->Close().ok());
  db = Open();
  Check(db.get());
}

// Nothing lies beneath the siblings, and each may be written anew by itself: no tombstone is left,
// and it ends.
TEST_P(SiblingsDatabaseStyleTest, TheirTombstonesGoWhenNothingIsBeneath) {
  options_.compaction_style = GetParam();
  MakeFlushes(1);
  auto db = Open();
  ASSERT_NE(db, nullptr);
  CompactRangeOptions compact;
  compact.rewrite_deepest = true;
  ASSERT_TRUE(db->CompactRange(compact, std::nullopt, std::nullopt).ok());
  Check(db.get());
  ASSERT_TRUE(db->Close().ok());
  ManifestState state;
  ASSERT_TRUE(Manifest::Inspect(files_.get(), kDirectory, &state).ok());
  uint64_t entries = 0;
  for (const SegmentEntry& entry : state.segments) {
    EXPECT_EQ(entry.deletes, 0u);
    EXPECT_EQ(entry.flags & kHasRangeDeletes, 0u);
    entries += entry.entries;
  }
  EXPECT_EQ(entries, model_.size());
}

INSTANTIATE_TEST_SUITE_P(Styles, SiblingsDatabaseStyleTest,
                         ::testing::Values(CompactionStyle::kNone, CompactionStyle::kLeveled,
                                           CompactionStyle::kTiered, CompactionStyle::kByTime));

}  // namespace
}  // namespace varve
