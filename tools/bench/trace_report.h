#ifndef VARVE_TOOLS_BENCH_TRACE_REPORT_H_
#define VARVE_TOOLS_BENCH_TRACE_REPORT_H_

#include <cstdint>
#include <string>

#include "tools/bench/json_object.h"
#include "tools/bench/trace_replayer.h"
#include "util/histogram.h"

namespace varve::bench {

// Everything that a replay says at its end, as pure functions of what was measured.
struct TraceResult {
  std::string source;
  TraceCounts counts;
  HistogramData gets, puts;  // nanoseconds
  double flush_seconds = 0;  // the last flush, after the replay
  // What the engine wrote, that flush included.
  uint64_t wal_bytes = 0;
  uint64_t flush_bytes = 0;
  uint64_t compaction_bytes = 0;
  uint64_t ghost_bytes = 0;
  uint64_t manifest_bytes = 0;
  uint64_t disk_bytes_max = 0;
  uint64_t disk_bytes_end = 0;
  uint64_t data_bytes_max = 0;  // of segments and ghosts alone
  uint64_t capacity_bytes = 0;  // of a cache; 0: a database
  // The budget that the engine has, and the physical memory that the process took at most, this
  // program's own included; 0 where the system does not say.
  uint64_t memory_budget_bytes = 0;
  uint64_t memory_peak_bytes = 0;

  // Bytes the engine wrote to files by bytes that the requests wrote; not a number without any.
  double write_amplification() const;
  bool over_capacity() const { return capacity_bytes != 0 && disk_bytes_max > capacity_bytes; }
  bool failed() const {
    return counts.wrong > 0 || counts.lost > 0 || counts.unexplained > 0 || over_capacity();
  }
};

std::string TraceText(const TraceResult& result);
void AddTrace(const TraceResult& result, JsonObject* json);
// What went wrong, for the error message; only if failed().
std::string TraceFailure(const TraceResult& result);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_REPORT_H_
