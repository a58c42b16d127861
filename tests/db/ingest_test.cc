// Files built outside are taken in whole or not at all, above or beneath what is there.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/db/destroy_root.h"
#include "tests/db/sim_database.h"
#include "tests/support/fault_file_system.h"
#include "util/random.h"
#include "varve/db.h"
#include "varve/segment_writer.h"

namespace varve {
namespace {

// What a file says of keys: a value, or that it is deleted; and ranges.
struct Content {
  std::map<std::string, std::optional<std::string>> keys;
  std::vector<std::pair<std::string, std::string>> ranges;

  void Apply(State* state) const {
    for (const auto& [start, end] : ranges) {
      state->erase(state->lower_bound(start), state->lower_bound(end));
    }
    for (const auto& [key, value] : keys) {
      state->erase(key);
      if (value.has_value()) (*state)[key] = *value;
    }
  }
};

void WriteFile(const Options& options, const std::string& path, const Content& content) {
  SegmentWriter writer(options, path);
  for (const auto& [start, end] : content.ranges) {
    ASSERT_TRUE(writer.DeleteRange(start, end).ok());
  }
  for (const auto& [key, value] : content.keys) {
    ASSERT_TRUE((value.has_value() ? writer.Put(key, *value) : writer.Delete(key)).ok());
  }
  ExternalFileInfo info;
  const Status status = writer.Finish(&info);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(info.entries, content.keys.size());
}

class IngestTest : public ::testing::Test {
 protected:
  IngestTest() { Start({}); }
  void Start(const SimOptions& sim) {
    db_.reset();
    disk_ = SimFileSystem::New(sim);
    faults_ = FaultFileSystem::New(disk_);
    options_ = SimDatabaseOptions(faults_);
    ASSERT_TRUE(disk_->CreateDirectory("/in").ok());
    ASSERT_TRUE(disk_->SyncDirectory("/").ok());
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
    state_[key] = value;
  }
  uint64_t Property(const char* name) {
    uint64_t value = 0;
    EXPECT_TRUE(db_->GetIntProperty(name, &value));
    return value;
  }
  // Nothing of a refused ingestion is left.
  void ExpectRefused(const Status& status, Status::Code code) {
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_EQ(ReadAll(db_.get()), state_);
    std::vector<std::string> names;
    ASSERT_TRUE(disk_->ListDirectory("/db", &names).ok());
    uint64_t segments = 0;
    for (const std::string& name : names) segments += name.ends_with(".seg");
    EXPECT_EQ(segments, Property("varve.num-segments"));
  }

