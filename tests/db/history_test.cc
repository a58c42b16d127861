// How far back the history reaches, and what reads at an explicit sequence find.

#include "db/history.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/db/destroy_root.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve {
namespace {

// A clock that stands still.
class ManualClock : public Clock {
 public:
  uint64_t MonotonicNanos() override { return millis * 1'000'000; }
  uint64_t BootMillis() override { return millis; }
  uint64_t WallMillis() override { return millis; }
  std::atomic<uint64_t> millis{1'000'000};
};

HistoryRetention Retention(uint64_t millis, uint64_t sequences) {
  HistoryRetention retention;
  retention.millis = millis;
  retention.sequences = sequences;
  return retention;
}

TEST(History, WithoutRetentionNothingOldIsKept) {
  ManualClock clock;
  History history(&clock, Retention(0, 0));
  history.Begin(10);
  EXPECT_EQ(history.Floor(10), 10u);
  EXPECT_EQ(history.Floor(99), 99u);
}

TEST(History, KeepsSoManySequences) {
  ManualClock clock;
  History history(&clock, Retention(0, 100));
  history.Begin(10);
  EXPECT_EQ(history.Floor(10), 0u);
  EXPECT_EQ(history.Floor(109), 0u);  // what was there at the opening has its hundred too
  EXPECT_EQ(history.Floor(110), 10u);
  EXPECT_EQ(history.Floor(111), 11u);
  EXPECT_EQ(history.Floor(5000), 4900u);
}

TEST(History, SkippedSequencesAreNotCounted) {
  ManualClock clock;
  History history(&clock, Retention(0, 100));
  history.Begin(0);
  history.Skip(50, 1000);
  EXPECT_EQ(history.Floor(50), 0u);  // by who does not see 1000 yet
  EXPECT_EQ(history.Floor(1000), 0u);
  EXPECT_EQ(history.Floor(1049), 0u);  // 50 in use from 1000 on, and 50 below
  EXPECT_EQ(history.Floor(1050), 1u);
  EXPECT_EQ(history.Floor(1099), 50u);
  EXPECT_EQ(history.Floor(1100), 1000u);
  EXPECT_EQ(history.Floor(1101), 1001u);
}

// However often sequences are skipped, history is let go: all that is older than a hundred in use.
TEST(History, SkipsMoreFrequentThanTheRetentionLetGoToo) {
  ManualClock clock;
  History history(&clock, Retention(0, 100));
  SequenceNumber published = 0;
  history.Begin(published);
  std::vector<SequenceNumber> used{published};
  for (int round = 0; round < 100; ++round) {
    history.Skip(published, published + 1'000'000);
    published += 1'000'000;
    used.push_back(published);
    for (int i = 0; i < 9; ++i) used.push_back(++published);
    EXPECT_EQ(history.Floor(published), used.size() > 100 ? used[used.size() - 101] : 0);
  }
}

TEST(History, LargestRetentionNeverLetsGo) {
  ManualClock clock;
  History history(&clock, Retention(UINT64_MAX, UINT64_MAX));
  history.Begin(0);
  EXPECT_EQ(history.Floor(0), 0u);
  clock.millis += 1'000'000'000;
  EXPECT_EQ(history.Floor(kMaxSequence), 0u);
}

TEST(History, KeepsSoManyMilliseconds) {
  ManualClock clock;
  History history(&clock, Retention(1000, 0));
  history.Begin(10);
  clock.millis += 500;
  EXPECT_EQ(history.Floor(20), 0u);
  clock.millis += 499;
  EXPECT_EQ(history.Floor(30), 0u);
  clock.millis += 1;  // what the opening found is as old as the retention
  EXPECT_EQ(history.Floor(40), 10u);
  clock.millis += 499;
  EXPECT_EQ(history.Floor(50), 10u);
  clock.millis += 1;
  EXPECT_EQ(history.Floor(60), 20u);
  clock.millis += 100'000;
  EXPECT_EQ(history.Floor(60), 50u);  // when 60 was published, nobody looked
  clock.millis += 1000;
  EXPECT_EQ(history.Floor(60), 60u);
}

TEST(History, WithBothAStateStaysAsLongAsEitherAsks) {
  ManualClock clock;
  History history(&clock, Retention(1000, 50));
  history.Begin(0);
  clock.millis += 1000;
  EXPECT_EQ(history.Floor(49), 0u);   // old enough, but too few sequences
  EXPECT_EQ(history.Floor(500), 0u);  // many sequences, all of them young
  clock.millis += 1000;
  EXPECT_EQ(history.Floor(500), 49u);  // the sample of a second ago, taken with 49 published
}

TEST(History, RetentionMayChange) {
  ManualClock clock;
  History history(&clock, Retention(0, 0));
  history.Begin(10);
  EXPECT_EQ(history.Floor(20), 20u);
  history.SetRetention(Retention(1000, 0));
  EXPECT_EQ(history.Floor(30), 0u);
  clock.millis += 1000;
  EXPECT_EQ(history.Floor(40), 10u);
  history.SetRetention(Retention(0, 5));
  EXPECT_EQ(history.Floor(40), 35u);
  history.SetRetention(Retention(0, 0));
  EXPECT_EQ(history.Floor(40), 40u);
}

// Against the definition: never above what was published a retention ago, and never further below
// than samples are apart. Memory stays bounded.
TEST(History, ErrsOnTheSideOfKeeping) {
  Random random(17);
  ManualClock clock;
  uint64_t retention = 10'000;
  History history(&clock, Retention(retention, 0));
  SequenceNumber published = 5;
  history.Begin(published);
  std::map<uint64_t, SequenceNumber> truth{{clock.millis, published}};  // by time
  for (int i = 0; i < 20'000; ++i) {
    clock.millis += random.Uniform(20);
    published += random.Uniform(10);
    truth[clock.millis] = published;
    const SequenceNumber floor = history.Floor(published);
    auto then = truth.upper_bound(clock.millis - retention);
    const SequenceNumber exact = then == truth.begin() ? 0 : std::prev(then)->second;
    ASSERT_LE(floor, exact);
    then = truth.upper_bound(clock.millis - retention - retention / History::kSamplesMax - 20);
    ASSERT_GE(floor, then == truth.begin() ? 0 : std::prev(then)->second);
    ASSERT_LE(history.samples(), History::kSamplesMax + 2);
  }
}

// ---- Databases --------------------------------------------------------------------------------

using State = std::map<std::string, std::string>;

uint64_t Property(DB* db, const char* name) {
  uint64_t value = 0;
  EXPECT_TRUE(db->GetIntProperty(std::string("varve.") + name, &value)) << name;
  return value;
}

Options MakeOptions(const std::shared_ptr<SimFileSystem>& file_system, uint64_t seed) {
  Options options;
  options.env = MakeSimEnv(file_system, seed);
  options.create_if_missing = true;
  options.memtable_bytes = 64 << 10;
  options.memtables_max = 4;
  options.flush_memtables_min = 1;
  options.logger = std::make_shared<QuietLogger>();
  return options;
}

// What Get, MultiGet and both directions of an iterator find at a sequence.
Status ReadAt(DB* db, uint64_t sequence, const std::vector<std::string>& keys, State* state) {
  ReadOptions options;
  options.at_sequence = sequence;
  state->clear();
  const auto it = db->NewIterator(options);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    state->emplace(std::string(it->key()), std::string(it->value()));
  }
  const Status status = it->status();
  State backwards;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    backwards.emplace(std::string(it->key()), std::string(it->value()));
  }
  EXPECT_EQ(*state, backwards);
  const std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db->MultiGet(options, slices, values, statuses);
  for (size_t i = 0; i < keys.size(); ++i) {
    std::string value;
    const Status got = db->Get(options, keys[i], &value);
    if (status.ok() && (got.IsTooOld() || statuses[i].IsTooOld())) {
      EXPECT_GT(Property(db, "retained-sequence"), sequence);  // a compaction came in between
      continue;
    }
    if (status.ok()) {
      EXPECT_EQ(got, statuses[i]) << got.ToString() << " and " << statuses[i].ToString();
    }
    const auto found = state->find(keys[i]);
    if (!status.ok()) {
      EXPECT_EQ(got, status) << got.ToString();
    } else if (found == state->end()) {
      EXPECT_TRUE(got.IsNotFound()) << got.ToString();
    } else {
      EXPECT_EQ(value, found->second);
      EXPECT_EQ(values[i].slice(), Slice(found->second));
    }
  }
  return status;
}

