// The space of a directory is what its files occupy, and the highest of it is not missed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"
#include "tools/bench/disk_sampler.h"
#include "util/thread.h"

namespace varve::bench {
namespace {

class DiskSamplerTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, size_t bytes) {
    std::unique_ptr<WritableFile> file;
    ASSERT_TRUE(file_system_->NewWritableFile(dir_.File(name), 0, &file).ok());
    ASSERT_TRUE(file->Append(std::string(bytes, 'x')).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Close().ok());
  }

  TempDir dir_;
  std::shared_ptr<FileSystem> file_system_ = Env::Default().file_system;
};

TEST_F(DiskSamplerTest, CountsTheBlocksOfFilesAlone) {
  DirectoryUse use;
  use.bytes = use.data_bytes = 1;
  ASSERT_TRUE(MeasureDirectory(file_system_.get(), dir_.path(), &use).ok());
  EXPECT_EQ(use.bytes, 0u);
  EXPECT_EQ(use.data_bytes, 0u);
  Write("a", 100000);
  Write("b", 1);
  Write("000007.seg", 50000);
  Write("000007.ghost", 1);
  ASSERT_TRUE(file_system_->CreateDirectory(dir_.File("c")).ok());
  ASSERT_TRUE(MeasureDirectory(file_system_.get(), dir_.path(), &use).ok());
  EXPECT_GE(use.bytes, 150002u);
  EXPECT_LE(use.bytes, 150002u + 5 * 4096);
  EXPECT_GE(use.data_bytes, 50001u);
  EXPECT_LE(use.data_bytes, 50001u + 3 * 4096);
}

TEST_F(DiskSamplerTest, KeepsTheHighestAndTheLast) {
  const auto counting = FaultFileSystem::New(file_system_);
  DiskSampler sampler(counting, dir_.path());
  Write("stays", 50000);
  Write("goes", 1000000);
  ASSERT_TRUE(sampler.Start().ok());
  // A sample lists the directory and looks at both files: with the fourth look one is complete.
  while (counting->count(FaultOp::kList) < 4) SleepFor(1'000'000);
  ASSERT_TRUE(file_system_->RemoveFile(dir_.File("goes")).ok());
  ASSERT_TRUE(sampler.Stop().ok());
  EXPECT_GE(sampler.bytes_max(), 1050000u);
  EXPECT_GE(sampler.bytes_last(), 50000u);
  EXPECT_LT(sampler.bytes_last(), 100000u);
  EXPECT_TRUE(sampler.Stop().ok()) << "twice is fine";
}

TEST_F(DiskSamplerTest, StopsAtOnce) {
  DiskSampler sampler(file_system_, dir_.path());
  ASSERT_TRUE(sampler.Start().ok());
  EXPECT_TRUE(sampler.Stop().ok());
}

TEST_F(DiskSamplerTest, MissingDirectoryIsAnError) {
  DiskSampler sampler(file_system_, dir_.File("nowhere"));
  ASSERT_TRUE(sampler.Start().ok());
  const Status status = sampler.Stop();
  EXPECT_TRUE(status.IsNotFound()) << status.ToString();
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("nowhere"));
}

}  // namespace
}  // namespace varve::bench
