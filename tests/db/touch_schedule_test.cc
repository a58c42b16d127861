// Touch and ExpireAt beside Put and Delete of the same keys, one interleaving a seed (Checklist
// C10): nothing comes between the read and the write of either, so no Put is ever lost to a value
// that was read before it, and no deleted key comes back.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/db/schedule_options.h"
#include "tests/support/baton_scheduler.h"
#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "util/random.h"
#include "util/thread.h"
#include "varve/db.h"

namespace varve {
namespace {

constexpr int kWrites = 40;
constexpr int kDeleteEvery = 7;

class Scenario {
 public:
  explicit Scenario(uint64_t seed) : seed_(seed), random_(seed), scheduler_({.seed = seed}) {
    options_ = BusyOptions(&random_);
    options_.logger = std::make_shared<QuietLogger>();
  }

  uint64_t Go() {
    scheduler_.Run([this] {
      options_.env = MakeSimEnv(SimFileSystem::New({.seed = seed_, .track = false}), seed_);
      options_.env.clock = scheduler_.clock();
      const Status status = DB::Open(options_, "/db", &db_);
      ASSERT_TRUE(status.ok()) << status.ToString();
      {
        std::vector<Thread> tasks;
        tasks.emplace_back("writer", [this] { Write(); });
        for (uint64_t i = 0; i < 3; ++i) {
          tasks.emplace_back("toucher", [this, i] { Touch(i); });
        }
        tasks.emplace_back("reader", [this] { Read(); });
      }
      Check(kWrites, kWrites);
      ASSERT_TRUE(db_->Flush().ok());
      Check(kWrites, kWrites);
      db_.reset();
    });
    return touched_;
  }

 private:
  // Number n is a value of n, or a delete.
  void Write() {
    Random random(seed_ * 31);
    for (int n = 1; n <= kWrites; ++n) {
      began_ = n;
      const std::string value = std::to_string(n) + std::string(random.Uniform(4000) + 1, '.');
      const Status status = n % kDeleteEvery == 0 ? db_->Delete({}, "k") : db_->Put({}, "k", value);
      ASSERT_TRUE(status.ok()) << status.ToString();
      acknowledged_ = n;
      if (random.OneIn(4)) SleepFor(random.Uniform(2'000'000));
    }
    done_ = true;
  }

  void Touch(uint64_t number) {
    Random random(seed_ * 37 + number);
    while (!done_) {
      WriteOptions options;
      options.ttl = std::chrono::hours(1 + random.Uniform(100));
      if (random.OneIn(3)) options.ttl = kNoTtl;
      options.disable_wal = random.OneIn(20);
      const Status status =
          random.OneIn(2) ? db_->Touch(options, "k") : db_->ExpireAt(options, "k", UINT64_MAX - 1);
      ASSERT_TRUE(status.ok() || status.IsNotFound()) << status.ToString();
      touched_ += status.ok();
      if (random.OneIn(3)) SleepFor(random.Uniform(1'000'000));
    }
  }

  void Read() {
    int last = 0;
    while (!done_ && !testing::Test::HasFailure()) {
      const int before = acknowledged_;
      std::string value;
      const Status status = db_->Get({}, "k", &value);
      const int after = began_;
      ASSERT_TRUE(status.ok() || status.IsNotFound()) << status.ToString();
      if (status.ok()) {
        const int n = std::stoi(value);
        EXPECT_GE(n, before);
        EXPECT_GE(n, last);
        EXPECT_LE(n, after);
        last = n;
      } else {
        // Some delete of those, or nothing was written yet.
        EXPECT_TRUE(before == 0 || after / kDeleteEvery > (before - 1) / kDeleteEvery)
            << before << " to " << after;
      }
      SleepFor(100'000);
    }
  }

  void Check(int from, int to) {
    std::string value;
    const Status status = db_->Get({}, "k", &value);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_GE(std::stoi(value), from);
    EXPECT_LE(std::stoi(value), to);
  }

  const uint64_t seed_;
  Random random_;
  BatonScheduler scheduler_;
  Options options_;
  std::unique_ptr<DB> db_;
  // Touched by the task that holds the baton.
  int began_ = 0, acknowledged_ = 0;
  bool done_ = false;
  uint64_t touched_ = 0;
};

TEST(TouchSchedule, NoPutIsLostToATouch) {
  uint64_t touched = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    touched += Scenario(seed).Go();
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(touched, 60u * 20);
}

}  // namespace
}  // namespace varve
