#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "db/write_queue.h"
#include "tests/support/baton_scheduler.h"
#include "util/thread.h"

namespace varve {
namespace {

class TestWriter : public WriteQueue::Writer {
 public:
  explicit TestWriter(size_t bytes = 10) : text_(bytes, 'x'), part_(text_) {
    entry_parts = {&part_, 1};
    entry_bytes = bytes;
    count = 1;
  }
  Status InsertInto(MemTable*, bool concurrently) override {
    inserted = true;
    inserted_concurrently = concurrently;
    return insert_status;
  }
  bool inserted = false;
  bool inserted_concurrently = false;
  Status insert_status;

 private:
  std::string text_;
  Slice part_;
};

TEST(WriteQueue, FirstLeadsAlone) {
  WriteQueue queue;
  TestWriter writer;
  ASSERT_TRUE(queue.Join(&writer));
  std::vector<WriteQueue::Writer*> group;
  queue.GroupOf(&writer, &group);
  ASSERT_EQ(group.size(), 1u);
  queue.Finish(group, Status::IOError("x"));
  EXPECT_TRUE(writer.status.IsIOError());
  TestWriter next;
  EXPECT_TRUE(queue.Join(&next));
  queue.Finish({&next}, Status::OK());
}

// Holds the lead while `writers` queue up behind, in order; then groups. In virtual time, which
// passes when nobody can run: after each sleep the writer that was started waits in the queue.
std::vector<size_t> GroupSizes(const std::vector<TestWriter*>& writers) {
  std::vector<size_t> sizes;
  BatonScheduler scheduler({.seed = 1});
  scheduler.Run([&] {
    WriteQueue queue;
    ExclusiveWriter first;
    EXPECT_TRUE(queue.Join(&first));
    std::vector<Thread> threads;
    for (TestWriter* writer : writers) {
      threads.emplace_back("writer", [&queue, &sizes, writer] {
        if (!queue.Join(writer)) return;
        std::vector<WriteQueue::Writer*> group;
        queue.GroupOf(writer, &group);
        sizes.push_back(group.size());
        queue.Finish(group, Status::OK());
      });
      SleepFor(1'000'000'000);
    }
    queue.Finish({&first}, Status::OK());
  });
  return sizes;
}

TEST(WriteQueue, GroupsThoseThatWait) {
  TestWriter a, b, c;
  EXPECT_EQ(GroupSizes({&a, &b, &c}), (std::vector<size_t>{3}));
}

TEST(WriteQueue, SyncDoesNotJoinALeaderThatDoesNotSync) {
  TestWriter a, b, c;
  b.sync = true;
  EXPECT_EQ(GroupSizes({&a, &b, &c}), (std::vector<size_t>{1, 2}));
}

TEST(WriteQueue, UnloggedAndLoggedStayApart) {
  TestWriter a, b, c;
  b.disable_wal = c.disable_wal = true;
  EXPECT_EQ(GroupSizes({&a, &b, &c}), (std::vector<size_t>{1, 2}));
}

TEST(WriteQueue, SmallLeaderDoesNotWaitForALargeFollower) {
  TestWriter a(10), b(200 << 10), c(10);
  EXPECT_EQ(GroupSizes({&a, &b, &c}), (std::vector<size_t>{1, 2}));
}

TEST(WriteQueue, ExclusiveWriterIsNeverGrouped) {
  TestWriter a, b, c;
  b.exclusive = true;
  EXPECT_EQ(GroupSizes({&a, &b, &c}), (std::vector<size_t>{1, 1, 1}));
}

// Many threads write; every write is led or answered exactly once, the leads never overlap, and
// each writer gets its own group's status. Checklist W1 (followers hear the group's error), W10.
TEST(WriteQueue, StressKeepsOneLeaderAndAnswersAll) {
  WriteQueue queue;
  std::atomic<int> leaders{0};
  std::atomic<uint64_t> answered{0}, grouped{0}, parallel{0}, wrong{0};
  uint64_t log = 0;  // the leader's alone: tsan would see two leaders
  constexpr int kThreads = 4, kWrites = 3000;
  std::vector<Thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back("writer", [&, t] {
      for (int i = 0; i < kWrites; ++i) {
        TestWriter writer;
        const bool fails = (i + t) % 97 == 0;
        if (fails) writer.insert_status = Status::Corruption("planted");
        if (queue.Join(&writer)) {
          if (++leaders != 1) ++wrong;
          std::vector<WriteQueue::Writer*> group;
          queue.GroupOf(&writer, &group);
          log += group.size();
          grouped += group.size() - 1;
          Status status;
          if (group.size() > 1 && i % 2 == 0) {
            ++parallel;
            status = queue.InsertInParallel(group, nullptr);
          } else {
            for (WriteQueue::Writer* w : group) {
              const Status one = w->InsertInto(nullptr, false);
              if (status.ok()) status = one;
            }
          }
          --leaders;
          queue.Finish(group, status);
        }
        if (!writer.inserted) ++wrong;
        if (fails && writer.status.ok()) ++wrong;
        ++answered;
      }
    });
  }
  for (Thread& thread : threads) thread.Join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(answered.load(), uint64_t{kThreads} * kWrites);
  EXPECT_EQ(log, uint64_t{kThreads} * kWrites);
}

// As DBImpl does: all leaders gather their groups in one vector, which belongs to whoever leads. A
// leader that finds the list empty gives the lead up before it has answered its followers, and the
// next one must not take their names from under it. Checklist W10.
TEST(WriteQueue, NextLeaderMayReuseTheGroupBeforeItsFollowersAreAnswered) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    BatonScheduler scheduler({.seed = seed});
    scheduler.Run([] {
      WriteQueue queue;
      std::vector<WriteQueue::Writer*> group;
      std::vector<Thread> threads;
      for (int t = 0; t < 3; ++t) {
        threads.emplace_back("writer", [&queue, &group, t] {
          for (int i = 0; i < 20; ++i) {
            TestWriter writer;
            if (queue.Join(&writer)) {
              SleepFor(1000);  // so that others queue up
              queue.GroupOf(&writer, &group);
              for (WriteQueue::Writer* w : group) w->InsertInto(nullptr, false).ok();
              queue.Finish(group, t == 0 ? Status::IOError("x") : Status::OK());
            }
            EXPECT_TRUE(writer.inserted);
          }
        });
      }
    });
  }
}

}  // namespace
}  // namespace varve
