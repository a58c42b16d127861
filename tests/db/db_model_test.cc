// Random operations on a database and on an ordered map that does the same; every answer is
// compared.
//
// The name of a test ends with its seed less one, so --gtest_filter='*/3' replays seed 4;
// VARVE_TEST_OPERATIONS in the environment prolongs a run.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/sim_file_system.h"
#include "tests/support/temp_dir.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

using State = std::map<std::string, std::string>;

// Appends operands to a value, each behind a comma.
class ListOperator final : public MergeOperator {
 public:
  const char* Name() const override { return "test.List"; }
  bool FullMerge(Slice, const Slice* existing, std::span<const Slice> operands,
                 std::string* result) const override {
    if (existing != nullptr) result->assign(*existing);
    for (const Slice operand : operands) result->append(",").append(operand);
    return true;
  }
  bool PartialMerge(Slice, Slice older, Slice newer, std::string* result) const override {
    result->append(older).append(",").append(newer);
    return true;
  }
};
// Adds the numbers that values and operands begin with.
class SumOperator final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Sum"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    *value = std::to_string(std::strtoull(value->c_str(), nullptr, 10) +
                            std::strtoull(std::string(newer).c_str(), nullptr, 10));
    return true;
  }
};

class ModelRun {
 public:
  ModelRun(uint64_t seed, std::shared_ptr<FileSystem> file_system, const std::string& path)
      : random_(seed), path_(path) {
    options_.env.file_system = std::move(file_system);
    options_.create_if_missing = true;
    options_.memtable_bytes = size_t{64} << (10 + random_.Uniform(3));
    options_.memtables_max = 2 + random_.Uniform(8);
    options_.flush_memtables_min = 1 + random_.Uniform(options_.memtables_max - 1);
    options_.compression = static_cast<Compression>(random_.Uniform(4));
    options_.block_bytes = size_t{1024} << random_.Uniform(4);
    options_.filter_bits_per_key = random_.Uniform(2) * 10;
    DrawExtractor();
    options_.block_cache_bytes = random_.Uniform(2) * (256 << 10);
    options_.open_segments_max = 16;
    options_.wal_mapped = random_.Uniform(2) != 0;
    options_.wal_sync = static_cast<WalSyncMode>(random_.Uniform(2));
    options_.use_direct_reads = random_.Uniform(4) == 0;
    if (random_.Uniform(2) == 0) {
      options_.merge_operator = std::make_shared<ListOperator>();
    } else {
      options_.merge_operator = std::make_shared<SumOperator>();
    }
    merge_share_ = 1 + random_.Uniform(10);
    range_share_ = 1 + random_.Uniform(10);
    keys_ = 20 << random_.Uniform(8);
    value_bytes_ = 1 << random_.Uniform(11);
  }

  void Run(uint64_t operations) {
    Open();
    for (uint64_t i = 0; i < operations && !::testing::Test::HasFailure(); ++i) Step();
    Reopen();
    CompareAll(nullptr, state_);
    Close();
  }

 private:
  struct Held {
    std::unique_ptr<Snapshot> snapshot;
    State state;
  };
  struct Cursor {
    std::unique_ptr<Iterator> iterator;
    State state;
    State::const_iterator at;  // end(): invalid
  };

