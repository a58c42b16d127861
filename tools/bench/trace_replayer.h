#ifndef VARVE_TOOLS_BENCH_TRACE_REPLAYER_H_
#define VARVE_TOOLS_BENCH_TRACE_REPLAYER_H_

// Replays a trace as a read-through cache would serve it, and judges every answer.
//
// For each request, in the order of the trace:
//  1. get: Get. What comes back is compared with what was last written under the key.
//     a. the right value, not expired: a hit;
//     b. the right value, past its ttl on the clock of the trace: a miss, and the key is filled
//        anew (the engine knows no ttl yet, so the client judges);
//     c. another value, an older one, one of a deleted key: wrong;
//     d. nothing, though the key was written and not deleted since: lost, and a miss. Nothing is
//        evicted from a database, so that is a defect; in a cache it is one only where the engine
//        says that the key was deleted, or has expired;
//     e. nothing, and rightly so: a miss, and the key is filled.
//     Of each miss the engine's counters tell one reason; a miss for which not just one of them
//     rose is a defect.
//  2. put: Put. 3. delete: Delete.
// A replay with a wrong value, a lost key or an unexplained miss has failed, whatever its figures.
//
// Latencies are those of the calls alone; the time of the replay, and so its throughput, includes
// reading the trace, making the values and comparing them. At the end everything is flushed,
// outside that time, so that the bytes written are all those that the requests led to.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "db/miss_reason.h"
#include "tools/bench/progress_bar.h"
#include "tools/bench/request_source.h"
#include "tools/bench/trace_values.h"
#include "tools/bench/value_ledger.h"
#include "util/histogram.h"
#include "varve/db.h"
#include "varve/statistics.h"

namespace varve::bench {

// What a replay counted. Bytes of requests are those of the values.
struct TraceCounts {
  uint64_t gets = 0, puts = 0, deletes = 0;
  uint64_t hits = 0, misses = 0;
  uint64_t expired = 0;      // misses on what was there, but past its ttl
  uint64_t first = 0;        // misses on keys that were never written before
  uint64_t deleted = 0;      // misses on keys whose last write was a delete
  uint64_t evicted = 0;      // misses on keys that a cache let go
  uint64_t refused = 0;      // misses on keys that a cache did not take
  uint64_t lost = 0;         // misses that should have been hits: with these six, all are explained
  uint64_t masked = 0;       // of the first: false positives of ghosts
  uint64_t unexplained = 0;  // misses without one reason of the engine's
  uint64_t wrong = 0;        // neither hits nor misses
  uint64_t hit_bytes = 0, miss_bytes = 0;
  uint64_t written_bytes = 0;  // keys and values of puts and fills, keys of deletes
  double seconds = 0;          // of the replay

  uint64_t requests() const { return gets + puts + deletes; }
  double miss_ratio() const;       // of the gets; not a number if there was none
  double byte_miss_ratio() const;  // of the bytes they asked for
  double requests_per_second() const;
};

struct TraceReplayOptions {
  uint64_t requests_max = UINT64_MAX;
  uint64_t nanos_max = UINT64_MAX;
  uint64_t default_value_bytes = 0;  // where the trace has no size
  double compression_ratio = 0.5;
  bool evicts = false;  // it is a cache
  // The database may hold what an earlier replay wrote: unknown values are checked against their
  // keys alone.
  bool warm = false;
  // The engine's, if they are to give a reason for each miss; nobody else may read it meanwhile.
  const Statistics* statistics = nullptr;
  uint64_t stamp_base = 1;  // another one each process, so that stamps do not repeat
  ReadOptions read_options;
  WriteOptions write_options;
};

class TraceReplayer {
 public:
  // `db` and `clock` outlive it.
  TraceReplayer(const TraceReplayOptions& options, DB* db, Clock* clock);

  // Serves all requests of the source. `progress` may be null. An error of the source or of the
  // engine ends it; wrong and lost values only count.
  Status Run(RequestSource* source, ProgressBar* progress);

  const TraceCounts& counts() const { return counts_; }
  const Histogram& get_nanos() const { return get_nanos_; }
  const Histogram& put_nanos() const { return put_nanos_; }

 private:
  Status Serve(const Request& request);
  Status ServeGet(const Request& request, uint64_t key_hash, uint64_t value_bytes);
  Status Put(const Request& request, uint64_t key_hash, uint64_t value_bytes);
  Status Delete(const Request& request, uint64_t key_hash);
  // Counts a get that found nothing.
  void ExplainMiss(uint64_t key_hash);
  // What the engine says of the miss that was the last get; nothing where it says not just one
  // thing.
  std::optional<MissReason> ReasonOfMiss();
  enum class Verdict { kHit, kExpired, kWrong };
  Verdict Judge(const Request& request, uint64_t key_hash) const;

  const TraceReplayOptions options_;
  DB* const db_;
  Clock* const clock_;
  TraceValues values_;
  ValueLedger ledger_;
  TraceCounts counts_;
  std::array<uint64_t, kMissReasons> reasons_{};  // as the engine has counted them so far
  Histogram get_nanos_, put_nanos_;
  PinnedValue value_;
  uint64_t writes_ = 0;
  uint64_t now_nanos_ = 0;  // as last read
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_REPLAYER_H_
