#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "util/arena.h"
#include "util/random.h"
#include "util/thread.h"

namespace varve {
namespace {

struct Piece {
  char* data;
  size_t size;
  char fill;
};

void ExpectIntact(const std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) {
    ASSERT_EQ(reinterpret_cast<uintptr_t>(piece.data) % Arena::kAlignment, 0u);
    for (size_t i = 0; i < piece.size; ++i) ASSERT_EQ(piece.data[i], piece.fill);
  }
}

Piece Fill(char* data, size_t size, uint64_t mark) {
  std::memset(data, static_cast<char>(mark), size);
  return {data, size, static_cast<char>(mark)};
}

TEST(Arena, PiecesDoNotOverlap) {
  Random random(301);
  Arena arena(64 << 10);
  std::vector<Piece> pieces;
  size_t total = 0;
  for (int i = 0; i < 20000; ++i) {
    const size_t size = random.OneIn(500) ? random.Uniform(50000) + 1 : random.Uniform(100) + 1;
    pieces.push_back(Fill(arena.Allocate(size), size, i));
    total += (size + 7) / 8 * 8;
    ASSERT_EQ(arena.used_bytes(), total);
    ASSERT_GE(arena.memory_bytes(), total);
  }
  // The ends of blocks that are lost: a quarter at worst, hardly any on average.
  EXPECT_LT(arena.memory_bytes(), total * 1.1 + (64 << 10));
  ExpectIntact(pieces);
}

TEST(Arena, IsSmallWhileItHoldsLittle) {
  Arena arena;
  EXPECT_LT(arena.memory_bytes(), 1000u);
  arena.Allocate(100);
  EXPECT_LT(arena.memory_bytes(), 6000u);
  for (int i = 0; i < 100; ++i) arena.Allocate(1000);
  EXPECT_LT(arena.memory_bytes(), 300000u);
}

TEST(Arena, ThreadsGetPiecesOfTheirOwn) {
  Arena arena;
  constexpr int kThreads = 8, kPieces = 20000;
  std::vector<std::vector<Piece>> pieces(kThreads);
  {
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("arena", [&, t] {
        Random random(t);
        for (int i = 0; i < kPieces; ++i) {
          const size_t size = random.OneIn(1000) ? 5000 : random.Uniform(150) + 1;
          pieces[t].push_back(Fill(arena.AllocateConcurrently(size), size, t * 31 + i));
        }
      });
    }
  }
  size_t total = 0;
  for (const auto& own : pieces) {
    ExpectIntact(own);
    for (const Piece& piece : own) total += (piece.size + 7) / 8 * 8;
  }
  EXPECT_GE(arena.used_bytes(), total);
  // At most a begun chunk a thread, and what did not fit the end of one.
  EXPECT_LT(arena.used_bytes(), total * 1.05 + kThreads * 4096);
  EXPECT_GE(arena.memory_bytes(), arena.used_bytes());
  // One thread again, after the others are gone.
  ExpectIntact({Fill(arena.Allocate(64), 64, 5)});
}

}  // namespace
}  // namespace varve
