#ifndef VARVE_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_
#define VARVE_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/sim_disk.h"
#include "varve/env.h"

// A file system in memory that is as strict as a disk may be (see sim_disk.h), that can be told to
// fail, and that can record what is done to it.
//
// A crash test makes one, runs the engine on it, and opens the engine again on what is left:
//
//   auto fs = SimFileSystem::New({.seed = 7});
//   ... write, sync ...
//   auto after = SimFileSystem::New({}, fs->disk().PowerLoss(SimLoss::DropAll()));
//
// or, with `record`, runs once and then walks through every boundary of fs->history() with a
// SimReplay. The engine may go on using the old one meanwhile: disks are copies.
//
// Everything random comes from the seed. All methods may be called from any thread; one mutex
// guards all. A sync begins and ends with a schedule point in between, and so is a mapped copy cut
// in pieces; other calls are atomic.

namespace varve {

// Calls that can be made to fail, as bits.
enum SimCall : uint32_t {
  kSimOpen = 1u << 0,    // opening an existing file
  kSimCreate = 1u << 1,  // making a file, also the log files
  kSimRead = 1u << 2,
  kSimWrite = 1u << 3,  // appends, writes, copies
  kSimSync = 1u << 4,
  kSimTruncate = 1u << 5,
  kSimClose = 1u << 6,
  kSimRename = 1u << 7,  // and reuse of a log
  kSimRemove = 1u << 8,
  kSimLink = 1u << 9,
  kSimDirectorySync = 1u << 10,
  kSimList = 1u << 11,
  kSimInfo = 1u << 12,
  kSimMakeDirectory = 1u << 13,
  kSimLock = 1u << 14,
  kSimChanges = kSimCreate | kSimWrite | kSimSync | kSimTruncate | kSimRename | kSimRemove |
                kSimLink | kSimDirectorySync | kSimMakeDirectory,
  kSimAll = (1u << 15) - 1,
};

struct SimFault {
  uint32_t calls = kSimAll;    // bits of SimCall that count
  std::string path_part = {};  // only paths that hold this; "": all
  uint64_t nth = 1;            // the first to fail, counted from 1 since InjectFault
  bool forever = false;        // and all that follow
  Status::Code code = Status::Code::kIOError;
};

struct SimOptions {
  uint64_t seed = 1;
  bool record = false;      // keep a history
  bool track = true;        // false: nothing is ever pending; for disks that are only killed
  bool mapped_logs = true;  // LogFile stores through a mapping, where the caller allows it
  uint64_t capacity_bytes = UINT64_MAX;
};

class SimFileSystem : public FileSystem, public std::enable_shared_from_this<SimFileSystem> {
 public:
  // Starts with an empty root directory, or with what a crash left.
  static std::shared_ptr<SimFileSystem> New(const SimOptions& options = {});
  static std::shared_ptr<SimFileSystem> New(const SimOptions& options, SimDisk disk);

  // ---- For the harness --------------------------------------------------------------------
  // A copy of the disk as it is now.
  SimDisk disk() const;
  // Changes so far; with `record` the size of the history. What a caller does between two reads of
  // it lies between those boundaries.
  uint64_t op_count() const;
  // Requires `record`. Do not call while anything runs on the file system.
  const SimHistory& history() const { return history_; }

  // Replaces the fault in force. Counting starts anew.
  void InjectFault(const SimFault& fault);
  void ClearFault();
  // Matching calls since InjectFault, and how many of them failed.
  uint64_t calls_counted() const;
  uint64_t calls_failed() const;
  // How many changes the history had when the first did; UINT64_MAX: none has.
  uint64_t first_failure() const;
  // Puts a step that the engine came to into the history: see BatonScheduler::OnStep().
  void Did(CrashStep step);
  // The so many-th sync from now on, of a file or a directory, persists nothing and says OK.
  void LieAboutSync(uint64_t nth);
  // How many changes there had been when it did; UINT64_MAX: it has not.
  uint64_t first_lie() const;
  // From now on every call fails and changes nothing: the process is dead.
  void Freeze();

  // The largest sum of allocated bytes ever held, unlinked but open files included.
  uint64_t used_bytes_max() const;
  int open_files() const;
  // From now on keeps the most bytes that the files of `directory`, which must exist, ever take, at
  // every change: of each the larger of its length and what is allocated for it; open files that
  // have no name any more included (RULES R6.1).
  void WatchDirectory(const std::string& directory);
  // That most, since the watch began or since the last call.
  uint64_t TakeWatchedBytesMax();
  // Names given to files so far, by creation or renaming, without their directories.
  std::vector<std::string> names_given() const;
  // Shortcuts for tests. The path must exist.
  std::string ReadAll(const std::string& path) const;
  void Damage(const std::string& path, uint64_t offset, Slice bytes);

  // ---- FileSystem -------------------------------------------------------------------------
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

 private:
  class Handle;
  class Reader;
  class Writer;
  class ReadWriter;
  class Log;
  class Lock;

  SimFileSystem(const SimOptions& options, SimDisk disk);

  // All below require mutex_.
  Status Check(SimCall call, const std::string& path);
  Status Missing(const std::string& path) const;
  void Record(SimOp op);
  const std::string& LatestPath(InodeNumber inode, const std::string& path) const;
  uint64_t Draw(uint64_t bound);  // 0 … bound - 1
  uint64_t UsedBytes() const;
  bool MayGrow(const SimOp& op) const;
  uint64_t WatchedBytes() const;
  Status Reserve(uint64_t bytes, const std::string& path);
  Status Create(SimOpKind kind, const std::string& path, InodeNumber* inode);
  Status Open(const std::string& path, InodeNumber* inode);
  Status Write(InodeNumber inode, const std::string& path, uint64_t offset, Slice data,
               bool mapped);
  Status Resize(InodeNumber inode, const std::string& path, uint64_t size);
  Status Rename(const std::string& from, const std::string& to, InodeNumber* inode);
  Status Unlink(const std::string& path);
  // These take mutex_ themselves, twice.
  Status SyncInode(SimOpKind begin, InodeNumber inode, const std::string& path);
  Status Sync(InodeNumber inode, const std::string& path);

  const SimOptions options_;
  mutable std::mutex mutex_;
  SimDisk disk_;
  SimHistory history_;
  uint64_t random_;
  SimFault fault_;
  bool fault_set_ = false;
  bool frozen_ = false;
  uint64_t calls_counted_ = 0, calls_failed_ = 0;
  uint64_t used_bytes_max_ = 0;
  InodeNumber watched_ = 0;  // 0: no directory
  uint64_t watched_bytes_max_ = 0;
  uint64_t syncs_to_lie_ = 0;  // 0: none will
  uint64_t first_lie_ = UINT64_MAX, first_failure_ = UINT64_MAX;
  std::vector<std::string> names_given_;
  std::map<InodeNumber, std::string> paths_;  // each file's latest name
  std::map<InodeNumber, int> open_;
  std::set<std::string> locks_;
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_
