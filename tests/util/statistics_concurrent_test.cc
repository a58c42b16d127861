#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "util/histogram.h"
#include "util/thread.h"
#include "varve/statistics.h"

namespace varve {
namespace {

TEST(Statistics, CountsFromManyThreadsAreNotLost) {
  const auto statistics = Statistics::Create();
  constexpr int kThreads = 8, kRounds = 4, kAdds = 5000;
  for (int round = 0; round < kRounds; ++round) {  // threads end, and their stripes go to others
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("counter", [&] {
        for (int i = 0; i < kAdds; ++i) {
          statistics->Add(Counter::kGets, 1);
          statistics->Add(Counter::kWalBytes, 100);
          statistics->Record(Latency::kGet, i);
        }
      });
    }
  }
  EXPECT_EQ(statistics->Get(Counter::kGets), uint64_t{kThreads} * kRounds * kAdds);
  EXPECT_EQ(statistics->Get(Counter::kWalBytes), uint64_t{kThreads} * kRounds * kAdds * 100);
  EXPECT_EQ(statistics->Get(Counter::kWrites), 0u);
  const HistogramData gets = statistics->GetHistogram(Latency::kGet);
  EXPECT_EQ(gets.count, uint64_t{kThreads} * kRounds * kAdds);
  EXPECT_EQ(gets.minimum, 0u);
  EXPECT_EQ(gets.maximum, uint64_t{kAdds} - 1);
  EXPECT_NEAR(static_cast<double>(gets.median), kAdds / 2.0, kAdds / 2.0 / 64 + 1);
  EXPECT_EQ(gets.average, (kAdds - 1) / 2.0);
}

// More threads at once than there are stripes of one's own: the last of them add at the same time.
TEST(Statistics, ManyThreadsShareTheLastStripe) {
  const auto statistics = Statistics::Create(false);
  constexpr uint64_t kThreads = 90, kAdding = 10, kAdds = 1'000'000;
  std::atomic<uint64_t> arrived{0}, adding{0};
  {
    std::vector<Thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back("counter", [&] {
        const uint32_t index = ThreadIndex();
        ++arrived;
        for (SpinWait wait; arrived.load() < kThreads;) wait.Once();
        if (index < kThreads - kAdding) return;
        ++adding;
        for (uint64_t i = 0; i < kAdds; ++i) statistics->Add(Counter::kGets, 1);
      });
    }
  }
  EXPECT_GE(adding.load(), kAdding);
  EXPECT_EQ(statistics->Get(Counter::kGets), adding.load() * kAdds);
}

TEST(Statistics, WithoutLatenciesNothingIsRecorded) {
  const auto statistics = Statistics::Create(false);
  EXPECT_FALSE(statistics->latencies_enabled());
  statistics->Record(Latency::kGet, 5);
  EXPECT_EQ(statistics->GetHistogram(Latency::kGet).count, 0u);
  EXPECT_TRUE(Statistics::Create()->latencies_enabled());
}

TEST(Statistics, ResetsEverything) {
  const auto statistics = Statistics::Create();
  statistics->Add(Counter::kSeeks, 7);
  statistics->Record(Latency::kSeek, 7);
  statistics->Reset();
  EXPECT_EQ(statistics->Get(Counter::kSeeks), 0u);
  EXPECT_EQ(statistics->GetHistogram(Latency::kSeek).count, 0u);
  EXPECT_EQ(statistics->GetHistogram(Latency::kSeek).maximum, 0u);
}

TEST(Statistics, EveryNumberHasANameAndALine) {
  const auto statistics = Statistics::Create();
  std::set<std::string> names;
  for (uint32_t i = 0; i < static_cast<uint32_t>(Counter::kCounterCount); ++i) {
    names.insert(CounterName(static_cast<Counter>(i)));
  }
  for (uint32_t i = 0; i < static_cast<uint32_t>(Latency::kLatencyCount); ++i) {
    names.insert(LatencyName(static_cast<Latency>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Counter::kCounterCount) +
                              static_cast<size_t>(Latency::kLatencyCount));
  statistics->Add(Counter::kWalBytes, 4711);
  const std::string text = statistics->ToString();
  for (const std::string& name : names) EXPECT_NE(text.find(name), std::string::npos) << name;
  EXPECT_NE(text.find(": 4711\n"), std::string::npos);
  EXPECT_STREQ(CounterName(Counter::kManifestBytes), "manifest_bytes");
  EXPECT_STREQ(LatencyName(Latency::kManifestCommit), "manifest_commit_nanos");
}

TEST(AtomicHistogram, MergesItsStripes) {
  AtomicHistogram shared;
  Histogram expected;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back("add", [&] {
        for (uint64_t i = 0; i < 2000; ++i) shared.Add(i * i);
      });
    }
  }
  for (uint64_t i = 0; i < 2000; ++i) expected.AddMany(i * i, 4);
  Histogram merged;
  shared.MergeInto(&merged);
  EXPECT_EQ(merged.ToString(), expected.ToString());
}

}  // namespace
}  // namespace varve