  std::shared_ptr<SimFileSystem> disk_;
  std::shared_ptr<FaultFileSystem> faults_;
  Options options_;
  std::unique_ptr<DB> db_;
  State state_;
};

TEST_F(IngestTest, WriterRefusesWhatIsNoSegment) {
  SegmentWriter writer(options_, "/in/a");
  ASSERT_TRUE(writer.Put("b", "1").ok());
  EXPECT_TRUE(writer.Put("b", "2").IsInvalidArgument());
  EXPECT_TRUE(writer.Delete("a").IsInvalidArgument());
  EXPECT_TRUE(writer.Merge("c", "1").IsInvalidArgument());  // there is no operator
  EXPECT_TRUE(writer.DeleteRange("z", "a").IsInvalidArgument());
  EXPECT_TRUE(writer.Put(std::string(70'000, 'k'), "").IsInvalidArgument());
  ASSERT_TRUE(writer.Put("c", "3").ok());  // and goes on
  ASSERT_TRUE(writer.Finish().ok());
  EXPECT_TRUE(writer.Put("d", "4").IsInvalidArgument());
  EXPECT_TRUE(writer.Finish().IsInvalidArgument());
  Open();
  ASSERT_TRUE(db_->Ingest({"/in/a"}).ok());
  EXPECT_EQ(ReadAll(db_.get()), (State{{"b", "1"}, {"c", "3"}}));
  // An existing file stays; what is not finished goes.
  SegmentWriter second(options_, "/in/a");
  EXPECT_FALSE(second.Put("x", "1").ok());
  FileInfo info;
  {
    SegmentWriter third(options_, "/in/b");
    ASSERT_TRUE(third.Put("x", "1").ok());
    EXPECT_TRUE(disk_->GetFileInfo("/in/b", &info).ok());
  }
  EXPECT_TRUE(disk_->GetFileInfo("/in/b", &info).IsNotFound());
  EXPECT_TRUE(disk_->GetFileInfo("/in/a", &info).ok());
}

TEST_F(IngestTest, NewestWinsOverAllThatWasWritten) {
  options_.history_retention_sequences = 1000;
  Open();
  for (const char* key : {"a", "b", "c", "d", "e", "f"}) Put(key, "old");
  ASSERT_TRUE(db_->Flush().ok());
  Put("b", "memtable");
  Put("d", "memtable");
  const auto snapshot = db_->GetSnapshot();
  const State before = state_;
  Content low, high;
  low.keys = {{"a", "new"}, {"b", std::nullopt}};
  high.keys = {{"d", "new"}, {"dd", "new"}};
  high.ranges = {{"c", "f"}};  // not what the file itself holds
  WriteFile(options_, "/in/1", low);
  WriteFile(options_, "/in/2", high);
  const uint64_t last = Property("varve.last-sequence");
  const Status status = db_->Ingest({"/in/2", "/in/1"});
  ASSERT_TRUE(status.ok()) << status.ToString();
  low.Apply(&state_);
  high.Apply(&state_);
  const State after{{"a", "new"}, {"d", "new"}, {"dd", "new"}, {"f", "old"}};
  ASSERT_EQ(state_, after);
  EXPECT_EQ(ReadAll(db_.get()), after);
  EXPECT_EQ(options_.statistics->Get(Counter::kIngestedFiles), 2u);
  // Its sequence is one: before it nothing of it, at it all.
  ReadOptions options;
  options.snapshot = snapshot.get();
  EXPECT_EQ(ReadAll(db_.get(), options), before);
  options.snapshot = nullptr;
  options.at_sequence = Property("varve.last-sequence");
  EXPECT_GT(*options.at_sequence, last);
  EXPECT_EQ(ReadAll(db_.get(), options), after);
  --*options.at_sequence;
  EXPECT_EQ(ReadAll(db_.get(), options), before);
  // What is written later wins.
  Put("a", "later");
  EXPECT_EQ(ReadAll(db_.get()), state_);
  ASSERT_TRUE(db_->Flush().ok());
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  EXPECT_EQ(ReadAll(db_.get()), state_);
  db_.reset();
  Open();
  EXPECT_EQ(ReadAll(db_.get()), state_);
}

// What was written while the segments were being made is older, and lies beneath them.
TEST_F(IngestTest, NewestWinsOverWhatIsWrittenMeanwhile) {
  Open();
  Put("a", "before");
  Content content;
  content.keys = {{"b", "file"}};
  content.ranges = {{"c", "d"}};
  WriteFile(options_, "/in/1", content);
  const size_t meanwhile = faults_->Inject({.op = FaultOp::kCreate,
                                            .nth = 2,
                                            .path_part = ".seg",
                                            .status = Status::OK(),
                                            .action = [this](const std::string&) {
                                              for (const char* key : {"a", "b", "c"})
                                                Put(key, "meanwhile");
                                            }});
  ASSERT_TRUE(db_->Ingest({"/in/1"}).ok());  // the first segment is that of the flush
  EXPECT_EQ(faults_->hits(meanwhile), 1u);
  content.Apply(&state_);
  ASSERT_EQ(state_, (State{{"a", "meanwhile"}, {"b", "file"}}));
  EXPECT_EQ(ReadAll(db_.get()), state_);
  std::string value;
  ASSERT_TRUE(db_->Get({}, "b", &value).ok());
  EXPECT_EQ(value, "file");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(ReadAll(db_.get()), state_);
  db_.reset();
  Open();
  EXPECT_EQ(ReadAll(db_.get()), state_);
}

TEST_F(IngestTest, OldestAddsOnlyWhatIsNotThere) {
  Open();
  Put("b", "mine");
  ASSERT_TRUE(db_->Flush().ok());
  Put("d", "mine");
  Put("e", "mine");
  ASSERT_TRUE(db_->Delete({}, "e").ok());
  state_.erase("e");
  const auto snapshot = db_->GetSnapshot();
  Content content;
  for (const char* key : {"a", "b", "c", "d", "e"}) content.keys[key] = "file";
  content.keys["b0"] = std::nullopt;
  content.ranges = {{"a", "z"}};
  WriteFile(options_, "/in/1", content);
  IngestOptions oldest;
  oldest.place = IngestPlace::kOldest;
  ASSERT_TRUE(db_->Ingest({"/in/1"}, oldest).ok());
  ReadOptions options;
  options.snapshot = snapshot.get();
  EXPECT_EQ(ReadAll(db_.get(), options), state_);  // a snapshot repeats itself
  for (const char* key : {"a", "c", "e"}) state_[key] = "file";
  EXPECT_EQ(ReadAll(db_.get()), state_);
  ASSERT_TRUE(db_->Ingest({"/in/1"}, oldest).ok());  // all there by now
  EXPECT_EQ(ReadAll(db_.get()), state_);
  db_.reset();
  Open();
  EXPECT_EQ(ReadAll(db_.get()), state_);
}

class Append : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "append"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    value->append(newer);
    return true;
  }
};

TEST_F(IngestTest, OperandsApplyToWhatIsThere) {
  options_.merge_operator = std::make_shared<Append>();
  Open();
  Put("a", "1");
  ASSERT_TRUE(db_->Merge({}, "b", "1").ok());
  {
    SegmentWriter writer(options_, "/in/1");
    for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(writer.Merge(key, "2").ok());
    ASSERT_TRUE(writer.Finish().ok());
  }
  IngestOptions oldest;
  oldest.place = IngestPlace::kOldest;
  ASSERT_TRUE(db_->Ingest({"/in/1"}, oldest).ok());
  EXPECT_EQ(ReadAll(db_.get()), (State{{"a", "1"}, {"b", "1"}, {"c", "2"}}));
  ASSERT_TRUE(db_->Ingest({"/in/1"}).ok());
  EXPECT_EQ(ReadAll(db_.get()), (State{{"a", "12"}, {"b", "12"}, {"c", "22"}}));
  ASSERT_TRUE(db_->CompactRange({}, std::nullopt, std::nullopt).ok());
  EXPECT_EQ(ReadAll(db_.get()), (State{{"a", "12"}, {"b", "12"}, {"c", "22"}}));
  db_.reset();
  options_.merge_operator = nullptr;
  Open();
  EXPECT_TRUE(db_->Ingest({"/in/1"}).IsInvalidArgument());
}

class BackwardComparator : public Comparator {
 public:
  int Compare(Slice a, Slice b) const override { return BytewiseComparator()->Compare(b, a); }
  const char* Name() const override { return "backward"; }
};

TEST_F(IngestTest, RefusesWhatItCannotTake) {
  Open();
  Put("k", "v");
  ASSERT_TRUE(db_->Flush().ok());
  Content a_to_c, b_to_d, c_on;
  a_to_c.keys = {{"a", "1"}, {"c", "1"}};
  b_to_d.keys = {{"b", "2"}, {"d", "2"}};
  c_on.ranges = {{"c", "x"}};
  WriteFile(options_, "/in/ac", a_to_c);
  WriteFile(options_, "/in/bd", b_to_d);
  WriteFile(options_, "/in/cx", c_on);
  ExpectRefused(db_->Ingest({"/in/ac", "/in/bd"}), Status::Code::kInvalidArgument);
  ExpectRefused(db_->Ingest({"/in/cx", "/in/ac"}), Status::Code::kInvalidArgument);
  ExpectRefused(db_->Ingest({"/in/ac", "/in/ac"}), Status::Code::kInvalidArgument);
  ExpectRefused(db_->Ingest({"/in/ac", "/in/absent"}), Status::Code::kNotFound);
  std::vector<std::string> names;
  ASSERT_TRUE(disk_->ListDirectory("/db", &names).ok());
  for (const std::string& name : names) {
    if (!name.ends_with(".seg")) continue;
    ExpectRefused(db_->Ingest({"/in/ac", "/db/" + name}), Status::Code::kInvalidArgument);
  }
  BackwardComparator backward;
  Options other = options_;
  other.comparator = &backward;
  Content one;
  one.keys = {{"x", "1"}};
  WriteFile(other, "/in/back", one);
  ExpectRefused(db_->Ingest({"/in/ac", "/in/back"}), Status::Code::kInvalidArgument);
  // Damage in a data block, found before anything is changed, or when the block is read.
  WriteFile(options_, "/in/bad", one);
  disk_->Damage("/in/bad", 20, "damage");
  IngestOptions unverified;
  unverified.verify_checksums = false;
  ExpectRefused(db_->Ingest({"/in/ac", "/in/bad"}), Status::Code::kCorruption);
  ExpectRefused(db_->Ingest({"/in/ac", "/in/bad"}, unverified), Status::Code::kCorruption);
  // Ranges that touch do not overlap.
  Content up_to_c;
  up_to_c.ranges = {{"a", "c"}};
  WriteFile(options_, "/in/uptoc", up_to_c);
  EXPECT_TRUE(db_->Ingest({"/in/cx", "/in/uptoc"}).ok());
  state_.clear();
  EXPECT_EQ(ReadAll(db_.get()), state_);
  EXPECT_TRUE(db_->Ingest({}).ok());
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(db_->Ingest({"/in/ac"}).IsAborted());
}

TEST_F(IngestTest, MovesFilesWhenAsked) {
  Open();
  Content content;
  content.keys = {{"a", "1"}};
  WriteFile(options_, "/in/1", content);
  FileInfo info;
  ASSERT_TRUE(db_->Ingest({"/in/1"}).ok());
  EXPECT_TRUE(disk_->GetFileInfo("/in/1", &info).ok());
  IngestOptions move;
  move.move_files = true;
  ASSERT_TRUE(db_->Ingest({"/in/1"}, move).ok());
  EXPECT_TRUE(disk_->GetFileInfo("/in/1", &info).IsNotFound());
  EXPECT_EQ(ReadAll(db_.get()), (State{{"a", "1"}}));
}

// At the oldest place a key that is there is left out. Where that was written while the ingestion
// flushed, it is durable when the ingestion returns, as nothing else has the key any more.
TEST_F(IngestTest, WhatIsThereInPlaceOfTheFilesIsDurable) {
  for (const bool logged : {true, false}) {
    SCOPED_TRACE(logged ? "logged" : "unlogged");
    Start({});
    options_.wal_sync = WalSyncMode::kNever;
    Open();
    ASSERT_TRUE(db_->Put({}, "x", "1").ok());
    Content content;
    content.keys = {{"a", "file"}};
    WriteFile(options_, "/in/1", content);
    const size_t flush =
        faults_->Inject({.op = FaultOp::kSync,
                         .path_part = ".seg",
                         .status = Status::OK(),
                         .action = [&](const std::string&) {
                           EXPECT_TRUE(db_->Put({.disable_wal = !logged}, "a", "memory").ok());
                         }});
    IngestOptions move;
    move.place = IngestPlace::kOldest;
    move.move_files = true;
    ASSERT_TRUE(db_->Ingest({"/in/1"}, move).ok());
    EXPECT_EQ(faults_->hits(flush), 1u);
    faults_->RemoveAll();
    const auto after = SimFileSystem::New({}, disk_->disk().PowerLoss(SimLoss::DropAll()));
    std::unique_ptr<DB> db;
    const Status status = DB::Open(SimDatabaseOptions(after), "/db", &db);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(ReadAll(db.get()), (State{{"a", "memory"}, {"x", "1"}}));
  }
}

// The sequences an ingestion skips are not what a retention counts.
TEST_F(IngestTest, SkippedSequencesDoNotCostHistory) {
  options_.history_retention_sequences = 10;
  Open();
  Put("k", "1");
  Put("k", "2");
  Content content;
  content.keys = {{"k", "3"}};
  WriteFile(options_, "/in/1", content);
  ASSERT_TRUE(db_->Ingest({"/in/1"}).ok());
  Put("j", "4");
  ASSERT_TRUE(db_->Flush().ok());
  ReadOptions options;
  options.at_sequence = 1;
  EXPECT_EQ(ReadAll(db_.get(), options), (State{{"k", "1"}}));
}

// Each operation fails in turn, on the database or on the files. Whatever the answer, all is there
// or nothing, at once and after the next opening; all of it after OK.
TEST_F(IngestTest, EachOperationFailsInTurn) {
  int failures = 0;
  for (const IngestPlace place : {IngestPlace::kNewest, IngestPlace::kOldest}) {
    for (size_t op = 0; op < kFaultOps; ++op) {
      for (uint64_t nth = 1;; ++nth) {
        SCOPED_TRACE("operation " + std::to_string(op) + ", number " + std::to_string(nth));
        Start({.track = false});
        state_.clear();
        Open();
        Put("b", "old");
        Put("x", "old");
        ASSERT_TRUE(db_->Flush().ok());
        Put("y", "old");
        Content one, two;
        one.keys = {{"a", "new"}, {"c", "new"}};
        two.keys = {{"m", "new"}, {"n", "new"}};
        WriteFile(options_, "/in/1", one);
        WriteFile(options_, "/in/2", two);
        State after = state_;
        one.Apply(&after);
        two.Apply(&after);
        const size_t fault = faults_->Inject({.op = static_cast<FaultOp>(op), .nth = nth});
        IngestOptions options;
        options.place = place;
        const Status status = db_->Ingest({"/in/1", "/in/2"}, options);
        const bool happened = faults_->hits(fault) != 0;
        faults_->RemoveAll();
        const State now = ReadAll(db_.get());
        if (status.ok()) {
          EXPECT_EQ(now, after);
        } else {
          ++failures;
          EXPECT_TRUE(now == state_ || now == after);
        }
        db_.reset();
        Open();
        const State reopened = ReadAll(db_.get());
        EXPECT_TRUE(reopened == after || (!status.ok() && reopened == state_));
        ASSERT_TRUE(db_->Ingest({"/in/1", "/in/2"}, options).ok());
        EXPECT_EQ(ReadAll(db_.get()), after);
        ASSERT_FALSE(HasFailure());
        if (!happened) break;
      }
    }
  }
  EXPECT_GT(failures, 20);
}

// A crash at any boundary leaves all of it or nothing, with all that was acknowledged before it;
// after it was acknowledged all, without the newest root too, since no log holds it.
TEST_F(IngestTest, ACrashLeavesAllOfItOrNothing) {
  Start({.seed = 5, .record = true});
  options_.wal_sync = WalSyncMode::kNever;
  Open();
  Put("b", "old");
  Put("m", "old");
  ASSERT_TRUE(db_->Flush().ok());
  Put("y", "old");  // in the log only, and never synced
  Content one, two;
  one.keys = {{"a", "new"}, {"b", std::nullopt}};
  two.keys = {{"m", "new"}, {"n", "new"}};
  WriteFile(options_, "/in/1", one);
  WriteFile(options_, "/in/2", two);
  const uint64_t begun_at = disk_->op_count();
  ASSERT_TRUE(db_->Ingest({"/in/1", "/in/2"}).ok());
  const uint64_t acknowledged_at = disk_->op_count();
  const State before = state_;
  one.Apply(&state_);
  two.Apply(&state_);
  State unflushed = before;
  unflushed.erase("y");
  db_.reset();
  SimReplay replay(&disk_->history());
  replay.AdvanceTo(begun_at);
  int all = 0, none = 0;
  for (; replay.position() <= acknowledged_at + 2 && !replay.AtEnd(); replay.Step()) {
    for (int kind = 0; kind < 6; ++kind) {
      SCOPED_TRACE("op " + std::to_string(replay.position()) + ", kind " + std::to_string(kind));
      SimDisk disk = kind == 0   ? replay.disk().Kill()
                     : kind == 1 ? replay.disk().PowerLoss(SimLoss::KeepAll())
                     : kind < 4
                         ? replay.disk().PowerLoss(SimLoss::Random(replay.position() * 8 + kind))
                         : replay.disk().PowerLoss(SimLoss::DropAll());
      if (kind == 5 && !DestroyNewestRoot("/db", &disk)) continue;
      Options options = SimDatabaseOptions(SimFileSystem::New({.track = false}, disk));
      std::unique_ptr<DB> db;
      const Status status = DB::Open(options, "/db", &db);
      ASSERT_TRUE(status.ok()) << status.ToString();
      const State found = ReadAll(db.get());
      if (found == state_) {
        ++all;
        continue;
      }
      ++none;
      ASSERT_TRUE(found == before || found == unflushed);
      ASSERT_LT(replay.position(), acknowledged_at);
    }
  }
  EXPECT_GT(all, 5);
  EXPECT_GT(none, 50);
}

// Ingestions among other operations, against an ordered map.
class IngestModelTest : public ::testing::TestWithParam<int> {};

TEST_P(IngestModelTest, AgreesWithAMap) {
  const uint64_t seed = GetParam() + 1;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const auto disk = SimFileSystem::New({.track = false});
  Options options = SimDatabaseOptions(disk);
  options.memtables_max = 3;
  options.flush_memtables_min = 1;
  ASSERT_TRUE(disk->CreateDirectory("/in").ok());
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  State state;
  std::vector<std::pair<std::unique_ptr<Snapshot>, State>> held;
  int files = 0;
  const auto key = [&] {
    return std::string(1, static_cast<char>('a' + random.Uniform(26))) +
           std::to_string(random.Uniform(4));
  };
  for (int step = 0; step < 250 && !HasFailure(); ++step) {
    const uint64_t dice = random.Uniform(100);
    const std::string value = std::to_string(step) + std::string(random.Uniform(300), 'v');
    if (dice < 40) {
      const std::string k = key();
      ASSERT_TRUE(db->Put({}, k, value).ok());
      state[k] = value;
    } else if (dice < 50) {
      const std::string a = key(), b = key();
      ASSERT_TRUE(db->DeleteRange({}, std::min(a, b), std::max(a, b)).ok());
      state.erase(state.lower_bound(std::min(a, b)), state.lower_bound(std::max(a, b)));
    } else if (dice < 70) {
      // Up to three files, each of the keys between two letters.
      IngestOptions ingest;
      ingest.place = random.OneIn(3) ? IngestPlace::kOldest : IngestPlace::kNewest;
      ingest.move_files = random.OneIn(2);
      ingest.verify_checksums = random.OneIn(2);
      std::vector<std::string> paths;
      const State before = state;
      for (int part = 0; part < 3; ++part) {
        if (random.OneIn(3)) continue;
        const auto within = [&] {
          return std::string(1, static_cast<char>('a' + part * 9 + random.Uniform(8))) +
                 std::to_string(random.Uniform(4));
        };
        Content content;
        for (uint64_t n = random.Uniform(6); n > 0; --n) {
          content.keys[within()] =
              random.OneIn(4) ? std::nullopt : std::optional<std::string>(value);
        }
        if (random.OneIn(2)) {
          const std::string a = within(), b = within();
          content.ranges.emplace_back(std::min(a, b), std::max(a, b));
        }
        paths.push_back("/in/" + std::to_string(files++));
        WriteFile(options, paths.back(), content);
        if (ingest.place == IngestPlace::kNewest) {
          content.Apply(&state);
        } else {
          for (const auto& [k, v] : content.keys) {
            if (v.has_value()) state.emplace(k, *v);
          }
        }
      }
      const Status status = db->Ingest(paths, ingest);
      ASSERT_TRUE(status.ok()) << status.ToString();
    } else if (dice < 75) {
      ASSERT_TRUE(db->Flush().ok());
    } else if (dice < 78) {
      ASSERT_TRUE(db->CompactRange({}, std::nullopt, std::nullopt).ok());
    } else if (dice < 82) {
      held.emplace_back(db->GetSnapshot(), state);
    } else if (dice < 84) {
      held.clear();
      ASSERT_TRUE(db->Close().ok());
      ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
    } else if (!held.empty() && random.OneIn(2)) {
      const auto& [snapshot, then] = held[random.Uniform(held.size())];
      ReadOptions read;
      read.snapshot = snapshot.get();
      ASSERT_EQ(ReadAll(db.get(), read), then);
    } else {
      ASSERT_EQ(ReadAll(db.get()), state);
    }
  }
  held.clear();
  ASSERT_EQ(ReadAll(db.get()), state);
  ASSERT_TRUE(db->Close().ok());
}

INSTANTIATE_TEST_SUITE_P(Seeds, IngestModelTest, ::testing::Range(0, 6));

}  // namespace
}  // namespace varve
