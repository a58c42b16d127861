#include "varve/statistics.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <iterator>

#include "util/histogram.h"
#include "util/thread.h"

namespace varve {

namespace {

constexpr size_t kCounters = static_cast<size_t>(Counter::kCounterCount);
constexpr size_t kLatencies = static_cast<size_t>(Latency::kLatencyCount);

constexpr const char* kCounterNames[] = {
    "gets",
    "get_hits",
    "get_bytes",
    "memtable_hits",
    "writes",
    "write_entries",
    "write_bytes",
    "seeks",
    "iterator_steps",
    "wal_bytes",
    "wal_syncs",
    "wal_groups",
    "flushes",
    "flush_bytes",
    "segment_bytes_read",
    "block_cache_hits",
    "block_cache_misses",
    "block_cache_inserts",
    "filter_checks",
    "filter_negatives",
    "filter_false_positives",
    "direct_fallbacks",
    "write_stalls",
    "write_stall_micros",
    "manifest_commits",
    "manifest_bytes",
    "write_delays",
    "write_delay_micros",
    "hidden_runs",
    "hidden_run_entries",
    "compactions",
    "compaction_bytes_read",
    "compaction_bytes_written",
    "compaction_entries_read",
    "compaction_entries_dropped",
    "segment_moves",
    "segments_removed",
    "checkpoints",
    "checkpoint_files_copied",
    "ingestions",
    "ingested_files",
    "ingested_bytes",
    "prefix_checks",
    "prefix_skips",
    "evictions",
    "evicted_segments",
    "evicted_bytes",
    "evicted_entries",
    "expired_segments",
    "expired_bytes",
    "expired_entries",
    "damaged_segments",
    "damaged_bytes",
    "damaged_entries",
    "ghosts_made",
    "ghosts_retired",
    "ghost_drops",
    "refused_entries",
    "refused_bytes",
    "salvages",
    "salvaged_entries",
    "salvaged_bytes",
    "get_misses",
    "miss_absent",
    "miss_deleted",
    "miss_expired",
    "miss_refused",
    "miss_evicted",
    "miss_ghost",
    "miss_quarantined",
    "miss_reset",
    "get_hit_key_bytes",
    "ghost_bytes_written",
    "cache_resets",
    "room_waits",
    "room_wait_micros",
    "iterators_revoked",
    "memtables_evicted",
};
static_assert(std::size(kCounterNames) == kCounters, "name each counter");

constexpr const char* kLatencyNames[] = {
    "get_nanos",
    "write_nanos",
    "seek_nanos",
    "wal_sync_nanos",
    "flush_nanos",
    "segment_read_nanos",
    "manifest_commit_nanos",
    "compaction_nanos",
    "write_delay_nanos",
    "write_stall_nanos",
    "memtable_switch_nanos",
    "log_wait_nanos",
};
static_assert(std::size(kLatencyNames) == kLatencies, "name each latency");

constexpr const char* kCounterHelp[] = {
    "Get calls and MultiGet keys",
    "gets that found a value",
    "value bytes returned by gets",
    "gets answered by a memtable",
    "batches written",
    "entries in the batches written",
    "key and value bytes of the entries written",
    "iterator seeks of every kind",
    "Next and Prev calls of iterators",
    "bytes framed into logs, headers included",
    "syncs of logs",
    "commit groups",
    "flush jobs committed",
    "bytes of segments that flushes wrote",
    "bytes read from segment files",
    "block lookups served by the block cache",
    "block lookups that had to read",
    "blocks put into the block cache",
    "filters asked",
    "filters that denied the key",
    "filters that accepted a key that was not there",
    "segments opened without O_DIRECT where it was asked for",
    "writes that waited for room in the memtables",
    "time that writes waited for room in the memtables",
    "commits of the manifest",
    "bytes written to the manifest",
    "commit groups held to the speed of background work",
    "time that commit groups were held to the speed of background work",
    "iterator calls that passed over thousands of entries that do not show",
    "entries that iterators passed over in long hidden runs",
    "compactions committed, moves not included",
    "bytes of segments that compactions read",
    "bytes of segments that compactions wrote",
    "entries that compactions read",
    "entries that compactions left out",
    "segments moved to another level without being read",
    "obsolete segments unlinked",
    "checkpoints made",
    "segments that checkpoints had to copy",
    "ingestions",
    "files ingested",
    "bytes of the segments that ingestions wrote",
    "segments whose filter was asked for the prefix of an iterator's bounds",
    "segments that iterators skipped by their prefix",
    "commits that took segments out whole and unread",
    "segments evicted for want of room",
    "bytes evicted for want of room",
    "entries evicted for want of room",
    "segments that went whole because all in them had expired",
    "bytes that went because they had expired",
    "entries that went because they had expired",
    "segments taken out because they could not be read",
    "bytes of segments taken out because they could not be read",
    "entries of segments taken out because they could not be read",
    "segments taken out that left a ghost",
    "ghosts that had nothing left to hide",
    "entries that compactions left out because a ghost hides them",
    "puts that were not admitted to the cache",
    "key and value bytes of puts that were not admitted to the cache",
    "segments of what was saved of evicted ones",
    "entries that were saved of evicted segments",
    "bytes of the segments of what was saved",
    "gets that found nothing, errors not included",
    "misses of keys never written, or gone without a trace",
    "misses of keys that were deleted",
    "misses of keys whose time to live had passed",
    "misses of keys that were not admitted when last written",
    "misses of keys that a merge evicted",
    "misses at the ghost of an evicted segment, its false positives included",
    "misses at the bounds of a segment that could not be read",
    "misses while the directory is condemned",
    "key bytes of the gets that found a value",
    "bytes of ghost files written",
    "times that the cache was emptied",
    "writes of a cache that found no room on the disk",
    "microseconds that writes waited for room on the disk",
    "iterators that were revoked for the room of what they held open",
    "memtables that were evicted unflushed",
};
static_assert(std::size(kCounterHelp) == kCounters, "say what each counter counts");

constexpr const char* kLatencyHelp[] = {
    "Get and MultiGet calls",
    "writes",
    "iterator seeks",
    "syncs of a log",
    "flush jobs",
    "read calls on segment files",
    "commits of the manifest",
    "compactions",
    "sleeps that hold a commit group to the speed of background work",
    "waits for room in the memtables or for compactions",
    "switches to a new memtable",
    "waits for the next log",
};
static_assert(std::size(kLatencyHelp) == kLatencies, "say what each latency is of");

// A thread whose ThreadIndex() is below kOwnStripes has a stripe of its own and adds with a plain
// load and store; all others share one and add atomically. A number goes from a thread that ended
// to a new one under a mutex, so no count is lost.
//
// All accesses are relaxed: nothing else is concluded from a count. An Add() during Reset() may
// survive it.
class StatisticsImpl final : public Statistics {
 public:
  explicit StatisticsImpl(bool latencies) : latencies_(latencies) {}

