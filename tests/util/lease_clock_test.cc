// Engine time over what may happen to it: crashes, clocks that are set, marks that cannot be
// sealed.

#include "util/lease_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "util/random.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
// Noon of some day.
constexpr uint64_t kNoon = uint64_t{1'700'000'000'000} / (24 * kHour) * (24 * kHour) + 12 * kHour;

class TestClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return boot_ms * 1'000'000; }
  uint64_t BootMillis() override { return boot_ms; }
  uint64_t WallMillis() override { return wall_ms; }

  void Advance(uint64_t millis) {
    boot_ms += millis;
    wall_ms += millis;
  }

  uint64_t boot_ms = 5000;
  uint64_t wall_ms = kNoon;
};

// A directory whose two roots carry a mark each, and the clock of the process that has it open.
class Directory {
 public:
  explicit Directory(uint64_t mark_ms = 0, uint64_t jump_max_ms = kHour)
      : jump_max_ms_(jump_max_ms), roots_{mark_ms, mark_ms} {
    Open();
  }

  // `root` is the one that is left: 0 the newer, 1 the older.
  void Crash(int root = 0) {
    roots_[0] = roots_[1] = roots_[root];
    Open();
  }
  void Open() {
    LeaseClock::Options options;
    options.clock = clock;
    options.mark_ms = roots_[0];
    options.jump_max_ms = jump_max_ms_;
    options.away_max_ms = away_max_ms;
    options.doubt_ms = doubt_ms;
    options.seal_mark = [this](uint64_t mark_ms) { return Seal(mark_ms); };
    options.on_jump_refused = [this](const RefusedJump& jump) { refused.push_back(jump); };
    lease = std::make_unique<LeaseClock>(std::move(options));
  }
  uint64_t Now() { return lease->NowMillis(); }

  uint64_t newer_root() const { return roots_[0]; }
  uint64_t older_root() const { return roots_[1]; }

  enum class Fault { kNone, kCommit, kSeal };
  const std::shared_ptr<TestClock> clock = std::make_shared<TestClock>();
  std::unique_ptr<LeaseClock> lease;
  Fault fault = Fault::kNone;
  uint64_t away_max_ms = 0;  // from the next Open() on, both
  uint64_t doubt_ms = 0;
  uint64_t seal_takes_ms = 0;
  uint64_t seals = 0;  // tried
  std::vector<RefusedJump> refused;

 private:
  Status Seal(uint64_t mark_ms) {
    ++seals;
    clock->Advance(seal_takes_ms);
    EXPECT_GT(mark_ms, roots_[1]);
    if (fault == Fault::kCommit) return Status::IOError("planted");
    roots_[1] = roots_[0];
    roots_[0] = std::max(roots_[0], mark_ms);
    if (fault == Fault::kSeal) return Status::IOError("planted");
    roots_[1] = roots_[0];
    return Status::OK();
  }

  const uint64_t jump_max_ms_;
  uint64_t roots_[2];
};

TEST(LeaseClock, BeginsAtTheWallClockWhereThereIsNoMark) {
  Directory directory;
  EXPECT_EQ(directory.seals, 0u);  // nothing is sealed unless the time is read
  EXPECT_EQ(directory.Now(), kNoon);
  EXPECT_EQ(directory.older_root(), kNoon + LeaseClock::kLeaseMillis);
}

TEST(LeaseClock, GoesOnWithTheTimeSinceBoot) {
  Directory directory(kNoon + 5 * kSecond);
  EXPECT_EQ(directory.Now(), kNoon + 5 * kSecond);  // ahead of the wall clock
  for (uint64_t second = 1; second <= 100; ++second) {
    directory.clock->Advance(kSecond);
    EXPECT_EQ(directory.Now(), kNoon + (5 + second) * kSecond);
  }
  EXPECT_EQ(directory.seals, 1 + 100 / 6);  // one for each half of a lease that is used up
  EXPECT_TRUE(directory.refused.empty());
}

