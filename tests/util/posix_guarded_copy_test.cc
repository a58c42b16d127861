#include "util/posix_guarded_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "tests/support/temp_dir.h"

namespace varve::posix {
namespace {

constexpr size_t kPage = 4096;

// A shared mapping of `pages` pages of a file that has fewer.
class Mapping {
 public:
  Mapping(size_t pages, size_t file_pages) : size_(pages * kPage) {
    fd_ = open(dir_.File("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(file_pages * kPage)) != 0) abort();
    base_ = static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    if (base_ == MAP_FAILED) abort();
  }
  ~Mapping() {
    munmap(base_, size_);
    close(fd_);
  }
  char* base() { return base_; }
  void Shrink(size_t pages) {
    if (ftruncate(fd_, static_cast<off_t>(pages * kPage)) != 0) abort();
  }

 private:
  TempDir dir_;
  const size_t size_;
  int fd_;
  char* base_;
};

TEST(GuardedCopy, Copies) {
  ASSERT_TRUE(InstallBusHandler().ok());
  Mapping mapping(2, 2);
  const std::string data(5000, 'x');
  EXPECT_TRUE(GuardedCopy(mapping.base() + 7, data.data(), data.size()));
  EXPECT_EQ(std::string(mapping.base() + 7, 5000), data);
  EXPECT_EQ(mapping.base()[6], '\0');
  EXPECT_EQ(mapping.base()[5007], '\0');
  EXPECT_TRUE(GuardedCopy(mapping.base(), data.data(), 0));
}

TEST(GuardedCopy, FailsWhereTheFileEndsAndGoesOnElsewhere) {
  ASSERT_TRUE(InstallBusHandler().ok());
  Mapping mapping(4, 4);
  const std::string data(2 * kPage, 'x');
  ASSERT_TRUE(GuardedCopy(mapping.base() + 2 * kPage, data.data(), data.size()));
  mapping.Shrink(1);
  for (int i = 0; i < 3; ++i) {  // the signal is not left blocked by the first
    EXPECT_FALSE(GuardedCopy(mapping.base() + 2 * kPage, data.data(), 1));
    EXPECT_FALSE(GuardedCopy(mapping.base() + 100, data.data(), data.size()));
  }
  EXPECT_TRUE(GuardedCopy(mapping.base(), data.data(), kPage));
}

TEST(GuardedCopy, EachThreadRecoversItsOwnFault) {
  ASSERT_TRUE(InstallBusHandler().ok());
  Mapping mapping(2, 1);
  const auto run = [&mapping](size_t page, bool expected) {
    const std::string data(100, 'x');
    for (int i = 0; i < 2000; ++i) {
      if (GuardedCopy(mapping.base() + page * kPage, data.data(), data.size()) != expected) abort();
    }
  };
  std::thread good(run, 0, true), bad(run, 1, false), worse(run, 1, false);
  good.join();
  bad.join();
  worse.join();
}

// What a SIGBUS that is not ours does. Each runs in a process of its own: the handler is installed
// once, over what was there.
class ForeignBusError : public ::testing::Test {
 protected:
  ForeignBusError() { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

void ExitWith42(int) { _exit(42); }
void ExitWith43(int, siginfo_t* info, void*) { _exit(info->si_addr != nullptr ? 43 : 1); }

void InstallOver(const struct sigaction& earlier) {
  if (sigaction(SIGBUS, &earlier, nullptr) != 0 || !InstallBusHandler().ok()) _exit(99);
}

void InstallOver(void (*handler)(int)) {
  struct sigaction earlier;
  std::memset(&earlier, 0, sizeof(earlier));
  earlier.sa_handler = handler;
  InstallOver(earlier);
}

void Fault() {
  Mapping mapping(1, 0);
  *static_cast<volatile char*>(mapping.base()) = 'x';
}

TEST_F(ForeignBusError, GoesToTheEarlierHandler) {
  EXPECT_EXIT(
      {
        InstallOver(ExitWith42);
        Fault();
      },
      ::testing::ExitedWithCode(42), "");
}

TEST_F(ForeignBusError, GoesToTheEarlierHandlerWithItsCircumstances) {
  EXPECT_EXIT(
      {
        struct sigaction earlier;
        std::memset(&earlier, 0, sizeof(earlier));
        earlier.sa_sigaction = ExitWith43;
        earlier.sa_flags = SA_SIGINFO;
        InstallOver(earlier);
        Fault();
      },
      ::testing::ExitedWithCode(43), "");
}

TEST_F(ForeignBusError, KillsByDefault) {
  EXPECT_EXIT(
      {
        InstallOver(SIG_DFL);
        Fault();
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

TEST_F(ForeignBusError, SentKillsByDefault) {
  EXPECT_EXIT(
      {
        InstallOver(SIG_DFL);
        kill(getpid(), SIGBUS);
        pause();
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

TEST_F(ForeignBusError, SentIsIgnoredWhereItWasIgnored) {
  EXPECT_EXIT(
      {
        InstallOver(SIG_IGN);
        kill(getpid(), SIGBUS);
        raise(SIGBUS);
        _exit(7);
      },
      ::testing::ExitedWithCode(7), "");
}

// A fault in the *source* of a copy is the caller's, and so is one at a place beside the
// destination.
TEST_F(ForeignBusError, InTheSourceOfACopyIsForeign) {
  EXPECT_EXIT(
      {
        InstallOver(ExitWith42);
        Mapping to(1, 1);
        Mapping from(1, 0);
        (void)GuardedCopy(to.base(), from.base(), 100);
        _exit(1);
      },
      ::testing::ExitedWithCode(42), "");
}

// After our own fault the earlier handler still gets the foreign ones.
TEST_F(ForeignBusError, AfterARecoveredFaultIsStillForeign) {
  EXPECT_EXIT(
      {
        InstallOver(ExitWith42);
        Mapping mapping(1, 0);
        if (GuardedCopy(mapping.base(), "x", 1)) _exit(1);
        *static_cast<volatile char*>(mapping.base()) = 'x';  // the same address, unguarded
      },
      ::testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace varve::posix