class DbHistoryTest : public ::testing::Test {
 protected:
  DbHistoryTest()
      : file_system_(SimFileSystem::New({.track = false})), options_(MakeOptions(file_system_, 1)) {
    options_.env.clock = clock_;
    options_.compaction_style = CompactionStyle::kNone;  // flushes alone let history go
  }
  void Open() {
    const Status status = DB::Open(options_, "/db", &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(db_->Put({}, key, value).ok());
  }
  // The value, "-" if there is none, or the code's name.
  std::string GetAt(const std::string& key, uint64_t sequence) {
    ReadOptions options;
    options.at_sequence = sequence;
    std::string value;
    const Status status = db_->Get(options, key, &value);
    if (status.ok()) return value;
    return status.IsNotFound() ? "-" : StatusCodeName(status.code());
  }

  const std::shared_ptr<SimFileSystem> file_system_;
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Options options_;
  std::unique_ptr<DB> db_;
};

TEST_F(DbHistoryTest, ReadsTheStateAfterASequence) {
  options_.history_retention_sequences = 1000;
  Open();
  Put("k", "1");
  Put("k", "2");
  ASSERT_TRUE(db_->Delete({}, "k").ok());
  Put("k", "4");
  for (int flushed = 0; flushed < 2; ++flushed) {
    EXPECT_EQ(GetAt("k", 0), "-");
    EXPECT_EQ(GetAt("k", 1), "1");
    EXPECT_EQ(GetAt("k", 2), "2");
    EXPECT_EQ(GetAt("k", 3), "-");
    EXPECT_EQ(GetAt("k", 4), "4");
    ASSERT_TRUE(db_->Flush().ok());
  }
  db_.reset();
  Open();
  EXPECT_EQ(GetAt("k", 2), "2");
}

TEST_F(DbHistoryTest, RefusesTheFutureAndASnapshotBesides) {
  Open();
  Put("k", "1");
  EXPECT_EQ(GetAt("k", 1), "1");
  EXPECT_EQ(GetAt("k", 2), "InvalidArgument");
  EXPECT_EQ(GetAt("k", UINT64_MAX), "InvalidArgument");
  const auto snapshot = db_->GetSnapshot();
  ReadOptions both;
  both.snapshot = snapshot.get();
  both.at_sequence = 1;
  std::string value;
  EXPECT_TRUE(db_->Get(both, "k", &value).IsInvalidArgument());
  EXPECT_TRUE(db_->NewIterator(both)->status().IsInvalidArgument());
}

// Checklist C3: each of the keys has one version, so nothing is collected; the answer is the same.
TEST_F(DbHistoryTest, BelowTheRetainedSequenceIsTooOldThoughNothingWasCollected) {
  Open();
  Put("a", "1");
  Put("b", "2");
  EXPECT_EQ(GetAt("a", 1), "1");
  EXPECT_EQ(Property(db_.get(), "retained-sequence"), 0u);
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Property(db_.get(), "retained-sequence"), 2u);
  EXPECT_EQ(GetAt("a", 1), "TooOld");
  EXPECT_EQ(GetAt("absent", 0), "TooOld");
  EXPECT_EQ(GetAt("a", 2), "1");
  ReadOptions options;
  options.at_sequence = 1;
  const auto it = db_->NewIterator(options);
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().IsTooOld()) << it->status().ToString();
  db_.reset();
  Open();
  EXPECT_EQ(GetAt("a", 1), "TooOld");
}

