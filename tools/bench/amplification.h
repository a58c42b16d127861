#ifndef VARVE_TOOLS_BENCH_AMPLIFICATION_H_
#define VARVE_TOOLS_BENCH_AMPLIFICATION_H_

#include <cstdint>

#include "varve/db.h"
#include "varve/statistics.h"

namespace varve::bench {

// What the engine writes and keeps for what it was given. The log is left out, as RocksDB leaves it
// out of its write amplification.
struct Amplification {
  uint64_t user_bytes = 0;        // keys and values of all writes counted
  uint64_t flush_bytes = 0;       // of segments that flushes wrote
  uint64_t compaction_bytes = 0;  // of segments that compactions wrote
  uint64_t segment_bytes = 0;     // of all segments there are
  uint64_t live_entries = 0;      // that a scan finds
  uint64_t live_bytes = 0;        // their keys and values

  double write() const { return Ratio(flush_bytes + compaction_bytes, user_bytes); }
  double space() const { return Ratio(segment_bytes, live_bytes); }

 private:
  // Not a number where nothing was written or nothing is there.
  static double Ratio(uint64_t bytes, uint64_t of);
};

// Reads the counters, which count since `statistics` were made, and scans the database. What is in
// memory is in no segment: flush before.
Status MeasureAmplification(const Statistics& statistics, DB* db, Amplification* result);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_AMPLIFICATION_H_
