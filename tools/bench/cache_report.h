#ifndef VARVE_TOOLS_BENCH_CACHE_REPORT_H_
#define VARVE_TOOLS_BENCH_CACHE_REPORT_H_

#include <array>
#include <cstdint>
#include <string>

#include "db/hit_windows.h"
#include "db/miss_reason.h"
#include "tools/bench/json_object.h"
#include "varve/db.h"
#include "varve/statistics.h"

namespace varve::bench {

// What a benchmark did to a cache: the lines below its own.
struct CacheReport {
  uint64_t capacity_bytes = 0;
  uint64_t used_bytes = 0;  // at the end, of everything in the directory
  HitCounts hits;           // of the benchmark
  std::array<uint64_t, kMissReasons> misses{};
  uint64_t given_bytes = 0;  // keys and values of its writes
  uint64_t log_bytes = 0;    // and what the engine wrote meanwhile: to logs …
  uint64_t file_bytes = 0;   // … to segments, ghosts and the manifest
  uint64_t evicted_bytes = 0, expired_bytes = 0;

  uint64_t explained() const;  // misses with a reason
  // Not a number where nothing was written.
  double write_amplification() const;
  double write_amplification_without_log() const;
};

// Takes what is counted at its construction away from what is counted later.
class CacheMeter {
 public:
  // Both outlive it.
  CacheMeter(const Statistics& statistics, DB* db);
  CacheReport Measure(uint64_t capacity_bytes) const;

 private:
  CacheReport Counts() const;

  const Statistics& statistics_;
  DB* const db_;
  const CacheReport before_;
};

std::string CacheText(const CacheReport& report);
void AddCache(const CacheReport& report, JsonObject* json);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_CACHE_REPORT_H_
