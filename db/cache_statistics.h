#ifndef VARVE_DB_CACHE_STATISTICS_H_
#define VARVE_DB_CACHE_STATISTICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "db/hit_windows.h"
#include "util/mutex.h"
#include "varve/env.h"
#include "varve/statistics.h"

namespace varve {

// What of a database at one moment its statistics do not count.
struct CacheFigures {
  uint64_t capacity_bytes = 0;  // 0: none, a database
  uint64_t used_bytes = 0;      // of it, by everything in the directory
  uint64_t segments = 0;
  uint64_t segment_bytes = 0;
  uint64_t entries = 0;
  uint64_t oldest_segment_age_ms = 0;  // since it was written; 0 without segments
  uint64_t ghosts = 0;
  uint64_t ghost_bytes = 0;
  double ghost_false_positive_rate = 0;  // summed over the ghosts
};

// Bytes written to files for each byte given. Not a number where nothing was given.
struct WriteAmplification {
  double with_log = 0;  // logs, segments, ghosts and the manifest
  double without_log = 0;
};
WriteAmplification MeasureWriteAmplification(const Statistics& statistics);

// What the owner of a cache looks at, out of counters that others count: ratios of hits, in total
// and of the last ten minutes, and all of it as text. Nothing here runs where keys are read.
//
// Counters that several databases share count for all of them together.
//
// Thread safety: all of it.
class CacheStatistics {
 public:
  // `statistics` may be null: then there are no ratios. Both outlive this object.
  CacheStatistics(const Statistics* statistics, Clock* clock);

  // Lets the minutes go by. Called by whatever runs in the background, now and then; whoever asks
  // below does it too.
  void Advance() EXCLUDES(mu_);

  struct Hits {
    HitCounts total;
    HitWindows::Interval recent;                  // the last ten minutes
    std::vector<HitWindows::Interval> intervals;  // of them each, newest first
  };
  Hits hits() EXCLUDES(mu_);

  // Several lines for people.
  std::string Text(const CacheFigures& figures) EXCLUDES(mu_);

 private:
  HitCounts Counts() const;

  const Statistics* const statistics_;
  Clock* const clock_;
  Mutex mu_;
  HitWindows windows_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_CACHE_STATISTICS_H_