  void Open() {
    const Status status = DB::Open(options_, path_, &db_);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void Close() {
    held_.clear();
    cursors_.clear();
    const Status status = db_->Close();
    ASSERT_TRUE(status.ok()) << status.ToString();
    db_.reset();
  }
  void Reopen() {
    Close();
    options_.wal_mapped = random_.Uniform(2) != 0;
    if (random_.Uniform(2) == 0) DrawExtractor();
    Open();
  }
  void DrawExtractor() {
    const uint64_t dice = random_.Uniform(6);
    if (dice == 0) {
      options_.prefix_extractor = nullptr;
    } else if (dice < 5) {
      options_.prefix_extractor = NewFixedPrefixExtractor(dice);
    } else {
      options_.prefix_extractor = NewDelimiterPrefixExtractor('x', 1);
    }
  }

  std::string Key() {
    std::string key = std::to_string(random_.Uniform(keys_) * 7919 % 1000003);
    if (key.size() % 3 == 0) key += std::string(key.size(), 'x');  // prefixes of one another
    return key[0] == '1' ? key.substr(1) : key;                    // the empty key too
  }
  std::string Value() {
    std::string value = std::to_string(++values_) + ":";
    value.resize(value.size() + random_.Uniform(value_bytes_), 'v');
    return value;
  }
  WriteOptions RandomWriteOptions() {
    WriteOptions options;
    const uint64_t dice = random_.Uniform(400);
    options.sync = dice == 0;
    options.disable_wal = dice == 1;
    return options;
  }

  // From a key to one that is up to a dozen keys behind it, or to any.
  std::pair<std::string, std::string> Range() {
    std::string start = Key();
    if (random_.Uniform(20) == 0) return std::minmax({start, Key()});
    auto end = state_.lower_bound(start);
    for (uint64_t n = random_.Uniform(12); n > 0 && end != state_.end(); --n) ++end;
    return {start, end == state_.end() ? start + "0" : end->first};
  }
  static void EraseRange(State* state, const std::string& start, const std::string& end) {
    state->erase(state->lower_bound(start), state->lower_bound(end));
  }
  void MergeInto(State* state, const std::string& key, const std::string& operand) {
    const auto found = state->find(key);
    const Slice operands[] = {operand};
    std::string merged;
    Slice base;
    if (found != state->end()) base = found->second;
    ASSERT_TRUE(options_.merge_operator->FullMerge(key, found == state->end() ? nullptr : &base,
                                                   operands, &merged));
    (*state)[key] = merged;
  }

  void Step() {
    const uint64_t dice = random_.Uniform(1000);
    if (dice < 400) {
      const std::string key = Key(), value = Value();
      if (random_.Uniform(merge_share_) == 0) {
        ASSERT_TRUE(db_->Merge(RandomWriteOptions(), key, value.substr(0, 20)).ok());
        MergeInto(&state_, key, value.substr(0, 20));
      } else {
        ASSERT_TRUE(db_->Put(RandomWriteOptions(), key, value).ok());
        state_[key] = value;
      }
    } else if (dice < 500) {
      if (random_.Uniform(range_share_) == 0) {
        const auto [start, end] = Range();
        ASSERT_TRUE(db_->DeleteRange(RandomWriteOptions(), start, end).ok());
        EraseRange(&state_, start, end);
      } else {
        const std::string key = Key();
        ASSERT_TRUE(db_->Delete(RandomWriteOptions(), key).ok());
        state_.erase(key);
      }
    } else if (dice < 560) {
      WriteSomeBatch();
    } else if (dice < 760) {
      CompareGet();
    } else if (dice < 800) {
      CompareMultiGet();
    } else if (dice < 960) {
      MoveCursor();
    } else if (dice < 975) {
      if (held_.size() >= 4) held_.erase(held_.begin() + random_.Uniform(held_.size()));
      held_.push_back({db_->GetSnapshot(), state_});
    } else if (dice < 990) {
      NewCursor();
    } else if (dice < 993) {
      ASSERT_TRUE(db_->Flush({.wait = random_.Uniform(2) == 0}).ok());
    } else if (dice < 995) {
      ASSERT_TRUE(db_->SyncWAL().ok());
    } else if (dice < 996) {
      Reopen();
    } else if (dice < 997) {
      for (int n = 0; n < 20; ++n) ComparePrefix();
    } else if (dice < 998 && !held_.empty()) {
      const Held& held = held_[random_.Uniform(held_.size())];
      CompareAll(held.snapshot.get(), held.state);
    } else {
      CompareAll(nullptr, state_);
    }
  }

  void WriteSomeBatch() {
    WriteBatch batch;
    State after = state_;
    for (uint64_t n = random_.Uniform(20); n > 0; --n) {
      const std::string key = Key();
      const uint64_t dice = random_.Uniform(12);
      if (dice < 3) {
        ASSERT_TRUE(batch.Delete(key).ok());
        after.erase(key);
      } else if (dice == 3) {
        const auto [start, end] = Range();
        ASSERT_TRUE(batch.DeleteRange(start, end).ok());
        EraseRange(&after, start, end);
      } else if (dice == 4) {
        const std::string operand = Value().substr(0, 20);
        ASSERT_TRUE(batch.Merge(key, operand).ok());
        MergeInto(&after, key, operand);
      } else {
        const std::string value = Value();
        ASSERT_TRUE(batch.Put(key, value).ok());
        after[key] = value;
      }
    }
    ASSERT_TRUE(db_->Write(RandomWriteOptions(), batch).ok());
    state_ = std::move(after);
  }

  const State& PickState(const Snapshot** snapshot) {
    *snapshot = nullptr;
    if (held_.empty() || random_.Uniform(2) == 0) return state_;
    const Held& held = held_[random_.Uniform(held_.size())];
    *snapshot = held.snapshot.get();
    return held.state;
  }

  static void ExpectAnswer(const State& state, const std::string& key, const Status& status,
                           Slice value) {
    const auto expected = state.find(key);
    if (expected == state.end()) {
      EXPECT_TRUE(status.IsNotFound()) << key << ": " << status.ToString() << " " << value;
    } else {
      ASSERT_TRUE(status.ok()) << key << ": " << status.ToString();
      EXPECT_EQ(value, expected->second) << key;
    }
  }

  void CompareGet() {
    ReadOptions options;
    const State& state = PickState(&options.snapshot);
    const std::string key = Key();
    PinnedValue value;
    const Status status = db_->Get(options, key, &value);
    ExpectAnswer(state, key, status, value.slice());
  }

  void CompareMultiGet() {
    ReadOptions options;
    const State& state = PickState(&options.snapshot);
    std::vector<std::string> keys;
    for (uint64_t n = random_.Uniform(12); n > 0; --n) keys.push_back(Key());
    const std::vector<Slice> slices(keys.begin(), keys.end());
    std::vector<PinnedValue> values(keys.size());
    std::vector<Status> statuses(keys.size());
    db_->MultiGet(options, slices, values, statuses);
    for (size_t i = 0; i < keys.size(); ++i) {
      ExpectAnswer(state, keys[i], statuses[i], values[i].slice());
    }
  }

  void CompareAll(const Snapshot* snapshot, const State& state) {
    ReadOptions options;
    options.snapshot = snapshot;
    auto it = db_->NewIterator(options);
    auto expected = state.begin();
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++expected) {
      ASSERT_NE(expected, state.end()) << it->key();
      ASSERT_EQ(it->key(), expected->first);
      ASSERT_EQ(it->value(), expected->second);
    }
    ASSERT_TRUE(it->status().ok()) << it->status().ToString();
    ASSERT_EQ(expected, state.end());
    auto backward = state.rbegin();
    for (it->SeekToLast(); it->Valid(); it->Prev(), ++backward) {
      ASSERT_NE(backward, state.rend()) << it->key();
      ASSERT_EQ(it->key(), backward->first);
      ASSERT_EQ(it->value(), backward->second);
    }
    ASSERT_EQ(backward, state.rend());
  }

