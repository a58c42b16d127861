#include "tests/support/fault_file_system.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

// Checklist T2: the injected fault happens when it should, only then, and is counted.

namespace varve {
namespace {

class FaultFileSystemTest : public ::testing::Test {
 protected:
  std::string Content(const std::string& path) {
    std::unique_ptr<RandomAccessFile> file;
    EXPECT_TRUE(base_->NewRandomAccessFile(path, false, &file).ok());
    std::string content(10000, '\0');
    size_t size = 0;
    EXPECT_TRUE(file->Read(0, content.size(), content.data(), &size).ok());
    content.resize(size);
    return content;
  }

  TempDir dir_;
  std::shared_ptr<FileSystem> base_ = Env::Default().file_system;
  std::shared_ptr<FaultFileSystem> fs_ = FaultFileSystem::New(base_);
};

TEST_F(FaultFileSystemTest, WithoutFaultsPassesThroughAndCounts) {
  const std::string path = dir_.File("a");
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile(path, 0, &file).ok());
  ASSERT_TRUE(file->Append("hello").ok());
  ASSERT_TRUE(file->Append(" world").ok());
  EXPECT_EQ(file->size(), 11u);
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(Content(path), "hello world");
  EXPECT_EQ(fs_->count(FaultOp::kOpen), 1u);
  EXPECT_EQ(fs_->count(FaultOp::kCreate), 1u);
  EXPECT_EQ(fs_->count(FaultOp::kWrite), 2u);
  EXPECT_EQ(fs_->count(FaultOp::kSync), 1u);
  EXPECT_EQ(fs_->count(FaultOp::kClose), 1u);
  EXPECT_EQ(fs_->count(FaultOp::kRead), 0u);
}

TEST_F(FaultFileSystemTest, FailsTheNthMatchingOperationOnce) {
  const size_t fault = fs_->Inject(
      {.op = FaultOp::kWrite, .nth = 2, .path_part = "wanted", .status = Status::NoSpace("full")});
  std::unique_ptr<WritableFile> wanted, other;
  ASSERT_TRUE(fs_->NewWritableFile(dir_.File("wanted"), 0, &wanted).ok());
  ASSERT_TRUE(fs_->NewWritableFile(dir_.File("other"), 0, &other).ok());
  EXPECT_TRUE(wanted->Append("1").ok());
  EXPECT_TRUE(other->Append("1").ok());
  EXPECT_TRUE(other->Append("2").ok());
  EXPECT_EQ(fs_->hits(fault), 0u);
  EXPECT_TRUE(wanted->Append("2").IsNoSpace());
  EXPECT_EQ(fs_->hits(fault), 1u);
  EXPECT_TRUE(wanted->Append("3").ok());
  ASSERT_TRUE(wanted->Close().ok());
  EXPECT_EQ(Content(dir_.File("wanted")), "13");
}

TEST_F(FaultFileSystemTest, FailsForGoodUntilRemoved) {
  const size_t fault = fs_->Inject({.op = FaultOp::kDirectorySync, .nth = 2, .forever = true});
  EXPECT_TRUE(fs_->SyncDirectory(dir_.path()).ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(fs_->SyncDirectory(dir_.path()).IsIOError());
  EXPECT_EQ(fs_->hits(fault), 3u);
  fs_->Remove(fault);
  EXPECT_TRUE(fs_->SyncDirectory(dir_.path()).ok());
  EXPECT_EQ(fs_->hits(fault), 3u);
}

TEST_F(FaultFileSystemTest, TearsWritesAndCopies) {
  fs_->Inject({.op = FaultOp::kWrite, .torn_bytes = 3});
  const size_t copy = fs_->Inject({.op = FaultOp::kCopy, .torn_bytes = 2});
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile(dir_.File("a"), 0, &file).ok());
  EXPECT_TRUE(file->Append("abcdef").IsIOError());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(Content(dir_.File("a")), "abc");

  std::unique_ptr<LogFile> log;
  ASSERT_TRUE(fs_->NewLogFile(dir_.File("l"), {.capacity = 4096}, &log).ok());
  EXPECT_EQ(log->capacity(), 4096u);
  EXPECT_TRUE(log->Copy(10, "wxyz").IsIOError());
  EXPECT_EQ(fs_->hits(copy), 1u);
  EXPECT_EQ(Content(dir_.File("l")).substr(10, 4), std::string("wx\0\0", 4));
}

TEST_F(FaultFileSystemTest, ReportsAFailureAfterTheFact) {
  fs_->Inject({.op = FaultOp::kRename, .path_part = "/to", .after_the_fact = true});
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile(dir_.File("from"), 0, &file).ok());
  EXPECT_TRUE(fs_->RenameFile(dir_.File("from"), dir_.File("to")).IsIOError());
  std::vector<std::string> names;
  ASSERT_TRUE(fs_->ListDirectory(dir_.path(), &names).ok());
  EXPECT_EQ(names, std::vector<std::string>{"to"});
}

