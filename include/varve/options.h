#ifndef VARVE_INCLUDE_VARVE_OPTIONS_H_
#define VARVE_INCLUDE_VARVE_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "varve/admission_policy.h"
#include "varve/comparator.h"
#include "varve/env.h"
#include "varve/eviction_policy.h"
#include "varve/logger.h"
#include "varve/merge_operator.h"
#include "varve/prefix_extractor.h"
#include "varve/slice.h"
#include "varve/statistics.h"
#include "varve/status.h"
#include "varve/ttl.h"

namespace varve {

class CompactionFilter;
class EventListener;
class Snapshot;

// When the log is made durable without being asked to.
enum class WalSyncMode : uint8_t {
  kNever = 0,     // only by WriteOptions.sync, SyncWAL, and before a flush is committed
  kInterval = 1,  // at the latest wal_sync_interval_ms after a write
  kAlways = 2,    // every write is durable before it returns
};

// What Open does with a log whose end cannot be read.
enum class WalRecoveryMode : uint8_t {
  // What was never synced may be torn off at the end of the log; damage of what was known durable
  // is Corruption.
  kTolerateTornTail = 0,
  // Any unreadable byte after the last record is Corruption, a torn tail too.
  kAbsolute = 1,
  // Everything up to the first unreadable record, wherever it is; says in the log what was given
  // up. For salvaging a damaged database.
  kPointInTime = 2,
};

// What a cache does when the machine went down hard and writes that had been acknowledged were not
// synced: those may be gone, and what they replaced still there.
enum class AfterPowerLoss : uint8_t {
  // It starts empty: nothing older than what was acknowledged is ever served.
  kEmpty = 0,
  // It keeps the longest prefix of the writes that the log has, as a database does: the last ones
  // may be missing, and what they replaced is served.
  kKeepPrefix = 1,
};

// What happens once the files have failed for good: the log, the manifest, or, unless this is
// kReadOnly, three attempts of a flush one after the other. See the property varve.degraded.
enum class OnIoFailure : uint8_t {
  // Writes are refused with the error, reads go on, until Resume() or a reopen.
  kReadOnly = 0,
  // Caches alone: what is in the directory is given up for good, in it durably, and writes and
  // reads go on in memory, within memtables_max. Every ten seconds it is tried whether the
  // directory works again; then it is emptied and used as before. Nothing that is written meanwhile
  // survives the process: WriteOptions.sync and SyncWAL() answer the error, while with kAlways
  // writes that do not ask by themselves are taken. Where the directory cannot even be marked as
  // given up, it stays with kReadOnly.
  kMemoryOnly = 1,
  // Every read and write answers the error, until a reopen.
  kStop = 2,
};

// How blocks of a segment are compressed; the numbers are on disk.
enum class Compression : uint8_t { kNone = 0, kSnappy = 1, kLz4 = 2, kZstd = 3 };

// How segments are merged in the background. It may be another at each open.
enum class CompactionStyle : uint8_t {
  // Levels of sorted runs, each about level_size_ratio times the one above: least room and fewest
  // places to look, for more writing.
  kLeveled = 0,
  // Few sorted runs of falling size, merged where they are alike: least writing, for more room (up
  // to twice the data during a merge) and more places to look.
  kTiered = 1,
  // Nothing is merged but by CompactRange: for loading, or for a database that is hardly written.
  kNone = 2,
  // What was written at about one time stays together: only neighbours in age that are smaller than
  // a quarter of segment_bytes are merged, so that each byte is written about twice, to the log and
  // to a segment. For a cache, which evicts whole segments; in a database most of what is
  // overwritten or deleted stays for ever.
  kByTime = 3,
};

// How a database is opened. The defaults are those of ForDatabase(). An option stands here only
// where its user knows better than the engine does.
struct Options {
  // A database: loses nothing that its sync mode promised.
  static Options ForDatabase() { return Options(); }
  // A cache: holds at most `capacity_bytes` of disk, may lose what it was given, and never serves
  // stale data. What is written survives a clean close and the death of the process. Sizes of
  // memtables and segments follow from the capacity.
  static Options ForCache(uint64_t capacity_bytes);

  // Whether the options are those of a cache.
  bool cache() const { return capacity_bytes != 0; }

