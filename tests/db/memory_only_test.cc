#include "db/memory_only.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/baton_scheduler.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/thread.h"

namespace varve {
namespace {

TEST(MemoryOnlyProbe, LeavesNothingBehind) {
  auto sim = SimFileSystem::New();
  ASSERT_TRUE(sim->CreateDirectory("/db").ok());
  EXPECT_TRUE(MemoryOnly::Probe(sim.get(), "/db").ok());
  std::vector<std::string> names;
  ASSERT_TRUE(sim->ListDirectory("/db", &names).ok());
  EXPECT_TRUE(names.empty());
}

// Each call it makes has to succeed, and what one that failed has left does not stop the next.
TEST(MemoryOnlyProbe, FailsWithEveryStep) {
  auto sim = SimFileSystem::New();
  ASSERT_TRUE(sim->CreateDirectory("/db").ok());
  uint64_t failed = 0;
  for (uint64_t nth = 1;; ++nth) {
    SimFault fault;
    fault.nth = nth;
    sim->InjectFault(fault);
    const Status status = MemoryOnly::Probe(sim.get(), "/db");
    const bool hit = sim->calls_failed() > 0;
    sim->ClearFault();
    EXPECT_EQ(status.ok(), !hit) << nth << ": " << status.ToString();
    EXPECT_TRUE(MemoryOnly::Probe(sim.get(), "/db").ok()) << nth;
    if (!hit) break;
    ++failed;
  }
  EXPECT_GE(failed, 6u);  // remove, create, write, sync, close, remove, sync of the directory
}

// Under the scheduler its time is virtual.
class MemoryOnlyTest : public ::testing::Test {
 protected:
  MemoryOnlyTest() { EXPECT_TRUE(sim_->CreateDirectory("/db").ok()); }

  MemoryOnly::Steps StepsThat() {
    MemoryOnly::Steps steps;
    steps.leave = [this] {
      ++leaves_;
      if (leaves_ <= failing_leaves_) return Status::IOError("no mark");
      away_ = true;
      return Status::OK();
    };
    steps.is_away = [this] { return away_; };
    steps.come_back = [this] {
      ++returns_;
      if (returns_ <= failing_returns_) return Status::IOError("gone again");
      away_ = false;
      return Status::OK();
    };
    return steps;
  }
  static constexpr uint64_t kSecond = 1'000'000'000;

  void Run(const std::function<void(MemoryOnly*)>& body) {
    scheduler_.Run([&] {
      const auto clock = scheduler_.clock();
      MemoryOnly memory_only(sim_.get(), clock.get(), "/db", StepsThat());
      body(&memory_only);
    });
  }

  BatonScheduler scheduler_{{.seed = 3}};
  std::shared_ptr<SimFileSystem> sim_ = SimFileSystem::New();
  int leaves_ = 0, failing_leaves_ = 0, returns_ = 0, failing_returns_ = 0;
  bool away_ = false;
};

TEST_F(MemoryOnlyTest, WithoutAFailureNothingHappens) {
  Run([](MemoryOnly*) { SleepFor(60 * kSecond); });
  EXPECT_EQ(leaves_, 0);
}

TEST_F(MemoryOnlyTest, LeavesAtOnceAndComesBackWithTheFirstGoodProbe) {
  Run([this](MemoryOnly* memory_only) {
    SimFault fault;
    fault.calls = kSimCreate;
    fault.forever = true;
    sim_->InjectFault(fault);
    memory_only->Begin();
    SleepFor(kSecond);
    EXPECT_TRUE(away_);
    SleepFor(65 * kSecond);
    EXPECT_TRUE(away_);
    EXPECT_EQ(returns_, 0);
    EXPECT_EQ(sim_->calls_failed(), 6u);  // one probe every ten seconds
    sim_->ClearFault();
    SleepFor(10 * kSecond);
    EXPECT_FALSE(away_);
    SleepFor(60 * kSecond);
  });
  EXPECT_EQ(leaves_, 1);
  EXPECT_EQ(returns_, 1);
}

TEST_F(MemoryOnlyTest, WhatFailsIsTriedAgain) {
  failing_leaves_ = 2;
  failing_returns_ = 3;
  Run([this](MemoryOnly* memory_only) {
    memory_only->Begin();
    SleepFor(15 * kSecond);
    EXPECT_FALSE(away_);
    SleepFor(10 * kSecond);
    EXPECT_TRUE(away_);
    SleepFor(35 * kSecond);
    EXPECT_TRUE(away_);
    SleepFor(10 * kSecond);
    EXPECT_FALSE(away_);
  });
  EXPECT_EQ(leaves_, 3);
  EXPECT_EQ(returns_, 4);
}

TEST_F(MemoryOnlyTest, LeavesAgainAfterTheNextFailure) {
  Run([this](MemoryOnly* memory_only) {
    for (int i = 1; i <= 3; ++i) {
      memory_only->Begin();
      SleepFor(kSecond);
      EXPECT_TRUE(away_);
      SleepFor(11 * kSecond);
      EXPECT_FALSE(away_);
      EXPECT_EQ(leaves_, i);
    }
  });
}

// Checklist L1: the wait for a probe holds up no close.
TEST_F(MemoryOnlyTest, StopEndsTheWait) {
  Run([this](MemoryOnly* memory_only) {
    memory_only->Begin();
    SleepFor(kSecond);
    const uint64_t before = scheduler_.now_nanos();
    memory_only->Stop();
    EXPECT_LT(scheduler_.now_nanos() - before, kSecond);
    memory_only->Begin();
    memory_only->Stop();
  });
  EXPECT_EQ(leaves_, 1);
}

}  // namespace
}  // namespace varve