  // All keys that begin alike, or a part of them.
  void ComparePrefix() {
    const std::string key = Key();
    const std::string prefix = key.substr(0, 1 + random_.Uniform(5));
    const std::string lower = random_.Uniform(4) == 0 ? key : prefix;
    std::string upper = prefix + '~';  // behind all keys that begin so
    if (random_.Uniform(2) == 0 && !prefix.empty()) {
      upper = prefix;
      ++upper.back();
    }
    ReadOptions options;
    const State& state = PickState(&options.snapshot);
    options.lower_bound = lower;
    options.upper_bound = upper;
    const State expected(state.lower_bound(lower), state.lower_bound(upper));
    State found, backwards;
    const auto it = db_->NewIterator(options);
    for (it->SeekToFirst(); it->Valid(); it->Next()) found.emplace(it->key(), it->value());
    for (it->SeekToLast(); it->Valid(); it->Prev()) backwards.emplace(it->key(), it->value());
    ASSERT_TRUE(it->status().ok()) << it->status().ToString();
    ASSERT_EQ(found, expected) << "of [" << lower << ", " << upper << ")";
    ASSERT_EQ(backwards, expected) << "of [" << lower << ", " << upper << ")";
  }

  void NewCursor() {
    if (cursors_.size() >= 3) cursors_.erase(cursors_.begin());
    ReadOptions options;
    auto cursor = std::make_unique<Cursor>();
    cursor->state = state_;
    std::string lower = Key(), upper = Key();
    if (random_.Uniform(3) == 0) {
      options.lower_bound = lower;
      cursor->state.erase(cursor->state.begin(), cursor->state.lower_bound(lower));
    }
    if (random_.Uniform(3) == 0) {
      options.upper_bound = upper;
      cursor->state.erase(cursor->state.lower_bound(upper), cursor->state.end());
    }
    cursor->iterator = db_->NewIterator(options);
    cursor->at = cursor->state.end();
    cursors_.push_back(std::move(cursor));
  }

