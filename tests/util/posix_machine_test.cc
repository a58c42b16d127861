#include "util/posix_machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"

namespace varve {
namespace {

// A /proc and a /sys of our own.
class PosixMachineTest : public ::testing::Test {
 protected:
  PosixMachineTest() { Put("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree:  1 kB\n"); }

  void Put(const std::string& path, const std::string& content) {
    const std::filesystem::path full = dir_.path() + path;
    std::filesystem::create_directories(full.parent_path());
    WriteTestFile(full, content);
  }
  uint64_t Limit() { return PosixMachine(dir_.path()).MemoryLimitBytes(); }

  static constexpr uint64_t kPhysical = uint64_t{16000000} * 1024;
  TempDir dir_;
};

TEST_F(PosixMachineTest, WithoutGroupsPhysicalMemoryIsTheLimit) { EXPECT_EQ(Limit(), kPhysical); }

TEST_F(PosixMachineTest, Version2TakesTheSmallestOnTheWayUp) {
  Put("/proc/self/cgroup", "0::/a/b/c\n");
  Put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
  EXPECT_EQ(Limit(), kPhysical);
  Put("/sys/fs/cgroup/a/b/memory.max", "3000000000\n");
  EXPECT_EQ(Limit(), 3000000000u);
  Put("/sys/fs/cgroup/a/memory.max", "2000000000\n");
  EXPECT_EQ(Limit(), 2000000000u);
  Put("/sys/fs/cgroup/a/b/c/memory.max", "1000000000\n");
  EXPECT_EQ(Limit(), 1000000000u);
  Put("/sys/fs/cgroup/a/b/c/d/memory.max", "5\n");  // below us: not ours
  Put("/sys/fs/cgroup/other/memory.max", "5\n");
  EXPECT_EQ(Limit(), 1000000000u);
}

// A process that passes it is slowed down and reclaimed from, which is no place to live in.
TEST_F(PosixMachineTest, Version2CountsWhereAGroupIsThrottled) {
  Put("/proc/self/cgroup", "0::/a/b\n");
  Put("/sys/fs/cgroup/a/b/memory.max", "900000000\n");
  Put("/sys/fs/cgroup/a/b/memory.high", "max\n");
  EXPECT_EQ(Limit(), 900000000u);
  Put("/sys/fs/cgroup/a/memory.high", "800000000\n");
  EXPECT_EQ(Limit(), 800000000u);
}

// In a container the group is often mounted as the root, while /proc names the host's path.
TEST_F(PosixMachineTest, Version2FindsTheMountWhenThePathIsTheHosts) {
  Put("/proc/self/cgroup", "0::/docker/0123abcd\n");
  Put("/sys/fs/cgroup/memory.max", "500000000\n");
  EXPECT_EQ(Limit(), 500000000u);
}

TEST_F(PosixMachineTest, Version2OutsideOfItsNamespaceLooksAtTheMount) {
  Put("/proc/self/cgroup", "0::/../sibling\n");
  Put("/sys/fs/cgroup/memory.max", "500000000\n");
  Put("/sys/fs/sibling/memory.max", "5\n");
  EXPECT_EQ(Limit(), 500000000u);
}

TEST_F(PosixMachineTest, Version1IsFoundAmongOtherControllers) {
  Put("/proc/self/cgroup", "5:devices:/x\n4:cpu,memory,io:/job/7\n1:name=systemd:/\n");
  Put("/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", "700000000\n");
  EXPECT_EQ(Limit(), 700000000u);
  Put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "600000000\n");
  EXPECT_EQ(Limit(), 600000000u);
  // What version 1 says for "no limit".
  Put("/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", "9223372036854771712\n");
  Put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Limit(), kPhysical);
}

// What holds for a pod, where the container sees its own group alone, mounted as the root.
TEST_F(PosixMachineTest, Version1KnowsOfGroupsItCannotSee) {
  Put("/proc/self/cgroup", "4:memory:/kubepods/pod1/c1\n");
  Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Put("/sys/fs/cgroup/memory/memory.stat",
      "cache 5\nrss 7\nhierarchical_memory_limit 400000000\nhierarchical_memsw_limit 3\n");
  EXPECT_EQ(Limit(), 400000000u);
  Put("/sys/fs/cgroup/memory/memory.stat", "cache 5\nhierarchical_memory_limit\n");
  EXPECT_EQ(Limit(), kPhysical);
  Put("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 9223372036854771712");
  EXPECT_EQ(Limit(), kPhysical);
}

TEST_F(PosixMachineTest, HybridTakesTheSmallerOfBoth) {
  Put("/proc/self/cgroup", "4:memory:/m\n0::/u\n");
  Put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "700000000\n");
  Put("/sys/fs/cgroup/unified/u/memory.max", "800000000\n");
  EXPECT_EQ(Limit(), 700000000u);
  Put("/sys/fs/cgroup/unified/u/memory.max", "300000000");
  EXPECT_EQ(Limit(), 300000000u);
}

TEST_F(PosixMachineTest, NonsenseIsNoLimit) {
  Put("/proc/self/cgroup", "0::/a\n\n:\nx\n4:memory\n");
  for (const char* text :
       {"", "\n", "max", "-1", "0", "12 34", "1k", "99999999999999999999999", "0x10", "+5"}) {
    Put("/sys/fs/cgroup/a/memory.max", text);
    EXPECT_EQ(Limit(), kPhysical) << text;
  }
}

TEST_F(PosixMachineTest, UnreadablePhysicalMemoryIsAskedOfTheSystem) {
  const uint64_t system =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (const char* text : {"", "MemFree: 5 kB\n", "MemTotal: lots kB\n", "MemTotal:\n",
                           "MemTotal: 18446744073709551615 kB\n"}) {
    Put("/proc/meminfo", text);
    EXPECT_EQ(Limit(), system) << text;
  }
}

TEST_F(PosixMachineTest, BootIdIsTrimmedAndEmptyWhenUnknown) {
  EXPECT_EQ(PosixMachine(dir_.path()).BootId(), "");
  Put("/proc/sys/kernel/random/boot_id", "8bf32b2c-0745-46ca\n");
  EXPECT_EQ(PosixMachine(dir_.path()).BootId(), "8bf32b2c-0745-46ca");
}

TEST_F(PosixMachineTest, SeedsDiffer) {
  PosixMachine machine;
  std::set<uint64_t> seeds;
  for (int i = 0; i < 100; ++i) seeds.insert(machine.RandomSeed());
  EXPECT_EQ(seeds.size(), 100u);
}

TEST(PosixMachine, OfThisMachineIsPlausible) {
  PosixMachine machine;
  EXPECT_GE(machine.MemoryLimitBytes(), 16u << 20);
  EXPECT_EQ(machine.BootId().size(), 36u);
  EXPECT_EQ(machine.BootId(), machine.BootId());
}

}  // namespace
}  // namespace varve