TEST_F(DbHistoryTest, ASnapshotBelowTheRetainedSequenceKeepsWorking) {
  Open();
  Put("k", "old");
  const auto snapshot = db_->GetSnapshot();
  Put("k", "new");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "TooOld");
  ReadOptions options;
  options.snapshot = snapshot.get();
  std::string value;
  ASSERT_TRUE(db_->Get(options, "k", &value).ok());
  EXPECT_EQ(value, "old");
}

// An iterator pins its state; asked anew, the state may be gone.
TEST_F(DbHistoryTest, AnIteratorOutlivesTheRetentionUntilItIsRefreshed) {
  Open();
  Put("k", "old");
  ReadOptions options;
  options.at_sequence = 1;
  const auto it = db_->NewIterator(options);
  Put("k", "new");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "TooOld");
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid()) << it->status().ToString();
  EXPECT_EQ(it->value(), "old");
  EXPECT_TRUE(it->Refresh().IsTooOld());
}

TEST_F(DbHistoryTest, TimeLetsGo) {
  options_.history_retention_ms = 60'000;
  Open();
  Put("k", "1");
  clock_->millis += 10'000;
  ASSERT_TRUE(db_->Flush().ok());  // a sample: 1
  Put("k", "2");
  clock_->millis += 30'000;
  ASSERT_TRUE(db_->Flush().ok());  // a sample: 2
  Put("k", "3");
  EXPECT_EQ(GetAt("k", 0), "-");
  clock_->millis += 30'000;
  ASSERT_TRUE(db_->Flush().ok());  // 60 s after the first sample
  EXPECT_EQ(Property(db_.get(), "retained-sequence"), 1u);
  EXPECT_EQ(GetAt("k", 0), "TooOld");
  EXPECT_EQ(GetAt("k", 1), "1");
  EXPECT_EQ(GetAt("k", 2), "2");
  Put("k", "4");
  clock_->millis += 29'999;
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "1");
  Put("k", "5");
  clock_->millis += 1;
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "TooOld");
  EXPECT_EQ(GetAt("k", 2), "2");
}

