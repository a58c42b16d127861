#ifndef VARVE_INCLUDE_VARVE_DB_H_
#define VARVE_INCLUDE_VARVE_DB_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "varve/iterator.h"
#include "varve/options.h"
#include "varve/pinned_value.h"
#include "varve/slice.h"
#include "varve/snapshot.h"
#include "varve/status.h"
#include "varve/write_batch.h"

namespace varve {

// A persistent ordered map from keys to values in one directory, owned by one process at a time.
// All methods may be called from any number of threads.
//
// After a crash the database holds the state after some prefix of the writes, in the order in which
// they were acknowledged: one prefix for all keys, batches whole. It reaches at least to the last
// write known durable (`sync`, SyncWAL, Flush), and after the death of the process alone to the
// last logged write that was acknowledged.
//
// A cache starts empty where that prefix could be shorter than what was acknowledged
// (Options::after_power_loss): it loses all rather than serve what had been replaced.
//
// After a failed write or sync of the log, or of the manifest's root, the database is read-only:
// reads go on, writes return that first error. Resume() or reopen it once the cause is gone;
// Options::on_io_failure has other ways. A flush that cannot write its segment is tried again by
// itself; meanwhile what it holds stays readable, and writes go on until memory for them runs out.
class DB {
 public:
  // Opens the database in `path`, recovering it if it was not closed. Errors: InvalidArgument (an
  // option; missing, or present though error_if_exists; another comparator), Busy (another opener
  // in this or another process), NotSupported (a newer format), Corruption (file and offset),
  // IOError, NoSpace. On an error nothing of the directory is lost.
  static Status Open(const Options& options, const std::string& path, std::unique_ptr<DB>* db);
  // The least capacity_bytes that a cache of these options may have, whatever theirs is: what makes
  // progress with nothing left in it but one batch of 64 KiB on its way. Larger batches want more:
  // one that could never fit is InvalidArgument at once. Of sizes that follow from the capacity:
  // MinimumCapacity(Options::ForCache(1)).
  static uint64_t MinimumCapacity(const Options& options);
  // Removes every file of a database in `path` that is not open, and the directory if nothing else
  // is left in it. Files it does not know stay. NotFound if there is no database.
  static Status Destroy(const Options& options, const std::string& path);

  // Close(), dropping its status. Iterators and values still held stay readable.
  virtual ~DB() = default;
  // Ends background work, makes every logged write durable, flushes what was not logged, and lets
  // the directory go. Busy, with nothing changed, while iterators or snapshots live. May be
  // called twice; after it every other call answers Aborted. Returns the first background error
  // that nobody has been told of.
  virtual Status Close() = 0;

  // InvalidArgument if a key or value is over its limit (see WriteBatch). A write is seen by every
  // read that starts after it returned. IOError and NoSpace mean "not acknowledged": the write may
  // or may not be there after the next Open, but not before it.
  virtual Status Put(const WriteOptions& options, Slice key, Slice value) = 0;
  virtual Status Delete(const WriteOptions& options, Slice key) = 0;  // an absent key is fine
  // Deletes every key in [start, end), whatever there is, at the cost of one write: readers pass
  // over what it covers until a compaction drops it. InvalidArgument where `start` comes after
  // `end`; where they are equal nothing is deleted.
  virtual Status DeleteRange(const WriteOptions& options, Slice start, Slice end) = 0;
  // Adds an operand to the key's value, without reading it. InvalidArgument without
  // Options::merge_operator; see varve/merge_operator.h.
  virtual Status Merge(const WriteOptions& options, Slice key, Slice operand) = 0;
  // Gives the key a new time to live, that of a Put with these options (kNoTtl: for ever): its
  // value as it is now is written anew, as a whole new version, with nothing of other writers in
  // between. NotFound, with nothing written, where there is no such key, or where it has expired;
  // so with any other error of the read. Costs a read and a write, beside which no other write goes
  // on.
  virtual Status Touch(const WriteOptions& options, Slice key) = 0;
  // The same, with the instant at which it expires (milliseconds since 1970; 2^64 - 1: never; one
  // that has passed: at once). WriteOptions::ttl is not looked at.
  virtual Status ExpireAt(const WriteOptions& options, Slice key, uint64_t expires_at_ms) = 0;
  // All entries of the batch, or none. The batch is unchanged and may be reused.
  virtual Status Write(const WriteOptions& options, const WriteBatch& batch) = 0;

