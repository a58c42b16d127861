// What merges make of entries that expire: all versions of a key in one segment (RULES R1.3, H7),
// and nothing uncovered by what they drop (Checklist C5, H33).

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "db/compaction_job.h"
#include "db/manifest.h"
#include "db/read_path.h"
#include "db/segment_output.h"
#include "table/segment_reader.h"
#include "tests/db/sim_database.h"
#include "tests/support/sim_file_system.h"
#include "util/coding.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kStart = 1'700'000'000'000;
constexpr uint64_t kMinute = 60'000;
constexpr char kDirectory[] = "/db";

class ManualClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos_.fetch_add(1000); }
  uint64_t BootMillis() override { return 5000 + passed_ms; }
  uint64_t WallMillis() override { return kStart + passed_ms; }

  std::atomic<uint64_t> passed_ms{0};

 private:
  std::atomic<uint64_t> nanos_{1};
};

// Segments laid out by hand, and a merge of some of them.
class TtlMerge : public ::testing::Test {
 protected:
  TtlMerge() {
    options_ = SimDatabaseOptions(files_);
    EXPECT_TRUE(files_->CreateDirectory(kDirectory).ok());
    reads_ = std::make_shared<ReadPath>(options_, kDirectory);
    ManifestOptions manifest;
    manifest.file_system = options_.env.file_system;
    manifest.machine = options_.env.machine;
    manifest.comparator = options_.comparator->Name();
    EXPECT_TRUE(Manifest::Create(manifest, kDirectory, &manifest_).ok());
  }

  struct Entry {
    std::string key;
    SequenceNumber sequence;
    uint64_t expires_at;  // 0: never
    std::string value;
  };
  // A segment of an epoch of its own, newer than those before.
  std::shared_ptr<SegmentFile> Segment(const std::vector<Entry>& entries) {
    auto memtable = std::make_shared<MemTable>(comparator_);
    for (const Entry& e : entries) {
      if (e.expires_at == 0) {
        memtable->Add(e.sequence, ValueType::kValue, e.key, e.value);
      } else {
        char head[kExpiresAtBytes];
        EncodeFixed64(head, e.expires_at);
        memtable->Add(e.sequence, ValueType::kValueWithExpiry, e.key, e.value,
                      Slice(head, sizeof(head)));
      }
    }
    SegmentOutputOptions output;
    output.options = &options_;
    output.directory = kDirectory;
    EXPECT_TRUE(manifest_->NewFileNumber(&output.number).ok());
    output.epoch = output.number;
    output.now_ms = 1;
    std::vector<SegmentEntry> made;
    EXPECT_TRUE(
        WriteMemtables(output, manifest_.get(), ReadSequences({}, 0), {memtable}, nullptr, &made)
            .ok());
    segments_.push_back(std::make_shared<SegmentFile>(made.at(0), comparator_));
    return segments_.back();
  }
  // Merges these, newest first, at the time `now_ms`; what there is of each output, as
  // "key@sequence:value", "key@sequence!type" for what is no value.
  std::vector<std::vector<std::string>> Merge(const std::vector<size_t>& inputs, uint64_t now_ms,
                                              const ReadSequences& readers,
                                              uint64_t segment_bytes = 1 << 20) {
    SegmentList all(segments_.begin(), segments_.end());
    const auto version = Version().With(comparator_, {}, all);
    CompactionPlan plan;
    plan.segment_bytes = segment_bytes;
    for (const size_t i : inputs) {
      plan.inputs.push_back({0, {segments_[i]}});
      plan.output_epoch = std::max(plan.output_epoch, segments_[i]->entry().epoch);
    }
    CompactionTools tools;
    tools.options = &options_;
    tools.directory = kDirectory;
    tools.manifest = manifest_.get();
    tools.segments = &reads_->segments();
    tools.now_ms = now_ms;
    CompactionJob job(tools, plan, version, readers, 1);
    const Status status = job.Run();
    EXPECT_TRUE(status.ok()) << status.ToString();
    std::vector<std::vector<std::string>> outputs;
    for (const SegmentEntry& entry : job.outputs()) {
      outputs.emplace_back();
      entries_.push_back(entry);
      const auto file = std::make_shared<SegmentFile>(entry, comparator_);
      std::shared_ptr<SegmentReader> reader;
      EXPECT_TRUE(reads_->segments().Share(file, &reader).ok());
      const auto it = reader->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const uint64_t trailer = ExtractTrailer(it->key());
        const auto type = TrailerType(trailer);
        std::string text =
            std::string(ExtractUserKey(it->key())) + "@" + std::to_string(TrailerSequence(trailer));
        if (type == ValueType::kValue) {
          text += ":" + std::string(it->value());
        } else if (type == ValueType::kValueWithExpiry) {
          text += ":" + std::string(it->value().substr(kExpiresAtBytes));
        } else {
          text += "!" + std::to_string(static_cast<int>(type));
        }
        outputs.back().push_back(text);
      }
      reader.reset();
    }
    return outputs;
  }

  const std::shared_ptr<SimFileSystem> files_ = SimFileSystem::New({.track = false});
  Options options_;
  const InternalKeyComparator comparator_{BytewiseComparator()};
  std::shared_ptr<ReadPath> reads_;
  std::unique_ptr<Manifest> manifest_;
  std::vector<std::shared_ptr<SegmentFile>> segments_;
  std::vector<SegmentEntry> entries_;
};

