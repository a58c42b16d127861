// Evictions and merges beside writers and readers: whoever reads finds nothing that is older than
// what was acknowledged before the read began. Under tsan, too.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "tests/db/ghost_fixture.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

class GhostConcurrentTest : public GhostTest {
 protected:
  static constexpr int kManyKeys = 24;
  static constexpr int kWrites = 1500;

  static std::string Name(int key) { return "key" + std::to_string(100 + key); }

  // Of the last acknowledged write of each key: a count that grows.
  std::array<std::atomic<uint64_t>, kManyKeys> acked_{};
  std::atomic<bool> done_{false};

  void ExpectNotOlder(int key, uint64_t acked, Slice value) {
    EXPECT_GE(std::stoull(std::string(value)), acked) << Name(key);
  }

  void Write() {
    Random random(1);
    for (uint64_t i = 1; i <= kWrites; ++i) {
      const int key = static_cast<int>(random.Uniform(kManyKeys));
      ASSERT_TRUE(db_->Put({}, Name(key), std::to_string(i)).ok());
      acked_[key].store(i, std::memory_order_release);
      if (i % 40 != 0) continue;
      ASSERT_TRUE(db_->Flush(FlushOptions()).ok());
    }
    done_.store(true, std::memory_order_release);
  }

  void ReadPoints(uint64_t seed) {
    Random random(seed);
    while (!done_.load(std::memory_order_acquire)) {
      const int key = static_cast<int>(random.Uniform(kManyKeys));
      const uint64_t acked = acked_[key].load(std::memory_order_acquire);
      std::string value;
      const Status status = db_->Get({}, Name(key), &value);
      ASSERT_TRUE(status.ok() || status.IsNotFound()) << status.ToString();
      if (status.ok()) ExpectNotOlder(key, acked, value);
    }
  }

  void ReadAllKeys() {
    std::vector<std::string> names;
    for (int key = 0; key < kManyKeys; ++key) names.push_back(Name(key));
    const std::vector<Slice> keys(names.begin(), names.end());
    while (!done_.load(std::memory_order_acquire)) {
      std::vector<uint64_t> acked;
      for (const auto& count : acked_) acked.push_back(count.load(std::memory_order_acquire));
      std::vector<PinnedValue> values(keys.size());
      std::vector<Status> statuses(keys.size());
      db_->MultiGet({}, keys, values, statuses);
      for (int key = 0; key < kManyKeys; ++key) {
        if (statuses[key].ok()) ExpectNotOlder(key, acked[key], values[key].slice());
      }
      const auto it = db_->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        const int key = std::stoi(std::string(it->key().substr(3))) - 100;
        ExpectNotOlder(key, acked[key], it->value());
      }
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        const int key = std::stoi(std::string(it->key().substr(3))) - 100;
        ExpectNotOlder(key, acked[key], it->value());
      }
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
    }
  }

  void EvictSegments(uint64_t seed) {
    Random random(seed);
    while (!done_.load(std::memory_order_acquire)) {
      const std::vector<FileNumber> live = LiveSegments();
      if (live.size() < 4) {
        GiveWay();
        continue;
      }
      const FileNumber victims[] = {live[random.Uniform(live.size())],
                                    live[random.Uniform(live.size())]};
      const Status status = impl()->Evict({victims, 1 + random.Uniform(2)}, EvictionReason::kRoom);
      ASSERT_TRUE(status.ok()) << status.ToString();
    }
  }

  void MergeNowAndThen() {
    while (!done_.load(std::memory_order_acquire)) {
      CompactRangeOptions options;
      options.rewrite_deepest = true;
      const Status status = db_->CompactRange(options, std::nullopt, std::nullopt);
      ASSERT_TRUE(status.ok()) << status.ToString();
      SleepFor(2'000'000);
    }
  }

  static void GiveWay() { SleepFor(100'000); }
  std::vector<FileNumber> LiveSegments() {
    std::string text;
    EXPECT_TRUE(db_->GetProperty("varve.segments", &text));
    std::vector<FileNumber> numbers;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("segment ", 0) == 0) numbers.push_back(std::stoull(line.substr(8)));
    }
    return numbers;
  }
};

TEST_F(GhostConcurrentTest, NothingStaleIsReadBesideEvictionsAndMerges) {
  options_.background_threads = 3;
  Open();
  {
    std::vector<Thread> threads;
    threads.emplace_back("write", [this] { Write(); });
    threads.emplace_back("points", [this] { ReadPoints(2); });
    threads.emplace_back("all", [this] { ReadAllKeys(); });
    threads.emplace_back("evict", [this] { EvictSegments(3); });
    threads.emplace_back("evict2", [this] { EvictSegments(4); });
    threads.emplace_back("merge", [this] { MergeNowAndThen(); });
  }
  EXPECT_GT(Counted(Counter::kEvictions), 0u);
  Close();
  Open();
  for (int key = 0; key < kManyKeys; ++key) {
    std::string value;
    const Status status = db_->Get({}, Name(key), &value);
    EXPECT_TRUE(status.IsNotFound() || std::stoull(value) == acked_[key].load()) << Name(key);
  }
  Close();
}

}  // namespace
}  // namespace varve