// "Expired at 12:30, crash, clock set to 12:10: it must stay expired." (RULES R7)
TEST(LeaseClock, WhatHasExpiredStaysExpired) {
  for (const int root : {0, 1}) {
    Directory directory;
    directory.Now();
    directory.clock->Advance(30 * kMinute + kSecond);
    const uint64_t expires_at = kNoon + 30 * kMinute;
    ASSERT_GE(directory.Now(), expires_at);
    directory.clock->wall_ms = kNoon + 10 * kMinute;
    EXPECT_GE(directory.Now(), expires_at);  // while it runs
    directory.Crash(root);
    EXPECT_GE(directory.Now(), expires_at);
    directory.clock->Advance(kMinute);
    EXPECT_GE(directory.Now(), expires_at + kMinute);  // and time goes on
    EXPECT_LT(directory.Now(), expires_at + 2 * kMinute);
  }
}

// A commit alone leaves the mark in one root, which a crash may destroy.
TEST(LeaseClock, OneRootIsNotEnough) {
  Directory directory;
  ASSERT_EQ(directory.Now(), kNoon);
  directory.fault = Directory::Fault::kSeal;
  directory.clock->Advance(kMinute);
  const uint64_t told = directory.Now();
  EXPECT_EQ(told, directory.older_root());
  EXPECT_LT(told, directory.newer_root());
  directory.Crash(1);
  directory.fault = Directory::Fault::kNone;
  directory.clock->wall_ms = kNoon;
  EXPECT_GE(directory.Now(), told);
}

TEST(LeaseClock, StandsStillWhereTheMarkCannotBeSealed) {
  Directory directory;
  ASSERT_EQ(directory.Now(), kNoon);
  directory.fault = Directory::Fault::kCommit;
  directory.clock->Advance(7 * kSecond);
  EXPECT_EQ(directory.Now(), kNoon + 7 * kSecond);  // the lease is not used up
  for (int minute = 0; minute < 90; ++minute) {
    directory.clock->Advance(kMinute);
    EXPECT_EQ(directory.Now(), kNoon + LeaseClock::kLeaseMillis);
  }
  // Not every reading tries it.
  const uint64_t seals = directory.seals;
  for (int i = 0; i < 10; ++i) directory.Now();
  EXPECT_EQ(directory.seals, seals);
  directory.fault = Directory::Fault::kNone;
  directory.clock->Advance(LeaseClock::kRetryMillis);
  EXPECT_EQ(directory.Now(), directory.clock->wall_ms);  // all of it at once: boot time went on
  EXPECT_EQ(directory.seals, seals + 1);
}

TEST(LeaseClock, ThereIsNoTimeWithoutAnyMark) {
  Directory directory;
  directory.fault = Directory::Fault::kCommit;
  EXPECT_EQ(directory.Now(), 0u);
  directory.fault = Directory::Fault::kNone;
  directory.clock->Advance(LeaseClock::kRetryMillis);
  EXPECT_EQ(directory.Now(), directory.clock->wall_ms);
}

TEST(LeaseClock, FollowsTheWallClockAhead) {
  Directory directory;
  directory.Now();
  directory.clock->wall_ms += kHour;
  EXPECT_EQ(directory.Now(), kNoon + kHour);
  EXPECT_GE(directory.older_root(), kNoon + kHour);
  directory.clock->wall_ms -= 2 * kHour;  // and never back
  EXPECT_EQ(directory.Now(), kNoon + kHour);
  directory.clock->Advance(kSecond);
  EXPECT_EQ(directory.Now(), kNoon + kHour + kSecond);
  EXPECT_TRUE(directory.refused.empty());
}

// A directory that was closed for a week takes the week for passed; it may have been a wrong clock,
// so nothing is dropped for it until a day later.
TEST(LeaseClock, AnOpenFollowsFurtherAndIsInDoubt) {
  constexpr uint64_t kDay = 24 * kHour;
  Directory directory;
  directory.Now();
  directory.away_max_ms = 366 * kDay;
  directory.doubt_ms = kDay;
  const uint64_t mark = directory.older_root();
  directory.clock->Advance(7 * kDay);
  directory.Open();
  const uint64_t opened = directory.clock->wall_ms;
  for (uint64_t hour = 0; hour < 24; ++hour) {
    EXPECT_EQ(directory.Now(), opened + hour * kHour);
    EXPECT_EQ(directory.lease->DropMillis(), mark + hour * kHour);
    EXPECT_LE(directory.newer_root(), mark + hour * kHour + LeaseClock::kLeaseMillis);
    EXPECT_EQ(directory.lease->mark_ms(), directory.older_root());
    directory.clock->Advance(kHour);
  }
  EXPECT_EQ(directory.Now(), opened + kDay);
  EXPECT_EQ(directory.lease->DropMillis(), opened + kDay);
  EXPECT_GE(directory.older_root(), opened + kDay);
  EXPECT_EQ(directory.lease->mark_ms(), directory.older_root());
  EXPECT_TRUE(directory.refused.empty());
}