  // ---- Identity ----
  // Make a new database where the directory holds none (the directory too, not its parents).
  bool create_if_missing = false;
  // Refuse with InvalidArgument where the directory already holds one.
  bool error_if_exists = false;
  // Order of the keys; must be the one the database was made with. Must outlive the DB.
  const Comparator* comparator = BytewiseComparator();
  // What makes one value of operands; null: Merge() is refused, and reading a key that has operands
  // answers NotSupported. Not recorded in the database, so that it may be replaced by one that
  // understands the same operands; whoever opens it is to give a fitting one.
  std::shared_ptr<const MergeOperator> merge_operator;
  // May remove or change values while segments are compacted; null: none. See
  // varve/compaction_filter.h.
  std::shared_ptr<const CompactionFilter> compaction_filter;

  // ---- The world ----
  // Files, clocks, machine; null members are replaced by those of Env::Default().
  Env env;
  // Null: DefaultLogger().
  std::shared_ptr<Logger> logger;
  // Null: nothing is counted, or in a cache counters alone, for the properties. Counters cost a few
  // nanoseconds an operation, histograms some more. Several databases may share one.
  std::shared_ptr<Statistics> statistics;
  // Hear of flushes, compactions, stalls and errors, each in this order (varve/listener.h).
  std::vector<std::shared_ptr<EventListener>> listeners;

  // ---- Writing ----
  // Bytes of one memtable; a full one is switched and later flushed. Smaller ones fit the CPU's
  // caches and insert faster; several are merged into one segment by a flush. 64 KiB to 1 GiB.
  // Live.
  size_t memtable_bytes = size_t{8} << 20;
  // Memtables, the active one included, that may exist before writes wait for a flush. 2 to 128.
  // Live.
  int memtables_max = 16;
  // Full memtables that wait until they are flushed together, into one sorted run: more make fewer
  // and larger segments. 1 to memtables_max - 1. Live. With 8 in place of 4, overwriting 10M
  // entries of 100 bytes at random wrote each byte 3.74 instead of 3.83 times; but it leaves
  // writers so much less room while a flush runs that they are held back late and hard, unless
  // memtables_max grows.
  int flush_memtables_min = 4;
  // See WalSyncMode; per write there is WriteOptions.sync.
  WalSyncMode wal_sync = WalSyncMode::kInterval;
  // Milliseconds a write may stay unsynced with kInterval; 1 to 3,600,000. Live.
  uint32_t wal_sync_interval_ms = 1000;
  // Milliseconds a write waits for the device to sync the log; past it TimedOut: the write may or
  // may not have been applied, and writes are refused until Resume() or a reopen. 0: for ever.
  uint32_t wal_sync_timeout_ms = 0;
  WalRecoveryMode wal_recovery = WalRecoveryMode::kTolerateTornTail;
  // Write the log by storing into mapped memory, where the file system is known to overwrite in
  // place (ext4, xfs); otherwise, and elsewhere, by write(2). Both survive the death of the
  // process.
  bool wal_mapped = true;

  // ---- Segments ----
  // Of blocks; one that does not shrink by an eighth is stored as it is.
  Compression compression = Compression::kLz4;
  // Uncompressed bytes of a data block, at most. 1 KiB to 1 MiB. Larger ones compress better, and
  // cost more for each cold or uncached point read.
  size_t block_bytes = 4096;
  // Filter bits a key; 0 builds none. 10 give about 1 % false positives. At most 32.
  int filter_bits_per_key = 10;
  // The part of a key by which iterators skip segments; null: none. Filters then hold the prefixes
  // of keys too, filter_bits_per_key for each. An iterator uses them if lower_bound has a prefix
  // and upper_bound has the same, or ends it (see PrefixExtractor::LeadingBytesDecide): bounds
  // alone decide, so what is found never depends on this. It may be another at each open: segments
  // written with another name than its own, or without, are not skipped. Nothing is, and nothing is
  // written, where filters are not built.
  std::shared_ptr<const PrefixExtractor> prefix_extractor;
  // Read segments with O_DIRECT: the block cache is then the only cache.
  bool use_direct_reads = false;

  // ---- Cache ----
  // 0: a database. Otherwise a cache: all files of the directory together never take more bytes
  // than this, not for an instant: logs, manifest and files that are deleted and still open
  // included, and what others put there before it was opened. At least DB::MinimumCapacity() of the
  // sizes below. A directory is a cache or not from its creation on. A cache refuses a merge
  // operator, IngestPlace::kOldest, compaction_style = kLeveled, wal_recovery = kPointInTime, and
  // comparators under which equal keys may differ in bytes.
  //
  // Live: SetOptions() with a lower one returns when the directory is under it (NoSpace, with the
  // old one in force, if that cannot be had); memtable_bytes, memtables_max, flush_memtables_min
  // and segment_bytes change with it where they are what ForCache() made of the old one. What must
  // not be evicted to make room (an iterator's view, a snapshot's versions) is given up all the
  // same: such an iterator answers Aborted at its next step.
  uint64_t capacity_bytes = 0;
  // Which segments a cache gives up when it wants room. See EvictionPolicy.
  EvictionPolicy eviction = EvictionPolicy::kLru;
  // Which puts a cache takes. See AdmissionPolicy.
  AdmissionPolicy admission = AdmissionPolicy::kAll;
  // Milliseconds that a write of a cache waits for room before it answers NoSpace: nearly always
  // evictions run ahead of writers and it waits for nothing. Live.
  uint64_t room_wait_ms = 1000;

