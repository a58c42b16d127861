#ifndef VARVE_DB_MEMORY_PLAN_H_
#define VARVE_DB_MEMORY_PLAN_H_

#include <cstddef>
#include <cstdint>

#include "varve/options.h"

namespace varve {

// How one budget of memory is divided, as a pure function of the options (DESIGN.md 13).
//
//  1. The budget M is Options::memory_bytes. Where that is 0 it is, in a cache, half of what the
//     machine allows, but not more than twice the capacity and 64 MiB, as there would be nothing to
//     put into it, and not less than the minimum. In a database it is then none: each part has the
//     size that the options give it.
//  2. `work` of it is kept apart: the program, its threads, and what flushes and merges hold.
//  3. Memtables and the logs mapped for them get at most three eighths of M. Where the options ask
//     for more there are fewer memtables, down to four; then smaller ones, down to 64 KiB; then
//     fewer than four. So writers who are faster than flushes wait for them sooner.
//  4. The block cache keeps an eighth of M at least. What nobody holds at the moment is its own.
//  5. Indexes and filters of open segments share the rest with what only a cache has: ghosts, what
//     was hit of segments, each a sixteenth of M at most, and what admission has seen, half of
//     that. Segments have what these leave, at least an eighth.
//
// What is held of the parts is in util/memory_budget.h, who enforces it in db/memory_shares.h.
//
// Rejected: a fixed share for each part. Most of a budget is the block cache's most of the time,
// and memtables are empty where nobody writes.
struct MemoryPlan {
  static constexpr uint64_t kUnlimited = UINT64_MAX;

  uint64_t budget = kUnlimited;  // M
  uint64_t work = 0;
  uint64_t tables_max = 0;  // memtables with their logs, at worst
  uint64_t ghosts_max = kUnlimited;
  uint64_t heat_max = kUnlimited;
  uint64_t admission_max = kUnlimited;
  uint64_t block_cache_min = 0;
  uint64_t segments_min = 0;
  // What the options say of them; they are no more than that.
  uint64_t block_cache_max = 0;
  uint64_t segments_max = 0;

  // In place of those of the options.
  size_t memtable_bytes = 0;
  int memtables_max = 0;
  int flush_memtables_min = 0;

  bool limited() const { return budget != kUnlimited; }
  // `held`: by all parts together.
  uint64_t BlockCacheBytes(uint64_t held) const;
  // `held`: by ghosts, heat and admission.
  uint64_t SegmentsBytes(uint64_t held) const;
  // In place of what the options ask for. A plan made of the result is the same plan.
  void ApplyTo(Options* options) const;
};

// Of options that are valid.
MemoryPlan PlanMemory(const Options& options, uint64_t machine_limit_bytes);
// What a database of these options, complete ones, works with on this machine.
Options FitToMemory(Options options);
// The least memory_bytes with which a database of these options works; what is not 0 and less is
// invalid.
uint64_t MinimumMemory(const Options& options);

// Bytes of the log of a memtable of this size. It should hold what fills that: entries take about
// as much in both, and a quarter more is for keys and values that are short against their framing.
// Where it is not enough, the memtable is switched early.
uint64_t LogBytesFor(size_t memtable_bytes);
// What one flush merges, at most. Larger sorted runs make reads cheaper, smaller ones give memory
// back sooner.
inline constexpr size_t kFlushBytesMax = size_t{64} << 20;
size_t FlushMemtablesMax(size_t memtable_bytes, int memtables_max, int flush_memtables_min);

// What the options of a database without memory_bytes let it take. The formula stands in
// varve/options.h.
uint64_t MemoryOfParts(const Options& options);

}  // namespace varve

#endif  // VARVE_DB_MEMORY_PLAN_H_
