#include "db/damaged_segments.h"

#include <gtest/gtest.h>

#include <vector>

namespace varve {
namespace {

std::vector<FileNumber> Numbers(const std::vector<std::pair<FileNumber, Status>>& segments) {
  std::vector<FileNumber> numbers;
  for (const auto& segment : segments) numbers.push_back(segment.first);
  return numbers;
}

TEST(DamagedSegments, EachIsToldOnce) {
  DamagedSegments damaged;
  int woken = 0;
  damaged.SetListener([&woken] { ++woken; });
  damaged.OnReadError(7, Status::Corruption("first"));
  damaged.OnReadError(7, Status::Corruption("again"));
  damaged.OnReadError(8, Status::IOError("unreadable"));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(damaged.waiting());
  const auto taken = damaged.Take();
  EXPECT_EQ(Numbers(taken), (std::vector<FileNumber>{7, 8}));
  EXPECT_EQ(taken[0].second.message(), "first");
  EXPECT_FALSE(damaged.waiting());
  damaged.OnReadError(7, Status::Corruption("a reader of an old version"));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(damaged.Take().empty());
  EXPECT_TRUE(damaged.Knows(7));
  EXPECT_FALSE(damaged.Knows(9));
}

// Descriptors that are used up, memory, a newer format: none of it is damage.
TEST(DamagedSegments, OtherErrorsAreNoDamage) {
  DamagedSegments damaged;
  damaged.OnReadError(7, Status::Busy("no descriptor"));
  damaged.OnReadError(7, Status::NotSupported("newer"));
  damaged.OnReadError(7, Status::InvalidArgument("comparator"));
  EXPECT_FALSE(damaged.waiting());
}

// Checklist C11: what cannot be taken out now is not asked for all the time.
TEST(DamagedSegments, WhatWasPutBackIsToldAgainWithTheNextError) {
  DamagedSegments damaged;
  int woken = 0;
  damaged.SetListener([&woken] { ++woken; });
  damaged.OnReadError(7, Status::Corruption("first"));
  damaged.PutBack(damaged.Take());
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(damaged.waiting());
  damaged.OnReadError(7, Status::Corruption("again"));
  damaged.OnReadError(7, Status::Corruption("again"));
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(Numbers(damaged.Take()), std::vector<FileNumber>{7});
}

}  // namespace
}  // namespace varve
