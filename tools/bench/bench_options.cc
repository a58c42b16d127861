#include "tools/bench/bench_options.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "table/compression.h"
#include "varve/write_batch.h"

namespace varve::bench {

namespace {

Status Refuse(const std::string& flag, const std::string& value, const std::string& allowed) {
  return Status::InvalidArgument("--" + flag + "=" + value + ": " + allowed);
}

Status CheckRange(const char* flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return Status::OK();
  return Refuse(flag, std::to_string(value),
                "from " + std::to_string(low) + " to " + std::to_string(high) + " is allowed");
}

// Entries of one batch: what a caller could hold in memory, not a limit of the engine.
constexpr int64_t kBatchEntriesMax = 1 << 20;
constexpr int kThreadsMax = 1024;

}  // namespace

bool BenchOptions::Runs(const std::string& benchmark) const {
  return std::find(benchmarks.begin(), benchmarks.end(), benchmark) != benchmarks.end();
}

Status BenchOptions::Validate() const {
  struct Bound {
    const char* flag;
    int64_t value, low, high;
  };
  const Bound bounds[] = {
      {"num", num, 1, INT64_MAX},
      {"reads", reads, -1, INT64_MAX},
      {"stats_interval_seconds", stats_interval_seconds, 0, 24 * 3600},
      {"duration", duration_seconds, 0, 365 * 24 * 3600},
      {"threads", threads, 1, kThreadsMax},
      {"key_size", key_bytes, 1, static_cast<int64_t>(WriteBatch::kKeyBytesMax) - 1},
      {"value_size", value_bytes, 0, static_cast<int64_t>(WriteBatch::kValueBytesMax)},
      {"batch_size", batch_size, 1, kBatchEntriesMax},
      {"seek_nexts", seek_nexts, 0, INT32_MAX},
      {"prefix_size", prefix_bytes, 0, key_bytes},
  };
  for (const Bound& bound : bounds) {
    Status status = CheckRange(bound.flag, bound.value, bound.low, bound.high);
    if (!status.ok()) return status;
  }
  if (!(compression_ratio > 0 && compression_ratio <= 1)) {
    return Refuse("compression_ratio", std::to_string(compression_ratio),
                  "above 0 and at most 1 is allowed");
  }
  if (!(capacity_percent >= 0 && capacity_percent <= 1000)) {
    return Refuse("capacity_percent", std::to_string(capacity_percent),
                  "from 0 to 1000 is allowed");
  }
  if (key_bytes < 8 && num > int64_t{1} << (8 * key_bytes)) {
    return Refuse("key_size", std::to_string(key_bytes),
                  "cannot tell --num=" + std::to_string(num) + " keys apart");
  }
  if (benchmarks.empty()) return Status::InvalidArgument("--benchmarks names none");
  if (sync && disable_wal) {
    return Status::InvalidArgument("--sync and --disable_wal exclude each other");
  }
  if (!trace.empty() && !Runs("trace")) {
    return Status::InvalidArgument("--trace is given, but --benchmarks has no \"trace\"");
  }
  if (Runs("trace") && threads != 1) {
    return Refuse("threads", std::to_string(threads), "a trace is replayed by one thread");
  }
  return engine.Validate();
}

std::string DefaultPath() {
  const char* parent = std::getenv("TMPDIR");
  if (parent == nullptr || *parent == '\0') parent = "/tmp";
  return std::string(parent) + "/varve_bench-" + std::to_string(getuid());
}

Status ParseCompression(const std::string& name, Compression* compression) {
  for (Compression c :
       {Compression::kNone, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    if (name == CompressionName(c)) {
      *compression = c;
      return Status::OK();
    }
  }
  return Refuse("compression_type", name, "none, snappy, lz4 and zstd are known");
}

const char* WalSyncModeName(WalSyncMode mode) {
  switch (mode) {
    case WalSyncMode::kNever:
      return "never";
    case WalSyncMode::kInterval:
      return "interval";
    case WalSyncMode::kAlways:
      return "always";
  }
  return "unknown";
}

Status ParseWalSyncMode(const std::string& name, WalSyncMode* mode) {
  for (WalSyncMode m : {WalSyncMode::kNever, WalSyncMode::kInterval, WalSyncMode::kAlways}) {
    if (name == WalSyncModeName(m)) {
      *mode = m;
      return Status::OK();
    }
  }
  return Refuse("wal_sync", name, "never, interval and always are known");
}

const char* CompactionStyleName(CompactionStyle style) {
  switch (style) {
    case CompactionStyle::kLeveled:
      return "leveled";
    case CompactionStyle::kTiered:
      return "tiered";
    case CompactionStyle::kNone:
      return "none";
    case CompactionStyle::kByTime:
      return "by_time";
  }
  return "unknown";
}

Status ParseCompactionStyle(const std::string& name, CompactionStyle* style) {
  for (CompactionStyle s : {CompactionStyle::kLeveled, CompactionStyle::kTiered,
                            CompactionStyle::kNone, CompactionStyle::kByTime}) {
    if (name == CompactionStyleName(s)) {
      *style = s;
      return Status::OK();
    }
  }
  if (name == "0" || name == "1") {  // as db_bench numbers them
    *style = name == "0" ? CompactionStyle::kLeveled : CompactionStyle::kTiered;
    return Status::OK();
  }
  return Refuse("compaction_style", name,
                "leveled, tiered, none, by_time, and db_bench's 0 and 1 are known");
}

const char* EvictionPolicyName(EvictionPolicy policy) {
  switch (policy) {
    case EvictionPolicy::kFifo:
      return "fifo";
    case EvictionPolicy::kLru:
      return "lru";
  }
  return "unknown";
}

Status ParseEvictionPolicy(const std::string& name, EvictionPolicy* policy) {
  for (EvictionPolicy p : {EvictionPolicy::kFifo, EvictionPolicy::kLru}) {
    if (name == EvictionPolicyName(p)) {
      *policy = p;
      return Status::OK();
    }
  }
  return Refuse("eviction", name, "fifo and lru are known");
}

const char* AdmissionPolicyName(AdmissionPolicy policy) {
  switch (policy) {
    case AdmissionPolicy::kAll:
      return "all";
    case AdmissionPolicy::kSeenBefore:
      return "seen_before";
  }
  return "unknown";
}

Status ParseAdmissionPolicy(const std::string& name, AdmissionPolicy* policy) {
  for (AdmissionPolicy p : {AdmissionPolicy::kAll, AdmissionPolicy::kSeenBefore}) {
    if (name == AdmissionPolicyName(p)) {
      *policy = p;
      return Status::OK();
    }
  }
  return Refuse("admission", name, "all and seen_before are known");
}

}  // namespace varve::bench