TEST_F(DbHistoryTest, RetentionIsLive) {
  options_.history_retention_sequences = 1000;
  Open();
  for (int i = 1; i <= 20; ++i) Put("k", std::to_string(i));
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "1");
  ASSERT_TRUE(db_->SetOptions({{"history_retention_sequences", "5"}}).ok());
  for (int i = 21; i <= 30; ++i) Put("k", std::to_string(i));
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(Property(db_.get(), "retained-sequence"), 25u);
  EXPECT_EQ(GetAt("k", 24), "TooOld");
  EXPECT_EQ(GetAt("k", 25), "25");
  EXPECT_EQ(GetAt("k", 29), "29");
  ASSERT_TRUE(db_->SetOptions({{"history_retention_sequences", "0"}}).ok());
  Put("k", "31");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 30), "TooOld");
}

// An unclean end skips sequences by the million: they are not what a retention counts.
TEST_F(DbHistoryTest, SkippedSequencesDoNotCount) {
  options_.history_retention_sequences = 10;
  Open();
  for (int i = 1; i <= 5; ++i) Put("k", std::to_string(i));
  ASSERT_TRUE(db_->SyncWAL().ok());
  const SimDisk disk = file_system_->disk().Kill();
  const auto after = SimFileSystem::New({.track = false}, disk);
  db_.reset();
  options_.env.file_system = after;
  Open();
  const uint64_t opened_at = Property(db_.get(), "last-sequence");
  ASSERT_GT(opened_at, 1000u);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(GetAt("k", i), std::to_string(i));
  EXPECT_EQ(GetAt("k", opened_at), "5");
  for (int i = 6; i <= 14; ++i) Put("k", std::to_string(i));
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "1");
  Put("k", "15");
  ASSERT_TRUE(db_->Flush().ok());
  EXPECT_EQ(GetAt("k", 1), "TooOld");
  EXPECT_EQ(GetAt("k", opened_at), "5");
  EXPECT_EQ(GetAt("k", opened_at + 1), "6");
}

// Replayed without a retention, only the newest version of each key is kept, and said to be.
TEST_F(DbHistoryTest, RecoveryKeepsHistoryOnlyWhereItIsWanted) {
  options_.history_retention_sequences = 10;
  Open();
  for (int i = 1; i <= 5; ++i) Put("k", std::to_string(i));
  const SimDisk disk = file_system_->disk().Kill();
  db_.reset();
  options_.history_retention_sequences = 0;
  options_.env.file_system = SimFileSystem::New({.track = false}, disk);
  Open();
  EXPECT_EQ(GetAt("k", 4), "TooOld");
  EXPECT_EQ(GetAt("k", Property(db_.get(), "last-sequence")), "5");
}

// Random writes, flushes, reopenings and changes of the retention against the state after every
// sequence. Every state from the retained sequence on is there, exactly; none below is given out;
// and the retained sequence is never above what the retention allows.
class HistoryModelTest : public ::testing::TestWithParam<int> {};

