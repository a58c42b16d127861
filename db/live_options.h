#ifndef VARVE_DB_LIVE_OPTIONS_H_
#define VARVE_DB_LIVE_OPTIONS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// The options that may change while a database is open. Relaxed: settings, used from the next
// decision on.
struct LiveOptions {
  explicit LiveOptions(const Options& options) { Take(options); }

  void Take(const Options& options) {
    memtable_bytes.store(options.memtable_bytes, std::memory_order_relaxed);
    memtables_max.store(options.memtables_max, std::memory_order_relaxed);
    flush_memtables_min.store(options.flush_memtables_min, std::memory_order_relaxed);
    wal_sync_interval_ms.store(options.wal_sync_interval_ms, std::memory_order_relaxed);
    capacity_bytes.store(options.capacity_bytes, std::memory_order_relaxed);
    room_wait_ms.store(options.room_wait_ms, std::memory_order_relaxed);
    default_ttl_ms.store(options.default_ttl_ms, std::memory_order_relaxed);
    history_retention_ms.store(options.history_retention_ms, std::memory_order_relaxed);
    history_retention_sequences.store(options.history_retention_sequences,
                                      std::memory_order_relaxed);
    segment_bytes.store(options.segment_bytes, std::memory_order_relaxed);
    level0_runs_trigger.store(options.level0_runs_trigger, std::memory_order_relaxed);
    level_base_bytes.store(options.level_base_bytes, std::memory_order_relaxed);
    level_size_ratio.store(options.level_size_ratio, std::memory_order_relaxed);
    tiered_runs_trigger.store(options.tiered_runs_trigger, std::memory_order_relaxed);
    tiered_space_percent_max.store(options.tiered_space_percent_max, std::memory_order_relaxed);
    block_cache_bytes.store(options.block_cache_bytes, std::memory_order_relaxed);
    background_bytes_per_second.store(options.background_bytes_per_second,
                                      std::memory_order_relaxed);
  }
  void Give(Options* options) const {
    options->memtable_bytes = memtable_bytes.load(std::memory_order_relaxed);
    options->memtables_max = memtables_max.load(std::memory_order_relaxed);
    options->flush_memtables_min = flush_memtables_min.load(std::memory_order_relaxed);
    options->wal_sync_interval_ms = wal_sync_interval_ms.load(std::memory_order_relaxed);
    options->capacity_bytes = capacity_bytes.load(std::memory_order_relaxed);
    options->room_wait_ms = room_wait_ms.load(std::memory_order_relaxed);
    options->default_ttl_ms = default_ttl_ms.load(std::memory_order_relaxed);
    options->history_retention_ms = history_retention_ms.load(std::memory_order_relaxed);
    options->history_retention_sequences =
        history_retention_sequences.load(std::memory_order_relaxed);
    options->segment_bytes = segment_bytes.load(std::memory_order_relaxed);
    options->level0_runs_trigger = level0_runs_trigger.load(std::memory_order_relaxed);
    options->level_base_bytes = level_base_bytes.load(std::memory_order_relaxed);
    options->level_size_ratio = level_size_ratio.load(std::memory_order_relaxed);
    options->tiered_runs_trigger = tiered_runs_trigger.load(std::memory_order_relaxed);
    options->tiered_space_percent_max = tiered_space_percent_max.load(std::memory_order_relaxed);
    options->block_cache_bytes = block_cache_bytes.load(std::memory_order_relaxed);
    options->background_bytes_per_second =
        background_bytes_per_second.load(std::memory_order_relaxed);
  }

  std::atomic<size_t> memtable_bytes;
  std::atomic<int> memtables_max;
  std::atomic<int> flush_memtables_min;
  std::atomic<uint32_t> wal_sync_interval_ms;
  std::atomic<uint64_t> capacity_bytes;
  std::atomic<uint64_t> room_wait_ms;
  std::atomic<uint64_t> default_ttl_ms;
  std::atomic<uint64_t> history_retention_ms;
  std::atomic<uint64_t> history_retention_sequences;
  std::atomic<uint64_t> segment_bytes;
  std::atomic<int> level0_runs_trigger;
  std::atomic<uint64_t> level_base_bytes;
  std::atomic<int> level_size_ratio;
  std::atomic<int> tiered_runs_trigger;
  std::atomic<int> tiered_space_percent_max;
  std::atomic<size_t> block_cache_bytes;
  std::atomic<uint64_t> background_bytes_per_second;
};

// Applies {"name": "value"} to *options: InvalidArgument, with *options unchanged, that names what
// is unknown, not live, no number, or out of range.
Status ApplyLiveChanges(const std::map<std::string, std::string>& changes, Options* options);

// "name = value" lines of every option that has a text form.
std::string DescribeOptions(const Options& options);

}  // namespace varve

#endif  // VARVE_DB_LIVE_OPTIONS_H_
