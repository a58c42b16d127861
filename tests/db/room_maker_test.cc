// The order of the steps by which room is made, and that a round ends.

#include "db/room_maker.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "util/mutex.h"
#include "util/thread.h"
#include "varve/env.h"

namespace varve {
namespace {

using Outcome = RoomMaker::Outcome;
constexpr uint64_t kSecond = 1'000'000'000;

// Each step gives `bytes` back, so many times.
class FakeSteps : public RoomMaker::Steps {
 public:
  explicit FakeSteps(SpaceLedger* ledger) : ledger_(ledger) {}
  void Has(RoomStep step, int times, uint64_t bytes) {
    MutexLock lock(&mu_);
    left_[step] = times;
    bytes_[step] = bytes;
  }
  bool Take(RoomStep step, uint64_t wanted) override {
    MutexLock lock(&mu_);
    ++asked_;
    last_wanted_ = wanted;
    if (left_[step] == 0) return false;
    --left_[step];
    taken_ += std::to_string(static_cast<int>(step));
    ledger_->Credit(bytes_[step]);
    return true;
  }
  std::string taken() {
    MutexLock lock(&mu_);
    return taken_;
  }
  int asked() {
    MutexLock lock(&mu_);
    return asked_;
  }
  uint64_t last_wanted() {
    MutexLock lock(&mu_);
    return last_wanted_;
  }

 private:
  SpaceLedger* const ledger_;
  Mutex mu_;
  std::map<RoomStep, int> left_ GUARDED_BY(mu_);
  std::map<RoomStep, uint64_t> bytes_ GUARDED_BY(mu_);
  std::string taken_ GUARDED_BY(mu_);
  int asked_ GUARDED_BY(mu_) = 0;
  uint64_t last_wanted_ GUARDED_BY(mu_) = 0;
};

class RoomMakerTest : public ::testing::Test {
 protected:
  RoomMakerTest()
      : clock_(Env::Default().clock),
        ledger_(clock_.get(), 100),
        steps_(&ledger_),
        room_(&ledger_, &steps_, clock_.get()) {
    ledger_.Charge(100);
  }
  std::shared_ptr<Clock> clock_;
  SpaceLedger ledger_;
  FakeSteps steps_;
  RoomMaker room_;
};

TEST_F(RoomMakerTest, TakesTheCheapestStepFirstAndBeginsAgainAfterEach) {
  steps_.Has(RoomStep::kRelease, 1, 5);
  steps_.Has(RoomStep::kLogs, 1, 5);
  steps_.Has(RoomStep::kExpired, 1, 5);
  steps_.Has(RoomStep::kVictims, 2, 5);
  steps_.Has(RoomStep::kFlush, 1, 5);
  steps_.Has(RoomStep::kRevoke, 1, 5);
  steps_.Has(RoomStep::kMemtable, 1, 5);
  EXPECT_EQ(room_.Wait(15, 60 * kSecond, true), Outcome::kMade);
  EXPECT_EQ(steps_.taken(), "012");
  EXPECT_EQ(room_.Wait(20, 60 * kSecond, true), Outcome::kMade);
  EXPECT_EQ(steps_.taken(), "0123");
  steps_.Has(RoomStep::kRelease, 1, 0);  // what the victims held
  EXPECT_EQ(room_.Wait(40, 60 * kSecond, true), Outcome::kMade);
  EXPECT_EQ(steps_.taken(),
            "0123"
            "0"
            "3456");
}

// Checklist E3: it stops where nothing gets on, and says so.
TEST_F(RoomMakerTest, StopsWhereNoStepGetsOn) {
  steps_.Has(RoomStep::kVictims, 3, 10);
  EXPECT_EQ(room_.Wait(31, 60 * kSecond, true), Outcome::kStuck);
  EXPECT_EQ(steps_.taken(), "333");
  EXPECT_EQ(ledger_.state().free, 30u);
  // Steps that get on and give nothing are used up all the same.
  steps_.Has(RoomStep::kRevoke, 5, 0);
  EXPECT_EQ(room_.Wait(31, 60 * kSecond, true), Outcome::kStuck);
  EXPECT_EQ(steps_.taken(), "33355555");
}

TEST_F(RoomMakerTest, WhoWaitsGoesOnWhenSomebodyElseGivesRoom) {
  Thread other("giver", [this] {
    while (steps_.asked() < 10) SleepFor(1'000'000);
    ledger_.Credit(50);
  });
  EXPECT_EQ(room_.Wait(50, 600 * kSecond, /*tell_stuck=*/false), Outcome::kMade);
  EXPECT_EQ(steps_.taken(), "");
}

TEST_F(RoomMakerTest, AWaitIsBounded) {
  EXPECT_EQ(room_.Wait(50, 50'000'000, /*tell_stuck=*/false), Outcome::kTimedOut);
  EXPECT_FALSE(room_.wanted());
}

TEST_F(RoomMakerTest, ACapacityThatWasLoweredCountsAsWanted) {
  ledger_.SetCapacity(40);
  EXPECT_EQ(room_.Wait(10, 60 * kSecond, true), Outcome::kStuck);
  EXPECT_EQ(steps_.last_wanted(), 70u);
}

TEST_F(RoomMakerTest, AheadTakesNothingThatCostsReadersOrWriters) {
  steps_.Has(RoomStep::kRelease, 1, 5);
  steps_.Has(RoomStep::kLogs, 1, 50);
  steps_.Has(RoomStep::kFlush, 1, 50);
  steps_.Has(RoomStep::kRevoke, 1, 50);
  steps_.Has(RoomStep::kMemtable, 1, 50);
  steps_.Has(RoomStep::kVictims, 2, 5);
  room_.Ahead(20, 30);
  while (room_.rounds() == 0) SleepFor(1'000'000);
  EXPECT_EQ(steps_.taken(), "033");
  room_.Ahead(15, 30);  // so much is free
  EXPECT_EQ(room_.rounds(), 1u);
}

TEST_F(RoomMakerTest, StopAnswersWhoWaits) {
  Outcome outcome = Outcome::kMade;
  Thread waiter("waiter", [&] { outcome = room_.Wait(50, 600 * kSecond, false); });
  while (!room_.wanted()) SleepFor(1'000'000);
  room_.Stop();
  waiter.Join();
  EXPECT_EQ(outcome, Outcome::kStopped);
  EXPECT_EQ(room_.Wait(50, kSecond, false), Outcome::kStopped);
}

}  // namespace
}  // namespace varve