  // See AfterPowerLoss. Of caches alone; it does not matter where wal_sync is kAlways, as nothing
  // is lost then. Whatever it says, a cache starts empty after an end without a close if unlogged
  // writes (WriteOptions.disable_wal) had not been flushed, and where a log is damaged.
  AfterPowerLoss after_power_loss = AfterPowerLoss::kEmpty;

  // ---- Time to live ----
  // Milliseconds after which entries expire that are put without a ttl of their own
  // (WriteOptions.ttl, WriteBatch::Put with a ttl); 0: never. Live: it concerns what is written
  // from then on. With another value than 0 Merge needs WriteOptions.ttl = kNoTtl.
  //
  // An expired entry is not there for any read, at whatever snapshot, and goes on hiding what is
  // older. What has expired stays expired, over a crash too, and where the wall clock is set back:
  // a database that has expiries keeps a time of its own, which follows the wall clock ahead and
  // never back.
  uint64_t default_ttl_ms = 0;
  // Milliseconds by which the wall clock may be ahead of that time and still be followed at once;
  // what is further ahead is taken for a clock that is wrong, and told
  // (EventListener::OnClockJump). Only an open follows by up to 366 days, as the database may have
  // been closed; what a jump of more than this lets expire there, a database drops a day later at
  // the earliest. `varve_ldb reset-clock` sets the time. 0: the wall clock is never followed but by
  // an open.
  uint64_t clock_jump_max_ms = 3'600'000;

  // ---- History ----
  // What ReadOptions.at_sequence may ask for. A state of the database stays readable for at least
  // so many milliseconds, and until so many more entries were written, after it was replaced; what
  // it held when it was opened counts as replaced then. With both it stays for as long as either
  // asks; with both 0 versions go as soon as no snapshot needs them. What is kept costs room and
  // makes reads of often changed keys slower. Live: a shorter one lets go from the next flush or
  // compaction on, a longer one brings nothing back.
  uint64_t history_retention_ms = 0;
  uint64_t history_retention_sequences = 0;

  // ---- Compaction ----
  // See CompactionStyle.
  CompactionStyle compaction_style = CompactionStyle::kLeveled;
  // Bytes of file at which a compaction begins its next segment. Smaller ones are merged in finer
  // steps, and need more files. 64 KiB to 4 GiB. Live.
  uint64_t segment_bytes = uint64_t{32} << 20;
  // Sorted runs in level 0 at which they are merged downwards. More make fewer merges, and more
  // places to look. Writes are slowed at five times as many, and stop at nine times. 1 to 64. Live.
  int level0_runs_trigger = 8;
  // Bytes of the first level below level 0, at least; deeper ones are level_size_ratio times the
  // one above. The more, the fewer levels, and the larger the steps. 64 KiB to 1 TiB. Live.
  uint64_t level_base_bytes = uint64_t{256} << 20;
  // More means fewer levels, of which each costs more to merge into. 2 to 100. Live.
  int level_size_ratio = 10;
  // Tiered: sorted runs at which merging begins. 2 to 64. Live.
  int tiered_runs_trigger = 8;
  // Tiered: bytes in newer runs, in percent of the oldest run, at which all become one. Less takes
  // less room, and merges everything more often. 10 to 1,000. Live.
  int tiered_space_percent_max = 100;