using Outputs = std::vector<std::vector<std::string>>;

// H33: put 1, flush, put 1 2, flush, time 3, merge 2.
TEST_F(TtlMerge, WhatExpiredOverAnOlderEntryLeavesATombstone) {
  Segment({{"a", 1, 0, "old"}});
  Segment({{"a", 5, 100, "new"}, {"b", 6, 100, "x"}, {"c", 7, 101, "y"}});
  const ReadSequences nobody({}, 100);
  EXPECT_EQ(Merge({1}, 99, nobody), (Outputs{{"a@5:new", "b@6:x", "c@7:y"}}));
  EXPECT_EQ(entries_.back().expiring, 3u);
  EXPECT_EQ(entries_.back().written_ms, 99u);
  // Of b nothing older is there.
  EXPECT_EQ(Merge({1}, 100, nobody), (Outputs{{"a@5!11", "c@7:y"}}));
  EXPECT_EQ(entries_.back().expiring, 1u);
  EXPECT_EQ(entries_.back().deletes, 1u);
  // All of the key at once: nothing is left to hide, or to be hidden.
  EXPECT_EQ(Merge({1, 0}, 100, nobody), (Outputs{{"c@7:y"}}));
  EXPECT_EQ(Merge({1, 0}, 101, nobody), Outputs{});
}

// A time of 0 is none: nothing was written that could have expired, or nobody can tell.
TEST_F(TtlMerge, WithoutATimeNothingExpires) {
  Segment({{"a", 5, 1, "x"}});
  EXPECT_EQ(Merge({0}, 0, ReadSequences({}, 100)), (Outputs{{"a@5:x"}}));
  EXPECT_EQ(entries_.back().expiring, 0u);
}

// H7: put 1, snapshot, flush, put 1 2, flush, merge 1 2, wherever outputs are cut.
TEST_F(TtlMerge, AllVersionsOfAKeyGoToOneOutput) {
  std::vector<Entry> older, newer;
  for (int i = 0; i < 200; ++i) {
    const std::string key = std::to_string(1000 + i);
    older.push_back({key, static_cast<SequenceNumber>(1 + i), 0, std::string(500, 'o')});
    newer.push_back({key, static_cast<SequenceNumber>(1000 + i),
                     static_cast<uint64_t>(100 + i % 3 * 1000), std::string(500, 'n')});
  }
  Segment(older);
  Segment(newer);
  const Outputs outputs = Merge({1, 0}, 50, ReadSequences({500}, 5000), /*segment_bytes=*/8 << 10);
  EXPECT_GT(outputs.size(), 5u);
  std::set<std::string> keys;
  size_t versions = 0;
  for (const auto& output : outputs) {
    std::set<std::string> here;
    for (const std::string& entry : output) here.insert(entry.substr(0, 4));
    versions += output.size();
    EXPECT_EQ(output.size(), 2 * here.size());
    for (const std::string& key : here) EXPECT_TRUE(keys.insert(key).second) << key;
  }
  EXPECT_EQ(versions, 400u);
}