  void Add(Counter counter, uint64_t amount) override {
    const uint32_t index = ThreadIndex();
    const size_t i = static_cast<size_t>(counter);
    if (index < kOwnStripes) [[likely]] {
      std::atomic<uint64_t>& own = stripes_[index].counters[i];
      own.store(own.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    } else {
      stripes_[kOwnStripes].counters[i].fetch_add(amount, std::memory_order_relaxed);
    }
  }

  uint64_t Get(Counter counter) const override {
    uint64_t sum = 0;
    for (const Stripe& stripe : stripes_) {
      sum += stripe.counters[static_cast<size_t>(counter)].load(std::memory_order_relaxed);
    }
    return sum;
  }

  bool latencies_enabled() const override { return latencies_; }

  void Record(Latency latency, uint64_t nanos) override {
    if (latencies_) histograms_[static_cast<size_t>(latency)].Add(nanos);
  }

  HistogramData GetHistogram(Latency latency) const override {
    Histogram merged;
    histograms_[static_cast<size_t>(latency)].MergeInto(&merged);
    return merged.Summary();
  }

  void Reset() override {
    for (Stripe& stripe : stripes_) {
      for (auto& counter : stripe.counters) counter.store(0, std::memory_order_relaxed);
    }
    for (AtomicHistogram& histogram : histograms_) histogram.Clear();
  }

  std::string ToString() const override {
    std::string text;
    char line[320];
    auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
    for (size_t i = 0; i < kCounters; ++i) {
      std::snprintf(line, sizeof(line), "%-24s : %llu\n", kCounterNames[i],
                    number(Get(static_cast<Counter>(i))));
      text += line;
    }
    for (size_t i = 0; latencies_ && i < kLatencies; ++i) {
      const HistogramData data = GetHistogram(static_cast<Latency>(i));
      std::snprintf(line, sizeof(line),
                    "%-24s : count %llu average %.1f min %llu median %llu p95 %llu p99 %llu p99.9 "
                    "%llu max %llu\n",
                    kLatencyNames[i], number(data.count), data.average, number(data.minimum),
                    number(data.median), number(data.p95), number(data.p99), number(data.p999),
                    number(data.maximum));
      text += line;
    }
    return text;
  }

 private:
  static constexpr uint32_t kOwnStripes = 63;

  struct alignas(64) Stripe {
    std::array<std::atomic<uint64_t>, kCounters> counters{};
  };

  const bool latencies_;
  std::array<Stripe, kOwnStripes + 1> stripes_;
  std::array<AtomicHistogram, kLatencies> histograms_;
};

}  // namespace

std::shared_ptr<Statistics> Statistics::Create(bool latencies) {
  return std::make_shared<StatisticsImpl>(latencies);
}

const char* CounterName(Counter counter) {
  const size_t i = static_cast<size_t>(counter);
  return i < kCounters ? kCounterNames[i] : "unknown";
}

const char* CounterHelp(Counter counter) {
  const size_t i = static_cast<size_t>(counter);
  return i < kCounters ? kCounterHelp[i] : "unknown";
}

const char* LatencyName(Latency latency) {
  const size_t i = static_cast<size_t>(latency);
  return i < kLatencies ? kLatencyNames[i] : "unknown";
}

const char* LatencyHelp(Latency latency) {
  const size_t i = static_cast<size_t>(latency);
  return i < kLatencies ? kLatencyHelp[i] : "unknown";
}

}  // namespace varve
