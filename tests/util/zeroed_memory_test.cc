#include "util/zeroed_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace varve {
namespace {

TEST(ZeroedMemory, IsZeroAlignedAndWritable) {
  for (size_t bytes :
       {size_t{64}, size_t{2048}, (size_t{64} << 10) - 64, size_t{64} << 10, size_t{3} << 20}) {
    for (int round = 0; round < 3; ++round) {  // memory that was used before, too
      char* memory = static_cast<char*>(AllocateZeroed(bytes));
      ASSERT_NE(memory, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
      for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(memory[i], 0);
      std::memset(memory, 0xff, bytes);
      FreeZeroed(memory, bytes);
    }
  }
}

TEST(ZeroedMemory, AnswersNullWhenThereIsNone) {
  EXPECT_EQ(AllocateZeroed(size_t{1} << 60), nullptr);
}

}  // namespace
}  // namespace varve
