#include "tools/bench/report.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <limits>
#include <vector>

#include "table/compression.h"
#include "tools/bench/text_format.h"

namespace varve::bench {
namespace {

constexpr double kMiB = 1048576.0;

std::string Human(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }

}  // namespace

namespace {

// What the loads write and read. A trace brings its own keys and values.
std::string EntriesText(const BenchOptions& options) {
  const double value_bytes = static_cast<double>(options.value_bytes);
  const double num = static_cast<double>(options.num);
  const double raw = (options.key_bytes + value_bytes) * num;
  const double packed = (options.key_bytes + value_bytes * options.compression_ratio) * num;
  std::string text;
  text += Format("Keys:       %d bytes each\n", options.key_bytes);
  text += Format("Values:     %" PRId64 " bytes each (%.0f bytes after compression)\n",
                 options.value_bytes, value_bytes * options.compression_ratio);
  text += Format("Entries:    %" PRId64 "\n", options.num);
  text += Format("RawSize:    %.1f MB (estimated)\n", raw / kMiB);
  if (options.engine.compression != Compression::kNone) {
    text += Format("FileSize:   %.1f MB (estimated)\n", packed / kMiB);
  }
  return text;
}

}  // namespace

std::string HeaderText(const BenchOptions& options) {
  const Options& engine = options.engine;
  std::string text;
  const bool only_trace = options.benchmarks == std::vector<std::string>{"trace"};
  if (!only_trace) text += EntriesText(options);
  text += Format("Compression: %s\n", CompressionName(engine.compression));
  text += Format("Memtables:  %.1f MB each, up to %d, %d flushed together\n",
                 static_cast<double>(engine.memtable_bytes) / kMiB, engine.memtables_max,
                 engine.flush_memtables_min);
  if (engine.cache()) {
    text += Format("Capacity:   %.1f MB\n", static_cast<double>(engine.capacity_bytes) / kMiB);
  }
  if (engine.memory_bytes != 0) {
    text += Format("Memory:     %.1f MB\n", static_cast<double>(engine.memory_bytes) / kMiB);
  }
  const std::string block_cache =
      engine.block_cache_bytes == std::numeric_limits<size_t>::max()
          ? "what memory is left"
          : Format("%.1f MB", static_cast<double>(engine.block_cache_bytes) / kMiB);
  text += Format("Block cache: %s; filters: %d bits a key\n", block_cache.c_str(),
                 engine.filter_bits_per_key);
  text += Format("Log sync:   %s", WalSyncModeName(engine.wal_sync));
  if (engine.wal_sync == WalSyncMode::kInterval) {
    text += Format(" (%u ms)", engine.wal_sync_interval_ms);
  }
  text += Format("\nCPUs:       %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
#ifndef NDEBUG
  text += "WARNING: Assertions are enabled; benchmarks unnecessarily slow\n";
#endif
  return text + "------------------------------------------------\n";
}

std::string ResultLine(const std::string& name, const ThreadStats& stats) {
  std::string extra;
  if (stats.bytes > 0) {
    extra +=
        Format(" %6.1f MB/s", static_cast<double>(stats.bytes) / kMiB / stats.ElapsedSeconds());
  }
  if (stats.counts_found) {
    extra += Format(" (%" PRIu64 " of %" PRIu64 " found)", stats.found, stats.sought);
  }
  return Format("%-12s : %11.3f micros/op %ld ops/sec %.3f seconds %" PRIu64 " operations;%s\n",
                name.c_str(), stats.MicrosPerOperation(),
                static_cast<long>(stats.OperationsPerSecond()), stats.ElapsedSeconds(),
                stats.operations, extra.c_str());
}

std::string HistogramText(const std::string& latency_of, const Histogram& nanos) {
  const auto micros = [&nanos](double percent) {
    return static_cast<double>(nanos.Percentile(percent)) * 1e-3;
  };
  return Format("Microseconds per %s:\nCount: %" PRIu64 " Average: %.4f\n", latency_of.c_str(),
                nanos.count(), nanos.average() * 1e-3) +
         Format("Min: %.3f  Median: %.3f  Max: %.3f\n", static_cast<double>(nanos.minimum()) * 1e-3,
                micros(50), static_cast<double>(nanos.maximum()) * 1e-3) +
         Format("Percentiles: P50: %.3f P75: %.3f P99: %.3f P99.9: %.3f P99.99: %.3f\n", micros(50),
                micros(75), micros(99), micros(99.9), micros(99.99)) +
         "------------------------------------------------------\n";
}

std::string AmplificationText(const Amplification& measured) {
  return Format("  write amplification %7.3f   %s by flushes and %s by compactions for %s given\n",
                measured.write(), Human(measured.flush_bytes).c_str(),
                Human(measured.compaction_bytes).c_str(), Human(measured.user_bytes).c_str()) +
         Format("  space amplification %7.3f   %s of segments for %s live in %s entries\n",
                measured.space(), Human(measured.segment_bytes).c_str(),
                Human(measured.live_bytes).c_str(), WithCommas(measured.live_entries).c_str());
}

void AddAmplification(const Amplification& measured, JsonObject* json) {
  json->Add("user_bytes", measured.user_bytes);
  json->Add("flush_bytes", measured.flush_bytes);
  json->Add("compaction_bytes", measured.compaction_bytes);
  json->Add("write_amplification", measured.write());
  json->Add("segment_bytes", measured.segment_bytes);
  json->Add("live_entries", measured.live_entries);
  json->Add("live_bytes", measured.live_bytes);
  json->Add("space_amplification", measured.space());
}

std::string IntervalsText(const IntervalRates& rates) {
  if (rates.count == 0) return "";
  return Format("Intervals: %zu  ops/sec: Min: %.0f  Median: %.0f  Max: %.0f\n", rates.count,
                rates.minimum, rates.median, rates.maximum);
}

void AddIntervals(const IntervalRates& rates, JsonObject* json) {
  if (rates.count == 0) return;
  json->Add("intervals", rates.count);
  json->Add("interval_ops_per_sec_min", rates.minimum);
  json->Add("interval_ops_per_sec_median", rates.median);
  json->Add("interval_ops_per_sec_max", rates.maximum);
}

IntervalRates Summarised(std::vector<double> rates) {
  if (rates.empty()) return {};
  std::sort(rates.begin(), rates.end());
  return {rates.size(), rates.front(), rates[rates.size() / 2], rates.back()};
}

void AddResult(const std::string& name, const ThreadStats& stats, JsonObject* json) {
  json->Add("benchmark", Slice(name));
  json->Add("micros_per_op", stats.MicrosPerOperation());
  json->Add("ops_per_sec", stats.OperationsPerSecond());
  json->Add("seconds", stats.ElapsedSeconds());
  json->Add("operations", stats.operations);
  json->Add("bytes", stats.bytes);
  if (stats.counts_found) {
    json->Add("found", stats.found);
    json->Add("sought", stats.sought);
  }
  if (stats.latencies != nullptr) {
    json->Add("p50_us", static_cast<double>(stats.latencies->Percentile(50)) * 1e-3);
    json->Add("p99_us", static_cast<double>(stats.latencies->Percentile(99)) * 1e-3);
    json->Add("p999_us", static_cast<double>(stats.latencies->Percentile(99.9)) * 1e-3);
    json->Add("max_us", static_cast<double>(stats.latencies->maximum()) * 1e-3);
  }
}

}  // namespace varve::bench
