#ifndef VARVE_DB_SPACE_ACCOUNT_H_
#define VARVE_DB_SPACE_ACCOUNT_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/space_grant.h"
#include "db/space_ledger.h"
#include "util/mutex.h"
#include "varve/env.h"

namespace varve {

// What a file of this size takes at most: whole blocks, and blocks of its map of extents (ext4:
// 340 to a block, four in the inode).
uint64_t AllocationMax(uint64_t size);

// A file that is read, and can be taken from its readers. A read announces itself before it looks
// whether the file is still there, so whoever takes it away waits for those who saw it.
class ReadSlot {
 public:
  explicit ReadSlot(std::unique_ptr<RandomAccessFile> file) : file_(file.release()) {}
  ~ReadSlot() { Take(); }
  ReadSlot(const ReadSlot&) = delete;
  ReadSlot& operator=(const ReadSlot&) = delete;

  // Sequentially consistent, all of it: either Take() sees the read counted, or that finds null.
  RandomAccessFile* Begin() {
    reading_.fetch_add(1);
    return file_.load();
  }
  void End() { reading_.fetch_sub(1); }
  // Closes it; false if it was before.
  bool Take();

 private:
  std::atomic<uint32_t> reading_{0};
  std::atomic<RandomAccessFile*> file_;  // null once it was taken
};

// The files of one directory, by path, and what each is charged with in a SpaceLedger: the account
// that a MeteredFileSystem keeps, and shares with its files.
//
// Thread safety: all of it. Files outlive the file system, and keep the account alive.
class SpaceAccount {
 public:
  struct File {
    std::string path;  // while linked
    uint64_t charged = 0;
    uint64_t grown = 0;  // the last time: if that fails below, it is not there
    int handles = 0;
    bool linked = true;
    std::shared_ptr<SpaceGrant> grant;  // that it draws from; null: what is free
    std::vector<std::shared_ptr<ReadSlot>> readers;
  };
  using FileRef = std::shared_ptr<File>;

  SpaceAccount(std::shared_ptr<FileSystem> base, const std::string& directory,
               std::shared_ptr<SpaceLedger> ledger);

  FileSystem* base() const { return base_.get(); }
  const std::string& directory() const { return directory_; }
  // Whether the path is of a file in the directory.
  bool Mine(const std::string& path) const;
  std::string PathOf(const std::string& name) const { return prefix_ + name; }

  // ---- Files come and go ----
  // A file that is about to be created, or is there already; with one more handle.
  FileRef Open(const std::string& path, const std::shared_ptr<SpaceGrant>& grant) EXCLUDES(mu_);
  // A handle was closed.
  void Closed(const FileRef& file) EXCLUDES(mu_);
  void Unlinked(const std::string& path) EXCLUDES(mu_);
  void Renamed(const std::string& from, const std::string& to) EXCLUDES(mu_);
  // A creation failed; if it has left a file all the same, that stays charged.
  void NotCreated(const FileRef& file) EXCLUDES(mu_);

  // ---- What they take ----
  // Whether it may take as much as AllocationMax() says of this size; if so that is charged.
  bool GrowTo(const FileRef& file, uint64_t size) EXCLUDES(mu_);
  // Why it may not.
  Status Refused(const std::string& path) const;
  // The file takes so much and will not change.
  void Settle(const FileRef& file, uint64_t bytes) EXCLUDES(mu_);
  // The same, as the file system says; nothing changes where it says nothing.
  void SettleAsFound(const FileRef& file) EXCLUDES(mu_);
  uint64_t Charged(const std::string& path) const EXCLUDES(mu_);
  uint64_t unlinked_bytes() const EXCLUDES(mu_);

  // ---- Who reads them ----
  void AddReader(const FileRef& file, const std::shared_ptr<ReadSlot>& reader) EXCLUDES(mu_);
  void CloseReader(const FileRef& file, const std::shared_ptr<ReadSlot>& reader) EXCLUDES(mu_);
  void CloseReaders(const std::string& path) EXCLUDES(mu_);

  // ---- A full file system ----
  // What an operation below on the file returned, which it returns too.
  Status Told(const FileRef& file, Status status) EXCLUDES(mu_);
  uint64_t full_errors() const EXCLUDES(mu_);
  // As MeteredFileSystem has it.
  void ProbeAfterFull(uint64_t now, uint64_t nanos_min, uint64_t nanos_max, uint64_t step)
      EXCLUDES(mu_);

 private:
  // Whether the file may take so many bytes more; if so they are charged.
  bool Grow(const FileRef& file, uint64_t bytes) EXCLUDES(mu_);
  bool Draw(uint64_t bytes, const std::shared_ptr<SpaceGrant>& grant);
  void GiveBack(uint64_t bytes, const std::shared_ptr<SpaceGrant>& grant);
  // What its files take, and what is free in the file system besides; unset where that says
  // nothing.
  std::optional<uint64_t> Total() const;
  // The same after an operation on the file has failed: it may take less than it is charged with.
  std::optional<uint64_t> TotalAfterFailure(const FileRef& file) const EXCLUDES(mu_);
  void TakeCharge(File* file, uint64_t* credit, std::shared_ptr<SpaceGrant>* grant) REQUIRES(mu_);
  void Unlink(File* file, uint64_t* credit, std::shared_ptr<SpaceGrant>* grant) REQUIRES(mu_);

  const std::shared_ptr<FileSystem> base_;
  const std::string directory_;
  const std::string prefix_;  // of the paths of its files
  const std::shared_ptr<SpaceLedger> ledger_;

  // Before the locks of grants and of the ledger.
  mutable Mutex mu_;
  std::map<std::string, FileRef> files_ GUARDED_BY(mu_);
  uint64_t unlinked_bytes_ GUARDED_BY(mu_) = 0;
  uint64_t full_errors_ GUARDED_BY(mu_) = 0;
  uint64_t full_errors_seen_ GUARDED_BY(mu_) = 0;
  // Total() that the limit was set by: as it had no room, and what was given since.
  std::optional<uint64_t> total_given_ GUARDED_BY(mu_);
  uint64_t probe_at_ GUARDED_BY(mu_) = 0;
  uint64_t probe_nanos_ GUARDED_BY(mu_) = 0;
};

}  // namespace varve

#endif  // VARVE_DB_SPACE_ACCOUNT_H_