TEST_F(FaultFileSystemTest, FailsReadsAndCutsThemShort) {
  std::unique_ptr<WritableFile> out;
  ASSERT_TRUE(fs_->NewWritableFile(dir_.File("a"), 0, &out).ok());
  ASSERT_TRUE(out->Append("abcdef").ok());
  ASSERT_TRUE(out->Close().ok());
  std::unique_ptr<RandomAccessFile> in;
  ASSERT_TRUE(fs_->NewRandomAccessFile(dir_.File("a"), false, &in).ok());
  char buffer[8] = {};
  size_t size = 7;
  fs_->Inject({.op = FaultOp::kRead});
  EXPECT_TRUE(in->Read(0, 6, buffer, &size).IsIOError());
  EXPECT_EQ(size, 0u);
  fs_->Inject({.op = FaultOp::kRead, .status = Status::OK(), .torn_bytes = 4});
  EXPECT_TRUE(in->Read(0, 6, buffer, &size).ok());
  EXPECT_EQ(size, 4u);
  // One request of a batch fails, the others are served (Checklist C14).
  fs_->Inject({.op = FaultOp::kRead, .nth = 2});
  char buffers[3][2];
  ReadRequest requests[3];
  for (size_t i = 0; i < 3; ++i) requests[i] = {2 * i, 2, buffers[i], 0, Status::OK()};
  in->MultiRead(requests, 3);
  EXPECT_EQ(Slice(buffers[0], requests[0].bytes_read), "ab");
  EXPECT_TRUE(requests[1].status.IsIOError());
  EXPECT_EQ(requests[1].bytes_read, 0u);
  EXPECT_EQ(Slice(buffers[2], requests[2].bytes_read), "ef");
}

TEST_F(FaultFileSystemTest, RunsAnActionAndLetsTheOperationHappen) {
  std::string seen;
  const size_t fault = fs_->Inject({.op = FaultOp::kRemove,
                                    .status = Status::OK(),
                                    .action = [&](const std::string& path) { seen = path; }});
  std::unique_ptr<WritableFile> file;
  ASSERT_TRUE(fs_->NewWritableFile(dir_.File("a"), 0, &file).ok());
  EXPECT_TRUE(fs_->RemoveFile(dir_.File("a")).ok());
  EXPECT_EQ(seen, dir_.File("a"));
  EXPECT_EQ(fs_->hits(fault), 1u);
  FileInfo info;
  EXPECT_TRUE(base_->GetFileInfo(dir_.File("a"), &info).IsNotFound());
}

TEST_F(FaultFileSystemTest, FailsOpensAndSyncs) {
  const size_t create = fs_->Inject({.op = FaultOp::kCreate});
  std::unique_ptr<RandomRWFile> file;
  EXPECT_TRUE(fs_->NewRandomRWFile(dir_.File("a"), true, &file).IsIOError());
  EXPECT_EQ(file, nullptr);
  ASSERT_TRUE(fs_->NewRandomRWFile(dir_.File("a"), true, &file).ok());
  EXPECT_EQ(fs_->hits(create), 1u);
  const size_t open = fs_->Inject({.op = FaultOp::kOpen});
  std::unique_ptr<RandomRWFile> again;
  EXPECT_TRUE(fs_->NewRandomRWFile(dir_.File("a"), false, &again).IsIOError());
  EXPECT_EQ(fs_->hits(open), 1u);
  fs_->Inject({.op = FaultOp::kSync, .path_part = "/a"});
  EXPECT_TRUE(file->Sync().IsIOError());
  EXPECT_TRUE(file->Sync().ok());
}

}  // namespace
}  // namespace varve