// The clock was wrong, and is set right within the day: nothing was dropped, and after the next
// open it is as if it had never been.
TEST(LeaseClock, ADoubtThatWasRightLeavesNoTrace) {
  constexpr uint64_t kDay = 24 * kHour;
  Directory directory;
  directory.Now();
  directory.away_max_ms = 366 * kDay;
  directory.doubt_ms = kDay;
  directory.clock->wall_ms += 30 * kDay;
  directory.Open();
  const uint64_t mark = directory.older_root();
  EXPECT_EQ(directory.Now(), directory.clock->wall_ms);
  directory.clock->Advance(kHour);
  directory.clock->wall_ms -= 30 * kDay;
  EXPECT_EQ(directory.Now(), kNoon + 30 * kDay + kHour);  // never back while it runs
  directory.clock->Advance(10 * kDay);
  EXPECT_EQ(directory.lease->DropMillis(), mark + 10 * kDay + kHour);  // however long
  directory.Crash(1);
  EXPECT_LE(directory.Now(), directory.clock->wall_ms + 2 * LeaseClock::kLeaseMillis);
}

// Where losing is allowed there is no doubt; too far is refused there too.
TEST(LeaseClock, AnOpenWithoutDoubtMovesTheMark) {
  constexpr uint64_t kDay = 24 * kHour;
  Directory directory;
  directory.Now();
  directory.away_max_ms = 366 * kDay;
  directory.clock->Advance(7 * kDay);
  directory.Open();
  EXPECT_EQ(directory.Now(), directory.clock->wall_ms);
  EXPECT_EQ(directory.lease->DropMillis(), directory.clock->wall_ms);
  EXPECT_GT(directory.older_root(), directory.clock->wall_ms);
  const uint64_t mark = directory.older_root();
  directory.clock->wall_ms += 16 * 365 * kDay;
  directory.Open();
  EXPECT_EQ(directory.Now(), mark);
  EXPECT_EQ(directory.refused.size(), 1u);
}

// "A jump to 2040 must not expire everything for good."
TEST(LeaseClock, RefusesALargeJumpAndTellsItOnce) {
  Directory directory;
  directory.Now();
  directory.clock->wall_ms += 16 * 365 * 24 * kHour;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(directory.Now(), kNoon + i * kSecond);
    directory.clock->Advance(kSecond);
    if (i % 10 == 0) directory.clock->wall_ms += 1;  // as clocks are slewed
  }
  ASSERT_EQ(directory.refused.size(), 1u);
  EXPECT_EQ(directory.refused[0].now_ms, kNoon);
  EXPECT_EQ(directory.refused[0].wall_ms, kNoon + 16 * 365 * 24 * kHour);
  // Another one from there is told again; set right, the clock is followed again.
  directory.clock->wall_ms += 2 * kHour;
  directory.Now();
  EXPECT_EQ(directory.refused.size(), 2u);
  directory.clock->wall_ms = kNoon + 10 * kMinute;
  EXPECT_EQ(directory.Now(), kNoon + 10 * kMinute);
  directory.clock->wall_ms += 2 * kHour;
  EXPECT_EQ(directory.Now(), kNoon + 10 * kMinute);
  EXPECT_EQ(directory.refused.size(), 3u);
}

TEST(LeaseClock, ASealThatTakesLongerThanItsLease) {
  Directory directory;
  directory.seal_takes_ms = 3 * LeaseClock::kLeaseMillis;
  uint64_t told = directory.Now();
  for (int i = 0; i < 20; ++i) {
    const uint64_t seals = directory.seals;
    const uint64_t now = directory.Now();
    EXPECT_EQ(directory.seals, seals + 1);
    EXPECT_GT(now, told);
    EXPECT_LE(now, directory.older_root());
    told = now;
  }
}

TEST(LeaseClock, AnyMarkIsSafe) {  // it comes from a disk
  for (const uint64_t mark : {UINT64_MAX, UINT64_MAX - 1, uint64_t{1} << 63, uint64_t{1}}) {
    LeaseClock::Options options;
    options.clock = std::make_shared<TestClock>();
    options.mark_ms = mark;
    options.jump_max_ms = UINT64_MAX;
    options.seal_mark = [](uint64_t) { return Status::OK(); };
    LeaseClock lease(options);
    const uint64_t now = lease.NowMillis();
    EXPECT_GE(now, std::min(mark, kNoon));
    EXPECT_GE(lease.NowMillis(), now);
  }
}

