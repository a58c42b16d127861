#ifndef VARVE_DB_METERED_FILE_SYSTEM_H_
#define VARVE_DB_METERED_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db/space_account.h"
#include "db/space_grant.h"
#include "db/space_ledger.h"
#include "varve/env.h"

namespace varve {

// The file system of a cache: does what another does, and keeps the account of one directory in a
// SpaceLedger (RULES R6.1, R6.2; Checklist E13). It stands between the engine and the operating
// system, so no file of the directory, whoever makes it, can be left out of the account, and none
// can grow past it.
//
//  1. Before a file grows, what it may take then (AllocationMax) is drawn from the ledger. Where
//     that has too little the growth is refused with NoSpace, and nothing has changed: the capacity
//     is never passed. A log is charged whole, as it is written whole.
//  2. A file that is complete (closed after a sync, or a log that was made) is charged with what it
//     really takes, the larger of size and allocated blocks.
//  3. A file is credited after its unlink and the last close, by whichever is later. A recycled log
//     is a file like any other, and stays charged.
//  4. What a job creates through Drawing() draws from that job's grant, and returns to it.
//  5. What was there at open is charged by ChargeDirectory(), whoever's it is: files of other names
//     too, as they take room, once, with what they took then.
//
// Other directories (checkpoints, files to be ingested) pass through unmetered. Blocks of the
// directory itself are not counted, nor what a file system takes for its own (inodes, journal).
//
// Where the operating system says NoSpace, what it has is less than the capacity: the ledger's
// limit becomes what is used without the growth that failed (Checklist E14). ProbeAfterFull()
// raises it again, and the next write that needs the room is the test: at once by what has become
// free since then, as the file system says, and step by step where it says nothing of use.
//
// Thread safety: as FileSystem. Files keep the account alive and may outlive the object.
class MeteredFileSystem final : public FileSystem {
 public:
  static uint64_t AllocationMax(uint64_t size) { return varve::AllocationMax(size); }

  static std::shared_ptr<MeteredFileSystem> New(std::shared_ptr<FileSystem> base,
                                                const std::string& directory,
                                                std::shared_ptr<SpaceLedger> ledger);
  ~MeteredFileSystem() override;

  // Charges what the directory holds. Once, by the holder of its lock, before anything else.
  Status ChargeDirectory();

  // The same file system, whose new files of the directory draw from `grant` first.
  std::shared_ptr<MeteredFileSystem> Drawing(std::shared_ptr<SpaceGrant> grant) const;

  // Closes the file for all who read it, after the reads under way: what they ask of it from now on
  // is Aborted. For a file that is to be unlinked while somebody still holds it open, so that its
  // room comes back.
  void CloseReaders(const std::string& path);

  // What is charged for the file; 0 if it is none of the directory's.
  uint64_t charged(const std::string& path) const;
  // Bytes charged for files that have no name any more, and are open.
  uint64_t unlinked_bytes() const;
  // How often the file system below had no room.
  uint64_t full_errors() const;
  // Raises the limit after that: by what has become free, as GetFreeSpace() tells of it, but for
  // `step_bytes`, which files on their way may account for. What was said to be free when it failed
  // counts for nothing, as it was not to be had (kept for the superuser, over a quota). Where no
  // more is told of: by a step, a 16th of the limit at least, if the file system has had room for a
  // while: for `nanos_min` the first time, and twice as long each time it failed again, up to
  // `nanos_max`.
  void ProbeAfterFull(uint64_t now_nanos, uint64_t nanos_min, uint64_t nanos_max,
                      uint64_t step_bytes);

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
  MeteredFileSystem(std::shared_ptr<SpaceAccount> account, std::shared_ptr<SpaceGrant> grant);

  const std::shared_ptr<SpaceAccount> account_;
  const std::shared_ptr<SpaceGrant> grant_;  // null: what is free
};

}  // namespace varve

#endif  // VARVE_DB_METERED_FILE_SYSTEM_H_
