#ifndef VARVE_TESTS_SUPPORT_FAULT_FILE_SYSTEM_H_
#define VARVE_TESTS_SUPPORT_FAULT_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "varve/env.h"
#include "varve/status.h"

// Makes the operations of any other file system fail on purpose.
//
//   auto fs = FaultFileSystem::New(Env::Default().file_system);
//   size_t fault = fs->Inject({.op = FaultOp::kSync, .nth = 3, .path_part = ".log"});
//   ... the third sync of a log from here on fails with IOError ...
//   EXPECT_EQ(fs->hits(fault), 1u);  // Checklist T2: it really happened
//
// An operation that fails does not reach the file system below, unless the fault says so (a torn
// write, a failure reported after the fact). Faults count the operations that match them from when
// they were injected, each on its own; where several apply to one operation, the one injected first
// decides. To fail every operation in turn, run once and ask count(), then inject nth = 1, 2, …
//
// Files keep the fault state alive and may outlive the object. All methods may be called from any
// thread.

namespace varve {

// What an operation is to a fault.
enum class FaultOp : uint8_t {
  kOpen,           // opens and creations of files, recycled logs included
  kRead,           // each read; each request of a MultiRead
  kWrite,          // WritableFile::Append, RandomRWFile::Write and Truncate
  kCopy,           // LogFile::Copy
  kSync,           // Sync of any file
  kClose,          // Close of any file
  kDirectorySync,  // SyncDirectory
  kRename,         // RenameFile, and ReuseLogFile, which renames too (it counts for both)
  kRemove,         // RemoveFile, RemoveDirectory
  kCreate,         // creations alone: NewWritableFile, NewLogFile, a new RandomRWFile (for both)
  kList,           // ListDirectory, GetFileInfo
  kOther,          // CreateDirectory, LinkFile, LockFile, GetFreeSpace
};
inline constexpr size_t kFaultOps = 12;

struct Fault {
  FaultOp op = FaultOp::kWrite;
  uint64_t nth = 1;            // the first to fail: 1 is the next that matches
  bool forever = false;        // all that match from then on, not only that one
  std::string path_part = {};  // only paths that hold this text; "" is every path
  // What the operation returns. OK lets it happen: a fault that only counts, or runs `action`.
  Status status = Status::IOError("injected fault");

  // kWrite and kCopy: so many bytes of the data are written through before it fails; kRead: what
  // is read is cut to so many bytes, with success (a short read) if `status` is OK.
  static constexpr size_t kNotTorn = std::numeric_limits<size_t>::max();
  size_t torn_bytes = kNotTorn;
  // The operation is done in full, and then reported as failed.
  bool after_the_fact = false;
  // Called first, without locks, with the path: to wait, to look, to injure something.
  std::function<void(const std::string& path)> action = {};
};

class FaultFileSystem final : public FileSystem {
 public:
  static std::shared_ptr<FaultFileSystem> New(std::shared_ptr<FileSystem> base);
  ~FaultFileSystem() override;

  // Returns the number to ask hits() by.
  size_t Inject(Fault fault);
  // Ends one fault or all; their hits stay.
  void Remove(size_t fault);
  void RemoveAll();
  // How often the fault happened.
  uint64_t hits(size_t fault) const;
  // Operations of a kind so far, those that failed included.
  uint64_t count(FaultOp op) const;

  Status NewRandomAccessFile(const std::string& path, bool direct,
                             std::unique_ptr<RandomAccessFile>* file) override;
  Status NewWritableFile(const std::string& path, uint64_t expected_bytes,
                         std::unique_ptr<WritableFile>* file) override;
  Status NewRandomRWFile(const std::string& path, bool create,
                         std::unique_ptr<RandomRWFile>* file) override;
  Status NewLogFile(const std::string& path, const LogFileOptions& options,
                    std::unique_ptr<LogFile>* file) override;
  Status ReuseLogFile(const std::string& old_path, const std::string& new_path,
                      const LogFileOptions& options, std::unique_ptr<LogFile>* file) override;
  Status GetFileInfo(const std::string& path, FileInfo* info) override;
  Status ListDirectory(const std::string& path, std::vector<std::string>* names) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status RemoveFile(const std::string& path) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status LinkFile(const std::string& from, const std::string& to) override;
  Status SyncDirectory(const std::string& path) override;
  Status LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) override;
  Status GetFreeSpace(const std::string& path, uint64_t* bytes) override;

  class State;  // shared with the files

 private:
  explicit FaultFileSystem(std::shared_ptr<FileSystem> base);

  const std::shared_ptr<FileSystem> base_;
  const std::shared_ptr<State> state_;
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_FAULT_FILE_SYSTEM_H_