TEST(LeaseClock, AMarkFarAheadIsSeen) {
  EXPECT_FALSE(LeaseClock::MarkIsFarAhead(kNoon, kNoon));
  EXPECT_FALSE(LeaseClock::MarkIsFarAhead(kNoon, kNoon + 48 * kHour));
  EXPECT_FALSE(LeaseClock::MarkIsFarAhead(kNoon + 24 * kHour, kNoon));
  EXPECT_TRUE(LeaseClock::MarkIsFarAhead(kNoon + 24 * kHour + 1, kNoon));
  EXPECT_FALSE(LeaseClock::MarkIsFarAhead(0, kNoon));
}

// Random histories. The model is what the time would be if there were no marks, and what was told.
TEST(LeaseClock, RandomHistories) {
  uint64_t stood_still = 0, followed = 0, refused = 0, crashes = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Directory directory(random.OneIn(3) ? 0 : kNoon - random.Uniform(kHour));
    TestClock& clock = *directory.clock;
    uint64_t free_running = directory.newer_root() != 0 ? directory.newer_root() : clock.wall_ms;
    uint64_t boot_before = clock.boot_ms;
    uint64_t told = 0;        // the highest ever
    uint64_t told_jumps = 0;  // as the model counts them
    bool refusing = false;
    uint64_t refused_ahead = 0;  // the wall clock less the time since boot, when it was refused
    for (int step = 0; step < 60; ++step) {
      switch (random.Uniform(9)) {
        case 0:
          clock.Advance(random.Uniform(random.OneIn(4) ? kHour : 20 * kSecond));
          break;
        case 1:  // set, one way or the other
          clock.wall_ms = clock.wall_ms + random.Uniform(3 * kHour) - kHour - kHour / 2;
          break;
        case 2:
          if (random.OneIn(4)) clock.wall_ms = kNoon + random.Uniform(40 * 365 * 24 * kHour);
          break;
        case 3:
          directory.fault = static_cast<Directory::Fault>(random.Uniform(3));
          break;
        case 4: {
          if (!random.OneIn(3)) break;
          ++crashes;
          directory.Crash(static_cast<int>(random.Uniform(2)));
          if (random.OneIn(2)) clock.boot_ms = random.Uniform(kHour);  // the machine, too
          directory.Open();
          free_running = directory.newer_root() != 0 ? directory.newer_root() : clock.wall_ms;
          boot_before = clock.boot_ms;
          refusing = false;
          break;
        }
        default: {
          free_running += clock.boot_ms - boot_before;
          boot_before = clock.boot_ms;
          if (clock.wall_ms > free_running + kHour) {
            const uint64_t ahead = clock.wall_ms - clock.boot_ms;
            if (!refusing || ahead > refused_ahead + kHour) {
              ++told_jumps;
              refused_ahead = ahead;
            }
            refusing = true;
          } else {
            refusing = false;
            if (clock.wall_ms > free_running) ++followed;
            free_running = std::max(free_running, clock.wall_ms);
          }
          const uint64_t now = directory.Now();
          ASSERT_GE(now, told);
          ASSERT_LE(now, directory.older_root());
          ASSERT_LE(now, directory.newer_root());
          ASSERT_EQ(now, std::min(free_running, directory.lease->mark_ms()));
          if (directory.fault == Directory::Fault::kNone && directory.seals > 0 &&
              now < free_running) {
            // Only until the next try is due.
            clock.Advance(LeaseClock::kRetryMillis);
            free_running += LeaseClock::kRetryMillis;
            boot_before = clock.boot_ms;
            ASSERT_EQ(directory.Now(), free_running);
          }
          if (now < free_running) ++stood_still;
          told = now;
          ASSERT_EQ(directory.refused.size(), told_jumps);
        }
      }
    }
    refused += told_jumps;
  }
  EXPECT_GT(stood_still, 1000u);
  EXPECT_GT(followed, 1000u);
  EXPECT_GT(refused, 100u);
  EXPECT_GT(crashes, 1000u);
}

}  // namespace
}  // namespace varve