TEST_P(HistoryModelTest, EveryRetainedStateIsExact) {
  const uint64_t seed = GetParam() + 1;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  const auto file_system = SimFileSystem::New({.track = false});
  Options options = MakeOptions(file_system, seed);
  // Half of the runs never do without.
  const auto retention = [&] { return (seed % 2 + random.Uniform(2)) * 60; };
  options.history_retention_sequences = retention();
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
  std::vector<std::string> keys;
  for (int i = 0; i < 12; ++i) keys.push_back(std::string(1 + i % 3, static_cast<char>('a' + i)));
  std::vector<State> states(1);  // by sequence: clean closes skip none
  uint64_t retained_max = 0;     // what any retention so far allowed
  uint64_t too_old = 0, in_history = 0;
  const auto write = [&](size_t entries) {
    WriteBatch batch;
    for (size_t i = 0; i < entries; ++i) {
      const std::string& key = keys[random.Uniform(keys.size())];
      State next = states.back();
      if (random.OneIn(4)) {
        ASSERT_TRUE(batch.Delete(key).ok());
        next.erase(key);
      } else {
        const std::string value =
            std::to_string(states.size()) + std::string(random.Uniform(60), 'v');
        ASSERT_TRUE(batch.Put(key, value).ok());
        next[key] = value;
      }
      states.push_back(std::move(next));
    }
    ASSERT_TRUE(db->Write({}, batch).ok());
  };
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    const uint64_t dice = random.Uniform(100);
    const uint64_t last = states.size() - 1;
    retained_max =
        std::max(retained_max, last - std::min(last, options.history_retention_sequences));
    if (dice < 60) {
      write(1 + random.Uniform(3));
    } else if (dice < 66) {
      ASSERT_TRUE(db->Flush().ok());
    } else if (dice < 67) {
      ASSERT_TRUE(db->CompactRange({}, std::nullopt, std::nullopt).ok());
    } else if (dice < 68) {
      options.history_retention_sequences = retention();
      ASSERT_TRUE(db->Close().ok());
      ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
    } else if (dice < 69) {
      options.history_retention_sequences = retention();
      const std::string value = std::to_string(options.history_retention_sequences);
      ASSERT_TRUE(db->SetOptions({{"history_retention_sequences", value}}).ok());
    } else {
      ASSERT_EQ(Property(db.get(), "last-sequence"), states.size() - 1);
      const uint64_t at =
          random.OneIn(3)
              ? Property(db.get(), "retained-sequence")
              : states.size() - 1 - random.Uniform(std::min<uint64_t>(states.size(), 150));
      const uint64_t retained_before = Property(db.get(), "retained-sequence");
      State found;
      const Status status = ReadAt(db.get(), at, keys, &found);
      const uint64_t retained_after = Property(db.get(), "retained-sequence");
      if (status.ok()) {
        ASSERT_EQ(found, states[at]) << "at " << at << " of " << states.size() - 1;
        ASSERT_GE(at, retained_before);
        in_history += at + 1 < states.size();
      } else {
        ASSERT_TRUE(status.IsTooOld()) << status.ToString();
        ASSERT_LT(at, retained_after);
        ++too_old;
      }
      ASSERT_LE(retained_after, retained_max);
    }
  }
  EXPECT_GT(in_history, 0u);
  EXPECT_GT(too_old, 0u);
  ASSERT_TRUE(db->Close().ok());
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryModelTest, ::testing::Range(0, 8));

// What a crash leaves: 0, of the process; 1, of the machine, with some of what was not synced;
// above, with none of it.
SimDisk CrashImage(const SimDisk& disk, int kind, Random* random) {
  if (kind == 0) return disk.Kill();
  return disk.PowerLoss(kind == 1 ? SimLoss::Random(random->Next()) : SimLoss::DropAll());
}