  // NotFound if there is no such key. `*value` means something only if OK is returned.
  virtual Status Get(const ReadOptions& options, Slice key, PinnedValue* value) = 0;
  Status Get(const ReadOptions& options, Slice key, std::string* value);
  // All keys from one state. statuses[i] and values[i] are what Get(keys[i]) would give; one failed
  // read fails that key alone. The three have the same length.
  virtual void MultiGet(const ReadOptions& options, std::span<const Slice> keys,
                        std::span<PinnedValue> values, std::span<Status> statuses) = 0;
  // Never null: an error shows in its status(). Destroy it before Close().
  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) = 0;
  virtual std::unique_ptr<Snapshot> GetSnapshot() = 0;

  // Writes what is in memory to segments; durable when it returns OK, with or without a log.
  virtual Status Flush(const FlushOptions& options = {}) = 0;
  // Merges everything in [begin, end], both included and unset being unbounded, downwards into one
  // sorted run, in steps, beside other work. What is written meanwhile may be left out. Returns
  // when it is done; or with the first error, which leaves the database as good as it was. Aborted
  // if the database is closed; InvalidArgument if `begin` comes after `end`.
  virtual Status CompactRange(const CompactRangeOptions& options, std::optional<Slice> begin,
                              std::optional<Slice> end) = 0;
  // Makes every write acknowledged before the call durable, unlogged ones by a flush.
  virtual Status SyncWAL() = 0;

  // Makes `directory`, which must not exist or be empty and whose parent exists, a database of its
  // own that holds what this one does: every write acknowledged before the call, and a prefix of
  // those that follow. Flushes first. Segments are shared as hard links, or copied where the file
  // system will not link, so afterwards neither database affects the other. All of it appears at
  // once; on an error, or after a crash, none of it (what a crash leaves beside it, under
  // `directory`.checkpoint.tmp, the next attempt removes). Writes go on meanwhile.
  virtual Status Checkpoint(const std::string& directory) = 0;

  // Takes in files made by SegmentWriter, all or none of them, as one write at one sequence number:
  // no read, snapshot or iterator sees a part of it, and neither does what a crash leaves. They are
  // written anew into the database, which they need not share a file system with, and durable when
  // it returns OK. InvalidArgument, Corruption or NotSupported, with nothing changed: files whose
  // keys overlap, that another comparator or no SegmentWriter made, or that are damaged. Busy if
  // writers used up the sequences set aside (thousands of millions) meanwhile. Flushes first;
  // writes wait only for what little is left to flush then, and for the commit.
  virtual Status Ingest(const std::vector<std::string>& files,
                        const IngestOptions& options = {}) = 0;

  // Brings a read-only database back to taking writes, without closing it: makes everything that
  // was acknowledged durable in segments, and begins a new log. What failed is tried again; an
  // error leaves the database read-only as it was, and Resume() may be called again. After a failed
  // write of the manifest's root, or a failed insert of a logged write, only reopening helps: it
  // returns that error. OK where nothing is wrong; work that is to be tried again later is tried at
  // once. A cache that goes on in memory (OnIoFailure::kMemoryOnly) is brought back to its
  // directory.
  virtual Status Resume() = 0;
  // Flushes and compactions under way end, and no other begins, until ContinueBackgroundWork() has
  // been called as often. Meanwhile writes that find no room in memory, and Flush(), wait. Close()
  // ends the pause. ContinueBackgroundWork() without a pause is InvalidArgument.
  virtual Status PauseBackgroundWork() = 0;
  virtual Status ContinueBackgroundWork() = 0;

