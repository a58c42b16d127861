#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/util/posix_test_util.h"
#include "util/posix_log_file.h"

namespace varve::posix {
namespace {

// Disjoint ranges may be copied concurrently, and concurrently with Sync().
void CopyFromThreads(LogFileKind kind) {
  constexpr uint64_t kCapacity = 1 << 20;
  constexpr int kThreads = 4;
  constexpr uint64_t kRecord = 100;
  TempDir dir;
  std::unique_ptr<LogFile> file;
  ASSERT_TRUE(
      CreateLogFile(dir.File("l"), kCapacity, kind, std::make_shared<LogFileHistory>(), &file)
          .ok());
  std::atomic<uint64_t> next{0};
  std::atomic<bool> done{false};
  std::atomic<int> failures{0};
  std::thread syncer([&] {
    while (!done.load()) {
      if (!file->Sync().ok()) ++failures;
    }
  });
  std::vector<std::thread> writers;
  for (int i = 0; i < kThreads; ++i) {
    writers.emplace_back([&] {
      while (true) {
        const uint64_t offset = next.fetch_add(kRecord);
        if (offset + kRecord > kCapacity) return;
        const std::string record(kRecord, static_cast<char>('a' + offset / kRecord % 26));
        if (!file->Copy(offset, record).ok()) ++failures;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done.store(true);
  syncer.join();
  EXPECT_EQ(failures.load(), 0);
  ASSERT_TRUE(file->Sync().ok());
  const std::string content = ReadTestFile(dir.File("l"));
  for (uint64_t offset = 0; offset + kRecord <= kCapacity; offset += kRecord) {
    ASSERT_EQ(content.substr(offset, kRecord),
              std::string(kRecord, static_cast<char>('a' + offset / kRecord % 26)));
  }
}

TEST(PosixLogFileConcurrent, MappedCopiesBesideSyncs) { CopyFromThreads(LogFileKind::kMapped); }
TEST(PosixLogFileConcurrent, WrittenCopiesBesideSyncs) { CopyFromThreads(LogFileKind::kWrite); }

}  // namespace
}  // namespace varve::posix
