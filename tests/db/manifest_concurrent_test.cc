#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/db/manifest_fixture.h"

// Many threads commit, take numbers, seal and ask at once; tsan looks on.

namespace varve {
namespace {

TEST_F(ManifestTest, ConcurrentCommittersLoseNothing) {
  Create();
  constexpr int kThreads = 4, kRounds = 150;
  std::vector<std::vector<FileNumber>> live(kThreads), taken(kThreads);
  std::atomic<bool> stop{false};
  std::vector<NumberedFile> released;
  std::thread watcher([&] {
    SequenceNumber limit = 0;
    FileNumber lowest = 0;
    uint64_t generation = 0;
    while (!stop.load()) {
      const SequenceNumber l = manifest_->sequence_limit();
      const FileNumber n = manifest_->lowest_log_needed();
      const uint64_t g = manifest_->stats().generation;
      EXPECT_GE(l, limit);
      EXPECT_GE(n, lowest);
      EXPECT_GE(g, generation);
      limit = l, lowest = n, generation = g;
      for (const NumberedFile& file : manifest_->TakeReleased()) released.push_back(file);
      EXPECT_TRUE(manifest_->poisoned().ok());
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Random random(t);
      for (int i = 0; i < kRounds; ++i) {
        ManifestEdit edit;
        FileNumber number;
        ASSERT_TRUE(manifest_->NewFileNumber(&number).ok());
        taken[t].push_back(number);
        edit.added.push_back(MakeEntry(number, 60));
        if (live[t].size() > 20) {
          std::swap(live[t][random.Uniform(live[t].size())], live[t].back());
          edit.removed.push_back(live[t].back());
          live[t].pop_back();
        }
        edit.lowest_log = number / 2;
        edit.next_sequence = number * 10;
        ASSERT_TRUE(manifest_->Commit(edit).ok());
        live[t].push_back(number);
        if (random.OneIn(10)) {
          ASSERT_TRUE(manifest_->Seal().ok());
        }
        if (random.OneIn(10)) {
          ASSERT_TRUE(manifest_->ReserveSequences(number * 20).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop.store(true);
  watcher.join();
  ASSERT_TRUE(manifest_->Seal().ok());
  for (const NumberedFile& file : manifest_->TakeReleased()) released.push_back(file);

  EntryMap expected;
  std::vector<FileNumber> all;
  for (int t = 0; t < kThreads; ++t) {
    for (const FileNumber number : live[t]) expected[number] = MakeEntry(number, 60);
    all.insert(all.end(), taken[t].begin(), taken[t].end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());  // no number twice
  EXPECT_EQ(released.size(), all.size() - expected.size());          // each told once
  std::sort(released.begin(), released.end());
  EXPECT_EQ(std::adjacent_find(released.begin(), released.end()), released.end());
  Open();
  EXPECT_EQ(ToMap(state_.segments), expected);
}

}  // namespace
}  // namespace varve