// Checklist C4, N8: at every boundary of a run with history, a crash leaves a retained sequence
// under which every state from there on is whole, also if it destroys the newest root besides.
TEST(HistoryCrash, TheRetainedSequenceIsTrueAfterACrash) {
  const auto file_system = SimFileSystem::New({.seed = 3, .record = true});
  Options options = MakeOptions(file_system, 3);
  options.history_retention_sequences = 20;
  options.wal_mapped = false;
  // Compactions only when told to. One beside the writes would count the retention from what was
  // published by then, which a crash may take.
  options.compaction_style = CompactionStyle::kNone;
  const std::vector<std::string> keys{"a", "b", "c"};
  std::vector<State> states(1);
  {
    Random random(3);
    std::unique_ptr<DB> db;
    ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
    for (int i = 0; i < 90; ++i) {
      const std::string& key = keys[random.Uniform(keys.size())];
      State next = states.back();
      next[key] = std::to_string(i);
      ASSERT_TRUE(db->Put({}, key, next[key]).ok());
      states.push_back(std::move(next));
      if (i % 9 == 8) {
        ASSERT_TRUE(db->Flush().ok());
      }
      if (i % 36 == 35) {
        ASSERT_TRUE(db->CompactRange({}, std::nullopt, std::nullopt).ok());
      }
    }
    ASSERT_GE(Property(db.get(), "retained-sequence"), 60u);
  }
  Random random(4);
  SimReplay replay(&file_system->history());
  uint64_t images = 0, collected = 0, destroyed = 0;
  while (!replay.AtEnd()) {
    replay.Step();
    if (!random.OneIn(4)) continue;
    for (int kind = 0; kind < 4; ++kind) {
      SCOPED_TRACE("op " + std::to_string(replay.position()) + ", kind " + std::to_string(kind));
      SimDisk disk = CrashImage(replay.disk(), kind, &random);
      if (disk.Find("/db/MANIFEST") == 0) continue;
      if (kind == 3 && !DestroyNewestRoot("/db", &disk)) continue;
      options.env.file_system = SimFileSystem::New({.track = false}, disk);
      std::unique_ptr<DB> db;
      const Status status = DB::Open(options, "/db", &db);
      ASSERT_TRUE(status.ok()) << status.ToString();
      // The newest state says how much survived; all before it were in one prefix.
      State newest;
      ASSERT_TRUE(ReadAt(db.get(), Property(db.get(), "last-sequence"), keys, &newest).ok());
      uint64_t last = 0;
      for (const auto& [key, value] : newest)
        last = std::max<uint64_t>(last, std::stoull(value) + 1);
      ASSERT_EQ(newest, states[last]);
      const uint64_t retained = Property(db.get(), "retained-sequence");
      ASSERT_LE(retained, last < 20 ? 0 : last - 20);
      collected += retained > 0;
      for (uint64_t at = retained; at <= last; ++at) {
        State found;
        ASSERT_TRUE(ReadAt(db.get(), at, keys, &found).ok()) << at;
        ASSERT_EQ(found, states[at]) << "at " << at << ", retained from " << retained << " on";
      }
      ++images;
      destroyed += kind == 3;
    }
  }
  EXPECT_GT(images, 100u);
  EXPECT_GT(collected, 20u);
  EXPECT_GT(destroyed, 20u);
}

// The same where a compaction lets go what every flush had kept, as nobody asks for it any more: no
// commit but its own can say so. Checklist C4.
TEST(HistoryCrash, WhatACompactionCollectsIsSaidToBeGone) {
  const auto file_system = SimFileSystem::New({.seed = 5, .record = true});
  Options options = MakeOptions(file_system, 5);
  options.history_retention_sequences = 1000;
  options.wal_mapped = false;
  options.compaction_style = CompactionStyle::kNone;
  const std::vector<std::string> keys{"k"};
  {
    std::unique_ptr<DB> db;
    ASSERT_TRUE(DB::Open(options, "/db", &db).ok());
    for (const char* value : {"1", "2"}) {
      ASSERT_TRUE(db->Put({}, "k", value).ok());
      ASSERT_TRUE(db->Flush().ok());
    }
    ASSERT_EQ(Property(db.get(), "retained-sequence"), 0u);
    ASSERT_TRUE(db->SetOptions({{"history_retention_sequences", "0"}}).ok());
    ASSERT_TRUE(db->CompactRange({}, std::nullopt, std::nullopt).ok());
    ASSERT_EQ(Property(db.get(), "num-entries"), 1u);
  }
  Random random(6);
  SimReplay replay(&file_system->history());
  uint64_t there = 0, gone = 0;
  while (!replay.AtEnd()) {
    replay.Step();
    for (int kind = 0; kind < 3; ++kind) {
      SCOPED_TRACE("op " + std::to_string(replay.position()) + ", kind " + std::to_string(kind));
      SimDisk disk = CrashImage(replay.disk(), kind, &random);
      if (disk.Find("/db/MANIFEST") == 0) continue;
      options.env.file_system = SimFileSystem::New({.track = false}, disk);
      std::unique_ptr<DB> db;
      const Status status = DB::Open(options, "/db", &db);
      ASSERT_TRUE(status.ok()) << status.ToString();
      std::string newest;
      if (!db->Get({}, "k", &newest).ok()) continue;  // nothing was durable yet
      State then;
      const Status read = ReadAt(db.get(), 1, keys, &then);
      if (read.ok()) {
        ASSERT_EQ(then, (State{{"k", "1"}}));
      } else {
        ASSERT_TRUE(read.IsTooOld()) << read.ToString();
      }
      ++(read.ok() ? there : gone);
    }
  }
  EXPECT_GT(there, 10u);
  EXPECT_GT(gone, 10u);
}

}  // namespace
}  // namespace varve
