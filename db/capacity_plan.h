#ifndef VARVE_DB_CAPACITY_PLAN_H_
#define VARVE_DB_CAPACITY_PLAN_H_

#include <cstddef>
#include <cstdint>

#include "varve/options.h"

namespace varve {

// What follows from a cache's capacity (RULES R6.3), and from the sizes in its options, which may
// be set apart. Pure.
//
// The least capacity is what makes progress with nothing of the cache left but one batch on its
// way:
//
//     LOCK | manifest: two roots, directory, leaves, spare pages, and as much again as a commit
//     rewrites | one output with its ghost | the larger of a log and the largest batch
//     | siblings x (that batch + footer, index, ghost)
//
// The rest is segments. With one block less a cache could come to where it waits for room that only
// what waits would give.

// Outputs that one flush may have (db/expiry_buckets.h): each has all range tombstones.
inline constexpr uint64_t kFlushSiblingsMax = 8;
// A cache takes batches of this size at the least.
inline constexpr uint64_t kBatchBytesLeast = 64 << 10;

// Sizes that Options::ForCache sets.
struct CapacitySizes {
  uint64_t segment_bytes = 0;
  size_t memtable_bytes = 0;
  int memtables_max = 0;
  int flush_memtables_min = 0;
  friend bool operator==(const CapacitySizes&, const CapacitySizes&) = default;
};
CapacitySizes SizesFor(uint64_t capacity_bytes);
CapacitySizes SizesOf(const Options& options);
void SetSizes(const CapacitySizes& sizes, Options* options);

// What a cache keeps beside its segments.
struct CapacityPlan {
  uint64_t minimum_bytes = 0;     // DB::MinimumCapacity()
  uint64_t log_bytes = 0;         // of one log
  uint64_t standing_bytes = 0;    // kept reserved: an output with its ghost
  uint64_t batch_room_bytes = 0;  // for a batch on its way: its log, its flush at worst
  uint64_t group_bytes_max = 0;   // entries of one commit group, unless its leader has more
  uint32_t manifest_pages = 0;    // spare ones, written
  size_t spare_logs_max = 0;      // ready for the next memtables
  size_t recycled_logs_max = 0;   // kept to be reused
  // Evictions run ahead of writers: they begin when less than the first is free, and end at the
  // second.
  uint64_t ahead_low_bytes = 0;
  uint64_t ahead_high_bytes = 0;
};
CapacityPlan PlanCapacity(const Options& options);

// Bytes of the log of a memtable of this size, in a cache. Less is set apart than in a database
// (db/memory_plan.h): where memtables are small it would be half of the log.
uint64_t CacheLogBytes(uint64_t memtable_bytes);

// What becomes of entries in memory when they are flushed.
struct FlushLoad {
  uint64_t entries = 0;        // range tombstones included
  uint64_t data_bytes = 0;     // keys and values
  uint64_t range_deletes = 0;  // among the entries
  uint64_t range_bytes = 0;    // their keys, where that is known; else all of data_bytes
  bool expiring = false;       // some entry expires, so that there may be siblings

  void Add(const FlushLoad& other) {
    entries += other.entries;
    data_bytes += other.data_bytes;
    range_deletes += other.range_deletes;
    range_bytes += other.range_bytes;
    expiring |= other.expiring;
  }
};
// Room for a log that takes such a record.
uint64_t LogRoom(const CapacityPlan& plan, uint64_t record_bytes);
// Room for a batch: its log and its flush.
uint64_t BatchRoom(const CapacityPlan& plan, uint64_t record_bytes, const FlushLoad& load);
// Keys and values that one output may have whose file and ghost get so much room; of a whole
// standing reserve seven eighths of a segment.
uint64_t OutputDataMax(uint64_t segment_bytes, uint64_t room_bytes);
// The most that the segments and ghosts of a flush of it take on the disk.
uint64_t FlushBytesMax(const FlushLoad& load);

}  // namespace varve

#endif  // VARVE_DB_CAPACITY_PLAN_H_