  // ---- Memory ----
  // Bytes of memory for all of it together: memtables, mapped logs, indexes and filters of open
  // segments, ghosts, what is known of hits and puts (EvictionPolicy::kLru, AdmissionPolicy), block
  // cache, and what background work holds. The block cache gets what the others leave, and an
  // eighth at least; then there are fewer and smaller memtables than the options say, so that
  // writes wait for flushes sooner; and segments are closed that were not read lately. The sizes
  // that other options give the parts are then what they have at most. Memory is taken from the
  // system as it is used. Too little for these options is InvalidArgument, which
  // names the least that would do. Live.
  //
  // 0: in a cache half of what the machine allows, be it by its control group or by what is built
  // in, but no more than twice the capacity and 64 MiB. In a database no common budget: each part
  // has the size that its options give it. The property memory-budget is then their sum:
  // block_cache_bytes, open_segments_bytes, memtables_max times 65/64 of memtable_bytes, with
  // wal_mapped the logs of so many memtables, of those that one flush takes (64 MiB of them, but no
  // more than half) and three more, each a quarter larger than its memtable (pages of the page
  // cache, which count as the process's while they are mapped), 16 MiB for each background thread,
  // and 32 MiB.
  //
  // Iterators and pinned values come on top, as they keep what they read.
  uint64_t memory_bytes = 0;
  // Bytes of the block cache, which holds the blocks of segments, uncompressed and charged with all
  // they take. 0: no cache. Live.
  size_t block_cache_bytes = size_t{64} << 20;
  // Segments kept open, each a file descriptor with its index and filter in memory. At least 16.
  int open_segments_max = 1000;
  // Bytes of indexes and filters of open segments, about 2 bytes for each key of 10 filter bits in
  // 4 KiB blocks of 100-byte values. Past it segments that were not read lately are closed, and
  // opened again when they are; less than what is read often makes reads slow. At least 1 MiB.
  // Iterators keep what they read open beyond it: one segment of each sorted run.
  size_t open_segments_bytes = size_t{512} << 20;

  // ---- Background ----
  // See OnIoFailure.
  OnIoFailure on_io_failure = OnIoFailure::kReadOnly;
  // Threads for flushes and other work; started when first needed. 1 to 64. Where there are two,
  // one is kept for flushes; a single one leaves a flush waiting until the compaction before it
  // ends.
  int background_threads = 2;
  // Bytes a second that background work writes; 0: no limit. Live.
  uint64_t background_bytes_per_second = 0;

  // OK, or InvalidArgument that names the field, its value and what is allowed.
  Status Validate() const;
};

struct ReadOptions {
  // Read the state this snapshot saw; null: the newest. Must be of the same DB, and outlive an
  // iterator made with it.
  const Snapshot* snapshot = nullptr;
  // Read the state right after this sequence number (see the property last-sequence). TooOld below
  // the retained sequence, which rises as Options.history_retention_... allow; InvalidArgument
  // above the last sequence, or together with `snapshot`. An iterator pins the state; its Refresh()
  // asks anew, and may find it TooOld.
  std::optional<uint64_t> at_sequence;
  // Verify block checksums of what is read from the file. Cached blocks were verified when read.
  bool verify_checksums = true;
  // Keep blocks that had to be read in the block cache.
  bool fill_cache = true;
  // Iterators only: keys in [lower_bound, upper_bound). The bytes are copied when the iterator is
  // made. Unset: unbounded.
  std::optional<Slice> lower_bound;
  std::optional<Slice> upper_bound;
};

struct WriteOptions {
  // Return when the write, and with it every earlier one, is durable.
  bool sync = false;
  // Do not log: the write is durable only after a flush, and is lost with the process until then.
  // The next logged write first waits for such a flush, so that what survives a crash stays a
  // prefix of the write order. With `sync` InvalidArgument.
  bool disable_wal = false;
  // How long the entries live that are put by this write, but those of a batch that have a ttl or
  // an expiry of their own: from the moment of the commit on. Unset: Options.default_ttl_ms;
  // kNoTtl: for ever. Zero or less is InvalidArgument. Merge with another than kNoTtl is
  // NotSupported, and so are reads that find operands over a value that expires: put it anew
  // first. Deletes do not look at it.
  std::optional<std::chrono::milliseconds> ttl = std::nullopt;
};

struct CompactRangeOptions {
  // Also rewrite the segments that are in their deepest place already, to have the compaction
  // filter see them and to drop what a snapshot kept when they were written.
  bool rewrite_deepest = false;
};

// Where DB::Ingest puts what it takes in.
enum class IngestPlace : uint8_t {
  // Above all: as if it were written now. What the files hold wins.
  kNewest = 0,
  // Beneath all: only keys that the database does not hold when the call is made. Deletions in the
  // files mean nothing, and a key that was deleted is not held. Writes wait while the files are
  // read and written, at the rate that background_bytes_per_second leaves to compactions.
  kOldest = 1,
};

struct IngestOptions {
  IngestPlace place = IngestPlace::kNewest;
  // Read the files through and check every checksum and order before anything is changed.
  // (Checksums of what is taken over are verified in any case, as it is read.)
  bool verify_checksums = true;
  // Remove the files once their content is durable in the database.
  bool move_files = false;
};

struct FlushOptions {
  // Return when the flush is done; otherwise when it is scheduled.
  bool wait = true;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_OPTIONS_H_
