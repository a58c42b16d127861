#include "util/zeroed_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace varve {
namespace {

TEST(ZeroedMemory, IsZeroAlignedAndWritable) {
  for (size_t bytes :
       {size_t{64}, size_t{2048}, (size_t{64} << 10) - 64, size_t{64} << 10, size_t{3} << 20}) {
    for (int round = 0; round < 4; ++round) {  // memory that was used before, too
      const Commit commit = round % 2 == 0 ? Commit::kWhenWritten : Commit::kNow;
      char* memory = static_cast<char*>(AllocateZeroed(bytes, commit));
      ASSERT_NE(memory, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
      for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(memory[i], 0);
      std::memset(memory, 0xff, bytes);
      FreeZeroed(memory, bytes);
    }
  }
}

TEST(ZeroedMemory, AnswersNullWhenThereIsNone) {
  EXPECT_EQ(AllocateZeroed(size_t{1} << 60, Commit::kWhenWritten), nullptr);
  EXPECT_EQ(AllocateZeroed(size_t{1} << 60, Commit::kNow), nullptr);
}

TEST(ZeroedMemory, IsCommittedNowIfAskedFor) {
  constexpr size_t kBytes = 3 << 20;
  void* const memory = AllocateZeroed(kBytes, Commit::kNow);
  ASSERT_NE(memory, nullptr);
  std::vector<unsigned char> pages(kBytes / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  ASSERT_EQ(mincore(memory, kBytes, pages.data()), 0);
  for (unsigned char page : pages) EXPECT_EQ(page & 1, 1);
  FreeZeroed(memory, kBytes);
}

}  // namespace
}  // namespace varve
