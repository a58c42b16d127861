// Checklist E9: one limit, and what is held of it is known at any time.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "util/memory_budget.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

TEST(MemoryCharge, LastsAsLongAsItLives) {
  const auto budget = std::make_shared<MemoryBudget>();
  {
    MemoryCharge log(budget, MemoryPart::kLogs, 100);
    EXPECT_EQ(budget->held(MemoryPart::kLogs), 100u);
    MemoryCharge memtable(budget, MemoryPart::kMemtables);
    EXPECT_EQ(budget->held(), 100u);
    memtable.Set(50);
    memtable.Set(30);
    EXPECT_EQ(budget->held(MemoryPart::kMemtables), 30u);
    EXPECT_EQ(budget->held(), 130u);
    MemoryCharge moved = std::move(log);
    EXPECT_EQ(moved.bytes(), 100u);
    EXPECT_EQ(budget->held(), 130u);
    memtable = std::move(moved);  // what it had goes, what it gets is of another part
    EXPECT_EQ(budget->held(MemoryPart::kMemtables), 0u);
    EXPECT_EQ(budget->held(MemoryPart::kLogs), 100u);
  }
  EXPECT_EQ(budget->held(), 0u);
}

TEST(MemoryCharge, WithoutABudgetOnlyCounts) {
  MemoryCharge charge(nullptr, MemoryPart::kGhosts, 7);
  charge.Set(9);
  EXPECT_EQ(charge.bytes(), 9u);
}

TEST(MemoryCharge, OutlivesWhoMadeTheBudget) {
  MemoryCharge charge;
  charge = MemoryCharge(std::make_shared<MemoryBudget>(), MemoryPart::kSegments, 5);
  charge.Set(6);
}

TEST(MemoryBudget, TellsOfStepsAlone) {
  const auto budget = std::make_shared<MemoryBudget>(12800);  // a step is 100
  int told = 0;
  budget->SetListener([&] { ++told; });
  EXPECT_EQ(told, 1);
  MemoryCharge charge(budget, MemoryPart::kMemtables);
  for (int i = 1; i <= 99; ++i) charge.Set(i);
  EXPECT_EQ(told, 1);
  charge.Set(100);
  EXPECT_EQ(told, 2);
  for (int i = 100; i > 0; --i) charge.Set(i);
  EXPECT_EQ(told, 2);
  charge.Set(0);
  EXPECT_EQ(told, 3);
  budget->SetLimit(1280);
  EXPECT_EQ(told, 4);
  charge.Set(10);
  EXPECT_EQ(told, 5);
  budget->SetLimit(MemoryBudget::kUnlimited);
  charge.Set(uint64_t{1} << 60);
  EXPECT_EQ(told, 6);
  budget->SetListener(nullptr);
  budget->SetLimit(1);
  charge.Set(0);
  EXPECT_EQ(told, 6);
}

// What a cache does: giving way frees what is charged as well.
TEST(MemoryBudget, ListenerMayRelease) {
  const auto budget = std::make_shared<MemoryBudget>(128);
  MemoryCharge yields(budget, MemoryPart::kSegments, 60);
  std::vector<uint64_t> seen;
  budget->SetListener([&] {
    seen.push_back(budget->held());
    if (budget->held() > 100) yields.Set(yields.bytes() - 20);
  });
  MemoryCharge grows(budget, MemoryPart::kGhosts, 70);
  EXPECT_EQ(budget->held(), 90u);
  EXPECT_EQ(seen, (std::vector<uint64_t>{60, 130, 110, 90}));
  budget->SetListener(nullptr);  // before `seen` goes
}

// Whatever the interleaving, the last call of the listener comes after the last step.
TEST(MemoryBudget, NobodyIsForgotten) {
  constexpr int kRounds = 200;
  constexpr int kThreads = 3;
  const auto budget = std::make_shared<MemoryBudget>(128);
  std::atomic<uint64_t> last{0};
  budget->SetListener([&] { last.store(budget->held()); });
  for (int round = 0; round < kRounds; ++round) {
    std::vector<MemoryCharge> charges;
    for (int i = 0; i < kThreads; ++i) charges.emplace_back(budget, MemoryPart::kMemtables);
    {
      std::vector<Thread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back("charges", [&, i] {
          Random random(static_cast<uint64_t>(round * kThreads + i));
          for (int n = 0; n < 20; ++n) charges[i].Set(random.Uniform(1000));
          charges[i].Set(1 + i);
        });
      }
    }
    ASSERT_EQ(budget->held(), 6u);
    ASSERT_EQ(last.load(), 6u);
  }
}

}  // namespace
}  // namespace varve
