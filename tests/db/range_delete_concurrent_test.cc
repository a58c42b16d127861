// Readers beside writers that delete ranges and merge, while flushes and compactions run below.

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "util/hash.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr int kStripes = 6;
constexpr int kKeys = 16;  // of a stripe

std::string Start(int stripe) { return "s" + std::to_string(stripe) + "/"; }
std::string End(int stripe) { return "s" + std::to_string(stripe) + "0"; }  // '0' is after '/'
std::string KeyOf(int stripe, int key) { return Start(stripe) + std::to_string(10 + key); }

// Which keys a stripe has after its write number `n`; none at times.
bool Has(uint64_t n, int key) {
  return n != 0 && n % 17 != 0 && Mix64(n * 131 + static_cast<uint64_t>(key)) % 3 == 0;
}

// Operands are joined by '+'.
class Join final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Join"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    value->append("+").append(newer);
    return true;
  }
};

// What a key has: the number, or, where it came by operands, the number and "+m".
std::string ValueOf(uint64_t n, int key, size_t padding) {
  return std::to_string(n) + ":" + std::string(padding, 'p') + (key % 2 == 0 ? "" : "+m");
}

// One batch replaces all of a stripe: what was there is deleted as a range. At times keys are put
// before the range and must not show.
void Replace(DB* db, int stripe, uint64_t n, size_t padding, const WriteOptions& options) {
  WriteBatch batch;
  if (n % 3 == 0) {
    for (int key = 0; key < kKeys; ++key) ASSERT_TRUE(batch.Put(KeyOf(stripe, key), "x").ok());
  }
  if (n % 2 == 0) {
    ASSERT_TRUE(batch.DeleteRange(Start(stripe), End(stripe)).ok());
  } else {  // in two pieces that overlap
    ASSERT_TRUE(batch.DeleteRange(Start(stripe), KeyOf(stripe, 9)).ok());
    ASSERT_TRUE(batch.DeleteRange(KeyOf(stripe, 5), End(stripe)).ok());
  }
  const std::string value = std::to_string(n) + ":" + std::string(padding, 'p');
  for (int key = 0; key < kKeys; ++key) {
    if (!Has(n, key)) continue;
    if (key % 4 == 3) {  // operands alone, no base
      ASSERT_TRUE(batch.Merge(KeyOf(stripe, key), value).ok());
    } else {
      ASSERT_TRUE(batch.Put(KeyOf(stripe, key), value).ok());
    }
    if (key % 2 == 1) {
      ASSERT_TRUE(batch.Merge(KeyOf(stripe, key), "m").ok());
    }
  }
  const Status status = db->Write(options, batch);
  ASSERT_TRUE(status.ok()) << status.ToString();
}

// What a reader found of a stripe, by key; empty where there was none.
using Found = std::vector<std::string>;

Found ByIterator(DB* db, const ReadOptions& options, int stripe, bool backward) {
  Found found(kKeys);
  const auto it = db->NewIterator(options);
  const auto take = [&] {
    const int key = std::stoi(std::string(it->key().substr(Start(stripe).size()))) - 10;
    ASSERT_TRUE(key >= 0 && key < kKeys) << it->key();
    EXPECT_TRUE(found[key].empty());
    found[key] = std::string(it->value());
  };
  if (backward) {
    for (it->SeekForPrev(End(stripe)); it->Valid() && it->key() >= Start(stripe); it->Prev()) {
      take();
    }
  } else {
    for (it->Seek(Start(stripe)); it->Valid() && it->key() < End(stripe); it->Next()) take();
  }
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  return found;
}

Found ByKey(DB* db, const ReadOptions& options, int stripe, bool at_once) {
  std::vector<std::string> keys;
  for (int key = 0; key < kKeys; ++key) keys.push_back(KeyOf(stripe, key));
  const std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<PinnedValue> values(kKeys);
  std::vector<Status> statuses(kKeys);
  if (at_once) {
    db->MultiGet(options, slices, values, statuses);
  } else {
    for (int key = 0; key < kKeys; ++key) statuses[key] = db->Get(options, keys[key], &values[key]);
  }
  Found found(kKeys);
  for (int key = 0; key < kKeys; ++key) {
    EXPECT_TRUE(statuses[key].ok() || statuses[key].IsNotFound()) << statuses[key].ToString();
    if (statuses[key].ok()) found[key] = values[key].ToString();
  }
  return found;
}

