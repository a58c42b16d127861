#include "util/process_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"
#include "util/zeroed_memory.h"

namespace varve {
namespace {

TEST(ProcessMemory, IsReadFromTheStatus) {
  TempDir dir;
  EXPECT_EQ(ReadProcessMemory(dir.path()).peak_bytes, 0u);
  std::filesystem::create_directories(dir.path() + "/proc/self");
  const auto write = [&](const std::string& text) {
    WriteTestFile(dir.path() + "/proc/self/status", text);
    return ReadProcessMemory(dir.path());
  };
  const ProcessMemory memory =
      write("Name:\tx VmRSS:\nVmPeak:\t 9 kB\nVmHWM:\t   22444 kB\nVmRSS:\t   11222 kB\n");
  EXPECT_EQ(memory.peak_bytes, uint64_t{22444} * 1024);
  EXPECT_EQ(memory.resident_bytes, uint64_t{11222} * 1024);
  for (const char* text : {"", "\nVmRSS:", "\nVmRSS: \t", "\nVmRSS: kB\n", "\nVmHWM:\n"}) {
    EXPECT_EQ(write(text).resident_bytes, 0u) << text;
  }
}

TEST(ProcessMemory, OfThisProcessGrowsAndFalls) {
  constexpr size_t kBytes = 64 << 20;
  const ProcessMemory before = ReadProcessMemory();
  EXPECT_GT(before.resident_bytes, 0u);
  void* const memory = AllocateZeroed(kBytes, Commit::kWhenWritten);
  ASSERT_NE(memory, nullptr);
  // Nothing is committed before it is used.
  EXPECT_LT(ReadProcessMemory().resident_bytes, before.resident_bytes + kBytes / 2);
  std::memset(memory, 1, kBytes);
  EXPECT_GE(ReadProcessMemory().resident_bytes, before.resident_bytes + kBytes / 2);
  FreeZeroed(memory, kBytes);
  const ProcessMemory after = ReadProcessMemory();
  EXPECT_LT(after.resident_bytes, before.resident_bytes + kBytes / 2);
  EXPECT_GE(after.peak_bytes, before.resident_bytes + kBytes / 2);
}

}  // namespace
}  // namespace varve
