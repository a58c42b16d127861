#include "db/snapshot_list.h"

#include <gtest/gtest.h>

namespace varve {
namespace {

TEST(SnapshotList, ListsEachSequenceOnceAscending) {
  auto list = std::make_shared<SnapshotList>();
  std::atomic<SequenceNumber> published{7};
  auto a = list->Take(published);
  published = 9;
  auto b = list->Take(published);
  auto c = list->Take(published);
  EXPECT_EQ(a->sequence(), 7u);
  EXPECT_EQ(list->Sequences(), (std::vector<SequenceNumber>{7, 9}));
  EXPECT_EQ(list->count(), 3u);
  EXPECT_EQ(list->OldestOr(100), 7u);
  a.reset();
  b.reset();
  EXPECT_EQ(list->Sequences(), (std::vector<SequenceNumber>{9}));
  c.reset();
  EXPECT_EQ(list->count(), 0u);
  EXPECT_EQ(list->OldestOr(100), 100u);
}

TEST(SnapshotList, TellsWhenTheOldestGoes) {
  auto list = std::make_shared<SnapshotList>();
  std::vector<SequenceNumber> told;
  list->SetReleaseListener([&](SequenceNumber released) { told.push_back(released); });
  std::atomic<SequenceNumber> published{7};
  auto a = list->Take(published), same = list->Take(published);
  published = 9;
  auto b = list->Take(published);
  published = 11;
  auto c = list->Take(published);
  b.reset();
  EXPECT_TRUE(told.empty());  // 7 is older
  a.reset();
  EXPECT_TRUE(told.empty());  // pinned twice
  same.reset();
  EXPECT_EQ(told, (std::vector<SequenceNumber>{7}));
  list->SetReleaseListener(nullptr);
  c.reset();
  EXPECT_EQ(told.size(), 1u);
}

TEST(SnapshotList, SnapshotOutlivesItsOwner) {
  std::atomic<SequenceNumber> published{3};
  auto list = std::make_shared<SnapshotList>();
  auto snapshot = list->Take(published);
  list.reset();
  EXPECT_EQ(snapshot->sequence(), 3u);
}

}  // namespace
}  // namespace varve
