#include "db/memory_plan.h"

#include <algorithm>

#include "db/log_supply.h"
#include "memtable/key_filter.h"

namespace varve {

namespace {

constexpr size_t kMemtableBytesMin = 64 << 10;  // as Options::Validate() has it
constexpr int kMemtablesMin = 2;
// Fewer let writers wait for flushes more often than smaller ones make small segments.
constexpr int kMemtablesWanted = 4;

// A block of a memtable's memory, at most (memtable/skiplist.cc); the last may be nearly empty.
constexpr uint64_t kArenaBlockBytes = uint64_t{256} << 10;

// The program itself, stacks, what the allocator keeps.
constexpr uint64_t kProgramBytes = uint64_t{8} << 20;
// A thread that flushes or merges: blocks read ahead and buffers of what it writes; and of the
// segment it writes index and filter, and 8 bytes for each key, together an eighth of the segment
// where entries take a hundred bytes.
constexpr uint64_t kBuffersPerThread = uint64_t{1} << 20;
constexpr uint64_t kWorkPerThreadMax = uint64_t{16} << 20;
constexpr uint64_t kSegmentPart = 8;
// Of what the block cache might have: blocks of unlike sizes come and go, and between them malloc
// loses so much (measured: 8 % at worst, of a cache under writes and reads).
constexpr uint64_t kAllocatorPart = 12;

// In a database without a budget, where nobody counts so closely.
constexpr uint64_t kProgramBytesOfDatabase = uint64_t{32} << 20;

// The default budget of a cache: all that it holds, twice compressed, and the smaller parts.
constexpr uint64_t kCapacityTimes = 2;
constexpr uint64_t kSmallPartsBytes = uint64_t{64} << 20;

// Of the budget, in parts of 32.
constexpr uint64_t kTables = 12, kBlockCache = 4, kSegments = 4, kGhosts = 2, kAll = 32;
// In a cache, where they are needed.
constexpr uint64_t kHeat = 2, kAdmission = 1;

uint64_t Part(uint64_t budget, uint64_t parts) { return budget / kAll * parts; }

uint64_t HeatParts(const Options& options) {
  return options.cache() && options.eviction == EvictionPolicy::kLru ? kHeat : 0;
}
uint64_t AdmissionParts(const Options& options) {
  return options.cache() && options.admission != AdmissionPolicy::kAll ? kAdmission : 0;
}
// All but memtables and work, at the least or at the most that each has.
uint64_t OtherParts(const Options& options) {
  return kBlockCache + kSegments + kGhosts + HeatParts(options) + AdmissionParts(options);
}

uint64_t WorkBytes(const Options& options) {
  const uint64_t of_segment = std::min(options.segment_bytes / kSegmentPart, kWorkPerThreadMax);
  const uint64_t per_thread = std::min(kBuffersPerThread + of_segment, kWorkPerThreadMax);
  return kProgramBytes + static_cast<uint64_t>(options.background_threads) * per_thread;
}

// Each memtable has a log. Those of the last flush are needed until a commit follows it, as the
// older root has nothing else; and some are ready for the next ones.
uint64_t MappedLogs(const Options& options, size_t memtable_bytes, int memtables_max,
                    int flush_memtables_min) {
  if (!options.wal_mapped) return 0;
  const uint64_t logs = static_cast<uint64_t>(memtables_max) +
                        FlushMemtablesMax(memtable_bytes, memtables_max, flush_memtables_min) +
                        LogSupply::kSparesMax;
  return logs * LogBytesFor(memtable_bytes);
}

uint64_t TablesBytes(const Options& options, size_t memtable_bytes, int memtables_max,
                     int flush_memtables_min) {
  const uint64_t memtable = memtable_bytes + memtable_bytes / KeyFilter::kBytesPerFilterByte +
                            std::min<uint64_t>(memtable_bytes, kArenaBlockBytes);
  return static_cast<uint64_t>(memtables_max) * memtable +
         MappedLogs(options, memtable_bytes, memtables_max, flush_memtables_min);
}

// The largest that a budget of M gives memtables with their logs: what is asked for if it fits.
void FitTables(const Options& options, MemoryPlan* plan) {
  const uint64_t others = plan->work + Part(plan->budget, OtherParts(options));
  const uint64_t share =
      std::min(Part(plan->budget, kTables), plan->budget > others ? plan->budget - others : 0);
  plan->memtable_bytes = options.memtable_bytes;
  plan->memtables_max = options.memtables_max;
  for (;;) {
    plan->flush_memtables_min = std::min(options.flush_memtables_min, plan->memtables_max - 1);
    plan->tables_max =
        TablesBytes(options, plan->memtable_bytes, plan->memtables_max, plan->flush_memtables_min);
    if (plan->tables_max <= share) return;
    if (plan->memtables_max > kMemtablesWanted) {
      --plan->memtables_max;
    } else if (plan->memtable_bytes > kMemtableBytesMin) {
      // An eighth less each time, in whole pages.
      plan->memtable_bytes = std::max(
          kMemtableBytesMin, (plan->memtable_bytes - plan->memtable_bytes / 8) & ~size_t{4095});
    } else if (plan->memtables_max > kMemtablesMin) {
      --plan->memtables_max;
    } else {
      return;  // the minimum
    }
  }
}

uint64_t DefaultBudget(const Options& options, uint64_t machine_limit_bytes) {
  const uint64_t of_capacity =
      options.capacity_bytes > (MemoryPlan::kUnlimited - kSmallPartsBytes) / kCapacityTimes
          ? MemoryPlan::kUnlimited - 1
          : options.capacity_bytes * kCapacityTimes + kSmallPartsBytes;
  return std::max(std::min(machine_limit_bytes / 2, of_capacity), MinimumMemory(options));
}

}  // namespace

uint64_t MemoryPlan::BlockCacheBytes(uint64_t held) const {
  if (!limited()) return block_cache_max;
  const uint64_t taken = work + held;
  const uint64_t left = budget > taken ? budget - taken : 0;
  return std::min(std::max(left - left / kAllocatorPart, block_cache_min), block_cache_max);
}

uint64_t MemoryPlan::SegmentsBytes(uint64_t held) const {
  if (!limited()) return segments_max;
  const uint64_t taken = work + tables_max + block_cache_min + held;
  const uint64_t left = budget > taken ? budget - taken : 0;
  return std::min(std::max(left, segments_min), segments_max);
}

void MemoryPlan::ApplyTo(Options* options) const {
  if (limited()) options->memory_bytes = budget;
  options->memtable_bytes = memtable_bytes;
  options->memtables_max = memtables_max;
  options->flush_memtables_min = flush_memtables_min;
}

MemoryPlan PlanMemory(const Options& options, uint64_t machine_limit_bytes) {
  MemoryPlan plan;
  plan.block_cache_max = options.block_cache_bytes;
  plan.segments_max = options.open_segments_bytes;
  plan.memtable_bytes = options.memtable_bytes;
  plan.memtables_max = options.memtables_max;
  plan.flush_memtables_min = options.flush_memtables_min;
  plan.budget = options.memory_bytes;
  if (plan.budget == 0) {
    plan.budget =
        options.cache() ? DefaultBudget(options, machine_limit_bytes) : MemoryPlan::kUnlimited;
  }
  if (!plan.limited()) return plan;
  plan.work = WorkBytes(options);
  FitTables(options, &plan);
  plan.ghosts_max = Part(plan.budget, kGhosts);
  plan.heat_max = Part(plan.budget, HeatParts(options));
  plan.admission_max = Part(plan.budget, AdmissionParts(options));
  plan.block_cache_min = Part(plan.budget, kBlockCache);
  plan.segments_min = Part(plan.budget, kSegments);
  return plan;
}

Options FitToMemory(Options options) {
  PlanMemory(options, options.env.machine->MemoryLimitBytes()).ApplyTo(&options);
  return options;
}

uint64_t MinimumMemory(const Options& options) {
  // The least memtables fit into their share, and with the work into what the others leave.
  const uint64_t tables = TablesBytes(options, kMemtableBytesMin, kMemtablesMin, 1);
  return std::max((WorkBytes(options) + tables) * kAll / (kAll - OtherParts(options)),
                  tables * kAll / kTables) +
         kAll;
}

uint64_t LogBytesFor(size_t memtable_bytes) {
  return (memtable_bytes + memtable_bytes / 4 + (64 << 10) + 4095) & ~uint64_t{4095};
}

size_t FlushMemtablesMax(size_t memtable_bytes, int memtables_max, int flush_memtables_min) {
  // Beside a flush that runs, writers need room to go on.
  return std::clamp<size_t>(kFlushBytesMax / memtable_bytes, 1,
                            static_cast<size_t>(std::max(memtables_max / 2, flush_memtables_min)));
}

uint64_t MemoryOfParts(const Options& options) {
  const uint64_t memtable =
      options.memtable_bytes + options.memtable_bytes / KeyFilter::kBytesPerFilterByte;
  return options.block_cache_bytes + options.open_segments_bytes + kProgramBytesOfDatabase +
         static_cast<uint64_t>(options.memtables_max) * memtable +
         MappedLogs(options, options.memtable_bytes, options.memtables_max,
                    options.flush_memtables_min) +
         static_cast<uint64_t>(options.background_threads) * kWorkPerThreadMax;
}

}  // namespace varve
