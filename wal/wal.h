#ifndef VARVE_WAL_WAL_H_
#define VARVE_WAL_WAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "util/internal_key.h"
#include "util/memory_budget.h"
#include "varve/env.h"
#include "varve/slice.h"
#include "varve/statistics.h"
#include "varve/status.h"
#include "wal/log_position.h"

// The write-ahead log of one database: a chain of opaque records over several files, of which one
// takes new records. The format is in wal/FORMAT.md; reading it back is wal/replay.h.

namespace varve {

struct WalOptions {
  Env env;  // file_system, machine and clock must be set
  std::string directory;
  // Bytes of a log file; rounded up to a multiple of 4096. A record that does not fit an empty log
  // of this size gets a larger one of its own.
  uint64_t log_bytes = uint64_t{16} << 20;
  // Let the file system map logs of log_bytes (LogFileOptions.allow_mapped).
  bool mapped = true;
  // Released logs kept for reuse; 0: each is removed. In the recovery mode kAbsolute choose 0, as a
  // torn record cannot be told from what a recycled file held before.
  size_t recycled_files_max = 3;
  // Milliseconds after which a wait for a sync gives up with TimedOut; 0: never.
  uint64_t sync_wait_ms_max = 0;
  // May be null. Is charged with the logs that are mapped, prepared ones included.
  std::shared_ptr<MemoryBudget> memory;
  // May be null. Receives kWalBytes, kWalGroups, kWalSyncs and the latency kWalSync.
  std::shared_ptr<Statistics> statistics;
};

// A log that is ready to take records, and takes none before Wal::Use(). Destroyed unused, it is
// removed: its number is burnt.
class PreparedLog {
 public:
  virtual ~PreparedLog() = default;
  virtual FileNumber number() const = 0;
  // Whether a first record of this size has room.
  virtual bool Fits(uint64_t payload_bytes) const = 0;
};

// Thread safety: Append, Use and Fits are called by one caller at a time (the leader of the commit
// group); everything else from any thread, concurrently with them.
//
// The latch: the first failed write or sync of a log latches that error. From then on nothing is
// framed, synced, switched or released, and every call that would, those that already wait
// included, returns the error. Restart() leads out of it, or closing and opening the database.
class Wal {
 public:
  // Checks the options; touches no file.
  static Status Create(const WalOptions& options, std::unique_ptr<Wal>* wal);

  virtual ~Wal() = default;  // closes the files; syncs nothing

  // Makes a log: creates a file or takes a recycled one, writes its headers, syncs file and
  // directory. May take long; concurrent with everything. `number` must never have been used and be
  // above that of every log used so far. The log has room for a first record of
  // `payload_bytes_min`. After an error the number is burnt and nothing else has changed: the log
  // in use goes on. InvalidArgument if no log could hold such a record.
  virtual Status Prepare(FileNumber number, uint64_t payload_bytes_min,
                         std::unique_ptr<PreparedLog>* log) = 0;
  // Later records go to `log`, whose first one names the end of the log used before.
  virtual Status Use(std::unique_ptr<PreparedLog> log) = 0;

  // Whether a record of this size has room in the log in use. Once true, stays so until the next
  // Append or Use. False if no log is in use.
  virtual bool Fits(uint64_t payload_bytes) const = 0;
  // Adds one record, the concatenation of `parts`; requires Fits(). When it returns OK, *end is the
  // record's end, and the record survives the death of the process, but not of the machine before
  // Sync(*end). InvalidArgument, with nothing changed, if it does not fit.
  virtual Status Append(std::span<const Slice> parts, LogPosition* end) = 0;

  // Returns OK when every record up to `upto` is durable, those of earlier logs first. Callers
  // share syncs; one sync runs at a time. An error is the latched one. TimedOut (see
  // sync_wait_ms_max) says that the records may become durable or not: the sync goes on, and a
  // later call may succeed. InvalidArgument if `upto` is beyond end().
  virtual Status Sync(LogPosition upto) = 0;

  // The end of the last record appended; {0, 0} before the first.
  virtual LogPosition end() const = 0;
  // All records up to here are durable. Manifest roots carry it (RULES R5.3).
  virtual LogPosition durable() const = 0;
  // OK, or the error that stopped everything.
  virtual Status latched() const = 0;
  // Number of the log in use; 0 if there is none.
  virtual FileNumber current() const = 0;

  // Every log below `lowest_needed` is recycled or removed, the one in use excepted. The caller
  // vouches that neither manifest root needs them (RULES R4.1), so they must be durable:
  // InvalidArgument, with nothing changed, if one is not.
  virtual Status Retire(FileNumber lowest_needed) = 0;
  // Takes over `name`, a log or recycled log left in the directory by an earlier run, of which the
  // caller vouches the same: kept for reuse if it fits, otherwise removed.
  virtual Status Adopt(const std::string& name) = 0;
  // Removes the logs that wait to be reused, for their room. Concurrent with everything.
  virtual Status DropRecycled() = 0;
  // Forgets every log used so far, the latched error included, and removes their files. By the
  // caller of Append, who vouches that nothing they hold is needed any more, by either manifest
  // root (RULES R4.1): whatever was appended is durable elsewhere or was never acknowledged. So
  // Sync() up to a position of before says OK. Logs that were prepared and not used stay good. No
  // log is in use afterwards. Waits for a sync under way; TimedOut, with nothing changed, if that
  // takes longer than sync_wait_ms_max.
  virtual Status Restart() = 0;
  // Bytes of a log made from now on; see WalOptions::log_bytes.
  virtual void SetLogBytes(uint64_t log_bytes) = 0;

  // Closes the files and refuses everything afterwards (Aborted). Syncs nothing. No other call may
  // run or follow.
  virtual Status Close() = 0;
};

}  // namespace varve

#endif  // VARVE_WAL_WAL_H_