  void MoveCursor() {
    if (cursors_.empty()) return NewCursor();
    Cursor& cursor = *cursors_[random_.Uniform(cursors_.size())];
    Iterator& it = *cursor.iterator;
    const State& state = cursor.state;
    for (uint64_t n = random_.Uniform(10); n > 0; --n) {
      const std::string key = Key();
      const uint64_t dice = random_.Uniform(cursor.at == state.end() ? 4 : 12);
      if (dice == 0) {
        it.SeekToFirst();
        cursor.at = state.begin();
      } else if (dice == 1) {
        it.SeekToLast();
        cursor.at = state.empty() ? state.end() : std::prev(state.end());
      } else if (dice == 2) {
        it.Seek(key);
        cursor.at = state.lower_bound(key);
      } else if (dice == 3) {
        it.SeekForPrev(key);
        cursor.at = state.upper_bound(key);
        cursor.at = cursor.at == state.begin() ? state.end() : std::prev(cursor.at);
      } else if (dice < 8) {
        it.Next();
        ++cursor.at;
      } else {
        it.Prev();
        cursor.at = cursor.at == state.begin() ? state.end() : std::prev(cursor.at);
      }
      ASSERT_TRUE(it.status().ok()) << it.status().ToString();
      ASSERT_EQ(it.Valid(), cursor.at != state.end());
      if (!it.Valid()) continue;
      ASSERT_EQ(it.key(), cursor.at->first);
      ASSERT_EQ(it.value(), cursor.at->second);
    }
  }

  Random random_;
  const std::string path_;
  Options options_;
  uint64_t keys_, value_bytes_;
  uint64_t merge_share_, range_share_;  // one in so many puts is a merge, deletes a range's
  uint64_t values_ = 0;
  State state_;
  std::unique_ptr<DB> db_;
  std::vector<Held> held_;
  std::vector<std::unique_ptr<Cursor>> cursors_;
};

// One test a seed, so that they run side by side. Most on a file system in memory, where syncs cost
// nothing; some on the real one.
class DbModel : public ::testing::TestWithParam<uint64_t> {};

TEST_P(DbModel, AgreesWithAnOrderedMap) {
  ModelRun(GetParam(), SimFileSystem::New({.track = false}), "/db")
      .Run(FromEnvironment("VARVE_TEST_OPERATIONS", 10000));
}

TEST_P(DbModel, AgreesWithAnOrderedMapOnTheRealFileSystem) {
  TempDir dir;
  ModelRun(GetParam(), Env::Default().file_system, dir.File("db"))
      .Run(FromEnvironment("VARVE_TEST_OPERATIONS", 2000));
}

INSTANTIATE_TEST_SUITE_P(Seed, DbModel, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace varve