// A snapshot that sees the older version keeps it, and what has expired over it as a tombstone.
TEST_F(TtlMerge, SnapshotsKeepWhatTheySeeAndNobodyElseSeesIt) {
  Segment({{"a", 1, 0, "old"}});
  Segment({{"a", 5, 100, "new"}});
  EXPECT_EQ(Merge({1, 0}, 100, ReadSequences({3}, 10)), (Outputs{{"a@5!11", "a@1:old"}}));
  // One that sees the newer alone needs neither; it is gone for it too.
  EXPECT_EQ(Merge({1, 0}, 100, ReadSequences({7}, 10)), Outputs{});
}

// Merges of every kind beside reads at every instant: over the database, with snapshots.
class TtlCompaction : public ::testing::TestWithParam<std::tuple<CompactionStyle, int>> {};

TEST_P(TtlCompaction, NothingIsUncovered) {
  const auto [style, seed] = GetParam();
  const auto files = SimFileSystem::New({.track = false});
  const auto clock = std::make_shared<ManualClock>();
  Options options = SimDatabaseOptions(files);
  options.env.clock = clock;
  options.compaction_style = style;
  options.segment_bytes = 64 << 10;
  options.level_base_bytes = 64 << 10;
  options.level0_runs_trigger = 2;
  options.tiered_runs_trigger = 2;
  options.flush_memtables_min = 1;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());

  struct Version {
    std::string value;
    uint64_t expires_at;
  };
  using Model = std::map<std::string, Version>;
  Model model;
  struct Held {
    std::unique_ptr<Snapshot> snapshot;
    Model model;
  };
  std::vector<Held> held;
  const auto expected = [&](const Model& of) {
    State state;
    for (const auto& [key, version] : of) {
      if (kStart + clock->passed_ms < version.expires_at) state[key] = version.value;
    }
    return state;
  };
  Random random(static_cast<uint64_t>(seed));
  for (int step = 0; step < 4000; ++step) {
    const std::string key = std::to_string(1000 + random.Uniform(300));
    if (random.OneIn(12)) {
      ASSERT_TRUE(db->Delete({}, key).ok());
      model.erase(key);
    } else {
      WriteOptions write;
      uint64_t expires_at = UINT64_MAX;
      if (!random.OneIn(4)) {
        const uint64_t ttl = (1 + random.Uniform(30)) * kMinute;
        write.ttl = milliseconds(ttl);
        expires_at = kStart + clock->passed_ms + ttl;
      }
      const std::string value = std::to_string(step) + std::string(random.Uniform(400), '.');
      ASSERT_TRUE(db->Put(write, key, value).ok());
      model[key] = {value, expires_at};
    }
    if (random.OneIn(40)) clock->passed_ms += random.Uniform(4) * kMinute;
    if (random.OneIn(150)) {
      ASSERT_TRUE(db->Flush().ok());
    }
    if (random.OneIn(200)) held.push_back({db->GetSnapshot(), model});
    if (random.OneIn(250) && !held.empty()) held.erase(held.begin());
    if (random.OneIn(400)) {
      CompactRangeOptions how;
      how.rewrite_deepest = random.OneIn(2);
      ASSERT_TRUE(db->CompactRange(how, std::nullopt, std::nullopt).ok());
    }
    if (random.OneIn(60)) {
      ASSERT_EQ(ReadAll(db.get()), expected(model)) << step;
      for (const Held& one : held) {
        ReadOptions at;
        at.snapshot = one.snapshot.get();
        ASSERT_EQ(ReadAll(db.get(), at), expected(one.model)) << step;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Styles, TtlCompaction,
                         ::testing::Combine(::testing::Values(CompactionStyle::kLeveled,
                                                              CompactionStyle::kTiered,
                                                              CompactionStyle::kNone),
                                            ::testing::Range(1, 4)));

}  // namespace
}  // namespace varve
