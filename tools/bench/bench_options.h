#ifndef VARVE_TOOLS_BENCH_BENCH_OPTIONS_H_
#define VARVE_TOOLS_BENCH_BENCH_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "varve/options.h"
#include "varve/status.h"

namespace varve::bench {

// What a run of varve_bench is told. The defaults here are those of the command line too (flags.cc
// takes them from a default-constructed one), and those of the engine are varve::Options's own.
// Checklist T1.
struct BenchOptions {
  // ---- What runs ----
  std::vector<std::string> benchmarks = {
      "fillseq", "fillrandom",  "overwrite",  "readrandom", "readmissing",     "multireadrandom",
      "readseq", "readreverse", "seekrandom", "fillsync",   "readwhilewriting"};
  int64_t num = 1000000;         // keys 0 to num - 1; writes of a thread; generated requests
  int64_t reads = -1;            // reads of a thread, requests of a trace; negative: num, or all
  int64_t duration_seconds = 0;  // of random operations, in place of their number; 0: no limit
  int threads = 1;
  uint64_t seed = 0;  // 0: another one each run
  bool histogram = false;
  int64_t stats_interval_seconds = 0;  // of lines on throughput meanwhile; 0: none
  bool statistics = false;
  bool json = false;  // one JSON object a benchmark on standard output, and nothing else

  // ---- Keys and values ----
  int key_bytes = 16;
  int64_t value_bytes = 100;
  double compression_ratio = 0.5;       // of the values: bytes after compression by bytes before
  int64_t batch_size = 1;               // entries of a write batch, keys of a MultiGet
  int seek_nexts = 0;                   // steps after a seek
  bool reverse_iterator = false;        // seekrandom steps backwards
  uint64_t write_bytes_per_second = 0;  // of readwhilewriting's writer; 0: no limit
  int prefix_bytes = 0;                 // of a key, within which seekrandom stays; 0: no bounds

  // ---- The database ----
  std::string path;  // empty: DefaultPath()
  bool use_existing_db = false;
  // Of the trace's footprint (trace_footprint.h), from which engine.capacity_bytes follows when the
  // command line is read; 0: it is what it is.
  double capacity_percent = 0;
  bool sync = false;
  bool disable_wal = false;
  bool verify_checksums = ReadOptions().verify_checksums;
  Options engine;

  // ---- The trace ----
  std::string trace;  // a file, "-" for standard input, empty for generated requests

  // OK, or InvalidArgument that names the flag, its value and what is allowed.
  Status Validate() const;

  int64_t ReadsOrNum() const { return reads < 0 ? num : reads; }
  bool Runs(const std::string& benchmark) const;
};

// Where the database is if --db does not say: a directory of this user's below $TMPDIR or /tmp.
std::string DefaultPath();

// By the names that CompressionName() (table/compression.h) gives.
Status ParseCompression(const std::string& name, Compression* compression);
// "never", "interval", "always".
Status ParseWalSyncMode(const std::string& name, WalSyncMode* mode);
const char* WalSyncModeName(WalSyncMode mode);
// "leveled", "tiered", "none", "by_time".
Status ParseCompactionStyle(const std::string& name, CompactionStyle* style);
const char* CompactionStyleName(CompactionStyle style);
// "fifo", "lru".
Status ParseEvictionPolicy(const std::string& name, EvictionPolicy* policy);
const char* EvictionPolicyName(EvictionPolicy policy);
// "all", "seen_before".
Status ParseAdmissionPolicy(const std::string& name, AdmissionPolicy* policy);
const char* AdmissionPolicyName(AdmissionPolicy policy);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_BENCH_OPTIONS_H_