// The number of the write that `found` is the whole outcome of; 0 for an empty stripe.
uint64_t NumberOf(const Found& found) {
  uint64_t n = 0;
  for (const std::string& value : found) {
    if (!value.empty()) n = std::stoull(value);
  }
  if (n == 0) return 0;
  for (int key = 0; key < kKeys; ++key) {
    EXPECT_EQ(!found[key].empty(), Has(n, key)) << "write " << n << ", key " << key;
    if (found[key].empty() || !Has(n, key)) continue;
    const size_t padding = found[key].find_last_of('p');
    const size_t colon = found[key].find(':');
    EXPECT_EQ(found[key], ValueOf(n, key, padding == std::string::npos ? 0 : padding - colon));
  }
  return n;
}

TEST(RangeDeleteConcurrent, ReadersSeeStripesReplacedWhole) {  // Checklist C5, C8, S4, W15
  TempDir dir;
  Options options;
  options.create_if_missing = true;
  options.merge_operator = std::make_shared<Join>();
  options.memtable_bytes = 64 << 10;
  options.memtables_max = 4;
  options.flush_memtables_min = 1;
  options.level0_runs_trigger = 2;
  options.level_base_bytes = 64 << 10;
  options.block_cache_bytes = 256 << 10;
  options.wal_sync_interval_ms = 5;
  std::unique_ptr<DB> db;
  ASSERT_TRUE(DB::Open(options, dir.File("db"), &db).ok());

  constexpr int kWriters = 2, kReaders = 2, kRounds = 700;
  std::atomic<uint64_t> acknowledged[kStripes] = {};
  std::atomic<int> writing{kWriters};
  std::vector<Thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back("writer", [&, w] {
      Random random(w + 1);
      for (uint64_t n = 1; n <= kRounds; ++n) {
        const int stripe = static_cast<int>(random.Uniform(kStripes / kWriters)) * kWriters + w;
        WriteOptions write;
        write.disable_wal = n % 200 == 7;
        // At times long enough that the group is inserted side by side.
        Replace(db.get(), stripe, n, random.Uniform(100) + (n % 20 == 0 ? 8000 : 0), write);
        acknowledged[stripe].store(n);
        if (n % 250 == 0) {
          EXPECT_TRUE(db->Flush().ok());
        }
      }
      --writing;
    });
  }
  for (int r = 0; r < kReaders; ++r) {
    threads.emplace_back("reader", [&, r] {
      Random random(100 + r);
      while (writing.load() != 0 && !testing::Test::HasFailure()) {
        const int stripe = static_cast<int>(random.Uniform(kStripes));
        const uint64_t floor = acknowledged[stripe].load();
        const auto snapshot = db->GetSnapshot();
        ReadOptions read;
        read.snapshot = snapshot.get();
        const Found found = ByIterator(db.get(), read, stripe, false);
        const uint64_t n = NumberOf(found);
        if (n == 0) {
          // Empty after a write that leaves nothing, or before the first.
          bool may_be_empty = floor == 0;
          for (uint64_t later = floor; later <= kRounds; ++later) {
            bool any = false;
            for (int key = 0; key < kKeys; ++key) any |= Has(later, key);
            may_be_empty |= !any;
          }
          EXPECT_TRUE(may_be_empty);
        } else {
          EXPECT_GE(n, floor) << "a stale read of stripe " << stripe;
        }
        // The snapshot reads the same in every way, whatever is flushed and compacted meanwhile.
        EXPECT_EQ(ByIterator(db.get(), read, stripe, true), found);
        EXPECT_EQ(ByKey(db.get(), read, stripe, random.OneIn(2)), found);
        NumberOf(ByKey(db.get(), {}, stripe, true));  // without one, whole all the same
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  if (testing::Test::HasFailure()) return;

  for (int round = 0; round < 3; ++round) {  // and compacted, and after a reopen
    for (int stripe = 0; stripe < kStripes; ++stripe) {
      const Found found = ByIterator(db.get(), {}, stripe, false);
      const uint64_t last = acknowledged[stripe].load();
      for (int key = 0; key < kKeys; ++key) EXPECT_EQ(!found[key].empty(), Has(last, key));
      NumberOf(found);
    }
    if (round == 0) {
      ASSERT_TRUE(db->CompactRange({}, std::nullopt, std::nullopt).ok());
    } else {
      ASSERT_TRUE(db->Close().ok());
      ASSERT_TRUE(DB::Open(options, dir.File("db"), &db).ok());
    }
  }
}

}  // namespace
}  // namespace varve
