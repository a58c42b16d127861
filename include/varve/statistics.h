#ifndef VARVE_INCLUDE_VARVE_STATISTICS_H_
#define VARVE_INCLUDE_VARVE_STATISTICS_H_

#include <cstdint>
#include <memory>
#include <string>

namespace varve {

// What is counted. Never renumbered: append before kCounterCount.
enum class Counter : uint32_t {
  kGets = 0,          // Get calls and MultiGet keys
  kGetHits,           // of them, found
  kGetBytes,          // value bytes returned
  kMemtableHits,      // gets answered by a memtable
  kWrites,            // batches written
  kWriteEntries,      // entries in them
  kWriteBytes,        // key and value bytes of the entries
  kSeeks,             // iterator seeks of every kind
  kIteratorSteps,     // Next and Prev calls
  kWalBytes,          // bytes framed into logs, headers included
  kWalSyncs,          // fsync calls on logs
  kWalGroups,         // commit groups
  kFlushes,           // flush jobs committed
  kFlushBytes,        // bytes of segments they wrote
  kSegmentBytesRead,  // bytes read from segment files
  kBlockCacheHits,    // block lookups served by the cache
  kBlockCacheMisses,  // block lookups that had to read
  kBlockCacheInserts,
  kFilterChecks,          // filters asked
  kFilterNegatives,       // of them, "not here"
  kFilterFalsePositives,  // of them, "maybe", and the key was not there
  kDirectFallbacks,       // segments opened without O_DIRECT where it was asked for
  kWriteStalls,           // writes that waited for room in the memtables
  kWriteStallMicros,      // how long, microseconds
  kManifestCommits,
  kManifestBytes,     // bytes written to the manifest
  kWriteDelays,       // commit groups that were held to the speed of background work
  kWriteDelayMicros,  // how long; what kWriteStallMicros counts comes on top
  kHiddenRuns,        // calls of an iterator that passed over thousands of entries that do not show
  kHiddenRunEntries,  // the entries
  kCompactions,       // compactions committed, moves not included
  kCompactionBytesRead,       // bytes of segments they read …
  kCompactionBytesWritten,    // … and wrote
  kCompactionEntriesRead,     // entries they read …
  kCompactionEntriesDropped,  // … and left out
  kSegmentMoves,              // segments moved to another level without being read
  kSegmentsRemoved,           // obsolete segments unlinked
  kCheckpoints,
  kCheckpointFilesCopied,  // segments that could not be linked
  kIngestions,
  kIngestedFiles,
  kIngestedBytes,  // of the segments that were made of them
  kPrefixChecks,   // segments whose filter an iterator asked for the prefix of its bounds
  kPrefixSkips,    // of them, skipped
  // What went whole and unread, and why, with all entries and the bytes of the files; bytes and
  // entries of the first two also of what merges left out, keys and values.
  kEvictions,        // commits that took segments out …
  kEvictedSegments,  // … for room: so many,
  kEvictedBytes,
  kEvictedEntries,
  kExpiredSegments,  // … because all in them had expired,
  kExpiredBytes,
  kExpiredEntries,
  kDamagedSegments,  // … because they could not be read
  kDamagedBytes,
  kDamagedEntries,
  kGhostsMade,       // of these segments, those that left a ghost
  kGhostsRetired,    // ghosts that had nothing left to hide
  kGhostDrops,       // entries that compactions left out because a ghost hides them
  kRefusedEntries,   // puts that were not admitted …
  kRefusedBytes,     // … their keys and values
  kSalvages,         // segments of what was saved of evicted ones …
  kSalvagedEntries,  // … entries in them
  kSalvagedBytes,    // … bytes of their files
  // Gets that found nothing, and why: the reasons sum up to the misses. A get that failed is
  // neither a hit nor a miss.
  kGetMisses,
  kMissAbsent,         // never written, or gone without a trace
  kMissDeleted,        // by a delete or a range tombstone
  kMissExpired,        // its time had come
  kMissRefused,        // the last write of it was not admitted to the cache
  kMissEvicted,        // evicted by a merge
  kMissGhost,          // evicted with its segment; or a false positive of that segment's filter
  kMissQuarantined,    // in the bounds of a segment that could not be read
  kMissReset,          // the directory is condemned
  kGetHitKeyBytes,     // key bytes of the hits; kGetBytes has their values
  kGhostBytesWritten,  // of ghost files, which are born with the segments
  kCacheResets,        // caches that were emptied, at an open or as a device came back
  kRoomWaits,          // writes of a cache that found no room on the disk
  kRoomWaitMicros,     // what they waited for it
  kIteratorsRevoked,   // for the room of what they held open
  kMemtablesEvicted,   // unflushed, with no segment left
  kCounterCount,
};

// Latencies in nanoseconds.
enum class Latency : uint32_t {
  kGet = 0,
  kWrite,
  kSeek,
  kWalSync,
  kFlush,
  kSegmentRead,  // one read call on a segment file
  kManifestCommit,
  kCompaction,
  // What makes a write wait, each apart from the others, and in kWrite as well.
  kWriteDelay,      // a sleep that holds a commit group to the speed of background work
  kWriteStall,      // a wait for room in the memtables, or until compactions have caught up
  kMemtableSwitch,  // a new memtable in the place of the full one, kWriteStall not included
  kLogWait,         // a wait for the next log, which is for the device: it syncs the file
  kLatencyCount,
};

// A histogram's summary. Values are exact to within 1.6 %.
struct HistogramData {
  uint64_t count = 0;
  double average = 0;
  uint64_t minimum = 0, median = 0, p95 = 0, p99 = 0, p999 = 0, maximum = 0;
};

// Counters and histograms of one or several databases; share one by passing it to several
// Options. Any number of threads; a counter is striped so that writers do not meet.
class Statistics {
 public:
  // `latencies` false: only counters, which spares two readings of the clock an operation.
  static std::shared_ptr<Statistics> Create(bool latencies = true);
  virtual ~Statistics() = default;

  virtual void Add(Counter counter, uint64_t amount) = 0;
  virtual uint64_t Get(Counter counter) const = 0;
  virtual bool latencies_enabled() const = 0;
  virtual void Record(Latency latency, uint64_t nanos) = 0;
  virtual HistogramData GetHistogram(Latency latency) const = 0;
  virtual void Reset() = 0;
  // One line a counter and a histogram, for people.
  virtual std::string ToString() const = 0;
};

// Names as ToString() and GetProperty print them, for example "wal_bytes".
const char* CounterName(Counter counter);
const char* LatencyName(Latency latency);
// What is counted or timed, in a line.
const char* CounterHelp(Counter counter);
const char* LatencyHelp(Latency latency);

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_STATISTICS_H_
