#include "db/capacity_plan.h"

#include <algorithm>

#include "db/metered_file_system.h"

namespace varve {

namespace {

constexpr uint64_t kPageBytes = 4096;

// 256 segments: what goes at once is a 256th of the cache, and a point read asks few filters. (In
// simulation 128 segments do a little better than 32; docs/cache.md, "Eviction".)
constexpr uint64_t kSegmentsOfCapacity = 256;
// Each has some blocks that are not full and a ghost, together 8 KiB: an eighth of what a few large
// values take. So small caches have fewer and larger ones.
constexpr uint64_t kSegmentsOfSmallCapacity = 64;
constexpr uint64_t kSegmentBytesSmall = 256 << 10;
constexpr uint64_t kSegmentBytesMin = 64 << 10;
constexpr uint64_t kSegmentBytesMax = uint64_t{64} << 20;
constexpr uint64_t kMemtableBytesMin = 64 << 10;
constexpr int kMemtablesMax = 4;
// What memory and its logs may take of the capacity: an eighth.
constexpr uint64_t kPipelineShare = 8;

// Of the manifest: two roots, a page of the directory, leaves of a small cache; and what a seal
// leaves at its end, or between, because it is not worth cutting off (db/manifest_writer.cc).
constexpr uint64_t kManifestBasePages = 2 + 1 + 5 + 24;
constexpr uint32_t kSparePagesMin = 16;
constexpr uint32_t kSparePagesMax = 1024;
// A commit of one change rewrites one leaf and its way to the root; leaves hold some 20 entries.
constexpr uint64_t kEntriesPerSparePage = 32;

// Footer, index, properties, filter and ghost of a segment beside what is charged by the entry.
constexpr uint64_t kSegmentFixedBytes = 4 << 10;
// Of each output of a flush: the same, and ends within blocks of segment and ghost.
constexpr uint64_t kSiblingBytes = kSegmentFixedBytes + 2 * kPageBytes;
// Of an entry: trailer, lengths, offset, tag, and its share of index, filter (10 bits) and ghost.
constexpr uint64_t kEntryBytes = 32;
// Of the data: padding, headers and trailers of blocks, separators.
constexpr uint64_t kDataShare = 8;

// Headers of a log, and of a record.
constexpr uint64_t kLogOverheadBytes = 12 << 10;

uint64_t RoundUp(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

uint32_t SparePages(uint64_t capacity_bytes, uint64_t segment_bytes) {
  const uint64_t entries = capacity_bytes / segment_bytes;
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(entries / kEntriesPerSparePage, kSparePagesMin, kSparePagesMax));
}

uint64_t OutputBytes(uint64_t segment_bytes) {
  // A segment ends with the block that passes its size; a ghost takes 3 % of it at most.
  return MeteredFileSystem::AllocationMax(segment_bytes + segment_bytes / 32 + kSegmentFixedBytes) +
         kPageBytes;
}

// What is needed beside the batches on their way.
uint64_t FixedBytes(const Options& options, uint32_t spare_pages) {
  // The spare pages twice: what a commit replaces is free only after the next.
  return kPageBytes +
         MeteredFileSystem::AllocationMax((kManifestBasePages + 2 * spare_pages) * kPageBytes) +
         OutputBytes(options.segment_bytes);
}

uint64_t LogRoomFor(uint64_t log_bytes, uint64_t record_bytes) {
  return MeteredFileSystem::AllocationMax(
      std::max(log_bytes, RoundUp(record_bytes + kLogOverheadBytes)));
}

}  // namespace

CapacitySizes SizesFor(uint64_t capacity_bytes) {
  CapacitySizes sizes;
  const uint64_t wanted =
      std::max(capacity_bytes / kSegmentsOfCapacity,
               std::min(capacity_bytes / kSegmentsOfSmallCapacity, kSegmentBytesSmall));
  sizes.segment_bytes = std::clamp(RoundUp(wanted), kSegmentBytesMin, kSegmentBytesMax);
  sizes.memtable_bytes = std::max(kMemtableBytesMin, sizes.segment_bytes / 4);
  // Each with its log and the room of its flush.
  const uint64_t each =
      CacheLogBytes(sizes.memtable_bytes) + sizes.memtable_bytes + sizes.memtable_bytes / 4;
  sizes.memtables_max = static_cast<int>(
      std::clamp<uint64_t>(capacity_bytes / kPipelineShare / each, 2, kMemtablesMax));
  sizes.flush_memtables_min = sizes.memtables_max / 2;
  return sizes;
}

CapacitySizes SizesOf(const Options& options) {
  return {options.segment_bytes, options.memtable_bytes, options.memtables_max,
          options.flush_memtables_min};
}

void SetSizes(const CapacitySizes& sizes, Options* options) {
  options->segment_bytes = sizes.segment_bytes;
  options->memtable_bytes = sizes.memtable_bytes;
  options->memtables_max = sizes.memtables_max;
  options->flush_memtables_min = sizes.flush_memtables_min;
}

uint64_t CacheLogBytes(uint64_t memtable_bytes) {
  return RoundUp(memtable_bytes + memtable_bytes / 4 +
                 std::min<uint64_t>(memtable_bytes / 4, 64 << 10));
}

CapacityPlan PlanCapacity(const Options& options) {
  CapacityPlan plan;
  const uint64_t capacity = options.capacity_bytes;
  plan.log_bytes = CacheLogBytes(options.memtable_bytes);
  plan.standing_bytes = OutputBytes(options.segment_bytes);
  plan.manifest_pages = SparePages(capacity, options.segment_bytes);
  plan.minimum_bytes = FixedBytes(options, kSparePagesMin) +
                       LogRoomFor(plan.log_bytes, kBatchBytesLeast) +
                       kFlushSiblingsMax * (kBatchBytesLeast + kSiblingBytes);
  const uint64_t fixed = FixedBytes(options, plan.manifest_pages);
  plan.batch_room_bytes = capacity > fixed ? capacity - fixed : 0;
  // Of many small entries a flush makes several times what was logged: in a group they are not
  // counted one by one. (An entry of nothing takes 4 bytes in the log, 8 times that in a segment.)
  plan.group_bytes_max = std::max<uint64_t>(plan.batch_room_bytes / 64, 4 << 10);

  // Logs that are ready or to be reused save their making, and are room that segments lack.
  const uint64_t logs = capacity / 32 / MeteredFileSystem::AllocationMax(plan.log_bytes);
  plan.spare_logs_max = std::clamp<size_t>(logs / 2, 0, 3);
  plan.recycled_logs_max = std::clamp<size_t>(logs, 0, static_cast<size_t>(options.memtables_max));

  // Room for the next memtable, its log and its flush; and then for half a segment more, so that
  // one round serves several.
  const uint64_t low = MeteredFileSystem::AllocationMax(plan.log_bytes) + options.memtable_bytes +
                       options.memtable_bytes / 4 + kSiblingBytes;
  plan.ahead_low_bytes = std::min(low, capacity / 16);
  plan.ahead_high_bytes = plan.ahead_low_bytes + std::min(plan.standing_bytes / 2, capacity / 16);
  return plan;
}

uint64_t FlushBytesMax(const FlushLoad& load) {
  if (load.entries == 0) return 0;
  const uint64_t siblings = load.expiring ? std::min<uint64_t>(load.entries, kFlushSiblingsMax) : 1;
  // In the segment and in its ghost.
  const uint64_t ranges =
      load.range_deletes == 0 ? 0 : 2 * (load.range_bytes + 16 * load.range_deletes);
  const uint64_t data = load.data_bytes + load.data_bytes / kDataShare + kEntryBytes * load.entries;
  return MeteredFileSystem::AllocationMax(data + siblings * (ranges + kSiblingBytes));
}

uint64_t OutputDataMax(uint64_t segment_bytes, uint64_t room_bytes) {
  const uint64_t overhead = OutputBytes(segment_bytes) - segment_bytes;
  const uint64_t file_bytes = std::min(room_bytes - std::min(overhead, room_bytes), segment_bytes);
  return file_bytes - file_bytes / 8;  // index, filter, and what an entry takes beside its bytes
}

uint64_t LogRoom(const CapacityPlan& plan, uint64_t record_bytes) {
  return LogRoomFor(plan.log_bytes, record_bytes);
}

uint64_t BatchRoom(const CapacityPlan& plan, uint64_t record_bytes, const FlushLoad& load) {
  return LogRoom(plan, record_bytes) + FlushBytesMax(load);
}

}  // namespace varve