  // Sets options marked "Live" by name, as text: {"wal_sync_interval_ms", "200"}. All or none;
  // InvalidArgument names the one that is unknown, not live, or out of range.
  virtual Status SetOptions(const std::map<std::string, std::string>& changes) = 0;
  // False if there is no such property. Names, each "varve." and:
  //   num-segments, num-sorted-runs, segment-bytes, num-obsolete-segments (out of the database, on
  //   disk for a reader's sake), num-running-compactions, compaction-pending (1 while any runs or
  //   is wanted), compaction-debt-bytes (an estimate), num-ghosts (of evicted segments that hide
  //   what is older), ghost-bytes (of their files), num-entries (versions, tombstones included),
  //   memtable-bytes, num-immutable-memtables, block-cache-usage, block-cache-capacity,
  //   open-segments, segment-reader-bytes (indexes and filters of the open ones, and of what was
  //   closed while somebody read it), segment-heat-bytes (what reads have hit of segments, for
  //   EvictionPolicy::kLru), admission-bytes (keys put lately, for AdmissionPolicy::kSeenBefore),
  //   memory-budget (what the options allow, see "Memory" in varve/options.h), memory-usage (what
  //   of it is taken: memtables, mapped logs, block cache, indexes and filters, ghosts, those two;
  //   but not what background work holds, which is part of the budget), num-snapshots,
  //   oldest-snapshot-sequence, last-sequence,
  //   retained-sequence (the oldest that ReadOptions.at_sequence may ask for), manifest-commits,
  //   manifest-bytes-written, wal-bytes (all log files), live-bytes (everything in the directory),
  //   capacity-bytes (of a cache, as it is now; 0), used-bytes (what of it files take, those that
  //   are deleted and still open included; of a database, live-bytes), reserved-bytes (promised to
  //   what is on its way),
  //   is-write-stopped,
  //   delayed-write-rate (bytes a second that writes are held to; 0: not),
  //   oldest-segment-age-ms (since the oldest one was written),
  //   hit-ratio-percent, byte-hit-ratio-percent, recent-hit-ratio-percent,
  //   recent-byte-hit-ratio-percent (of the gets that were hits or misses, and of the bytes they
  //   asked for, a miss counting as much as an entry written on the average; recent: in the last
  //   ten minutes, or somewhat more where nobody asked and nothing was flushed meanwhile; rounded,
  //   0 without any; all of Options::statistics, whoever shares them): numbers;
  //   durable-position ("log:offset"), ghost-false-positive-rate (how often keys that are there are
  //   hidden by chance: summed over the ghosts), background-error ("" if none), degraded ("" or
  //   what is left after an I/O failure, and which), last-reset (of a cache: "" or why and when it
  //   was emptied last, durable): text;
  //   stats, segments, options, cache-stats (what the owner of a cache looks at: ratios of hits,
  //   reasons of misses, what went and why): several lines for people;
  //   why:<key> (behind the colon the bytes of any key): what became of the key, as far as can be
  //   known, a line for each memtable, segment and ghost that knows it, newest first. The first
  //   line says what Get answers and why, and begins with live, deleted, expired, refused, evicted,
  //   masked, operand, unknown, error, or never seen; what lies beneath is indented. Reads
  //   segments; nothing is counted;
  //   prometheus: all counters, latencies and numbers above, in Prometheus' text exposition format
  //   0.0.4, each with the label db, the path.
  virtual bool GetProperty(Slice name, std::string* value) = 0;
  virtual bool GetIntProperty(Slice name, uint64_t* value) = 0;

  struct Range {
    Slice start, limit;  // [start, limit)
  };
  // Estimates, without reading data blocks, of the bytes on disk under each range's keys. Of each
  // sorted run two segments are opened at most, those that the range cuts.
  virtual Status GetApproximateSizes(std::span<const Range> ranges, uint64_t* sizes) = 0;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_DB_H_
