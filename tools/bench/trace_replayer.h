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
//     d. nothing, though the key was written and not deleted since: a miss. In a cache it was
//        evicted; a database does not evict, so there it is lost, which is a defect;
//     e. nothing, and rightly so: a miss, and the key is filled.
//  2. put: Put. 3. delete: Delete.
// A replay with a wrong value or a lost key has failed, whatever its figures.
//
// Latencies are those of the calls alone; the time of the replay, and so its throughput, includes
// reading the trace, making the values and comparing them. At the end everything is flushed,
// outside that time, so that the bytes written are all those that the requests led to.

#include <cstdint>
#include <memory>

#include "tools/bench/progress_bar.h"
#include "tools/bench/request_source.h"
#include "tools/bench/trace_values.h"
#include "tools/bench/value_ledger.h"
#include "util/histogram.h"
#include "varve/db.h"

namespace varve::bench {

// What a replay counted. Bytes of requests are those of the values.
struct TraceCounts {
  uint64_t gets = 0, puts = 0, deletes = 0;
  uint64_t hits = 0, misses = 0;
  uint64_t expired = 0;  // misses on what was there, but past its ttl
  uint64_t first = 0;    // misses on keys that were never written before
  uint64_t deleted = 0;  // misses on keys whose last write was a delete
  uint64_t evicted = 0;  // misses on keys that a cache has had
  uint64_t lost = 0;     // misses that should have been hits: with these five, all are explained
  uint64_t wrong = 0;    // neither hits nor misses
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
  enum class Verdict { kHit, kExpired, kWrong };
  Verdict Judge(const Request& request, uint64_t key_hash) const;

  const TraceReplayOptions options_;
  DB* const db_;
  Clock* const clock_;
  TraceValues values_;
  ValueLedger ledger_;
  TraceCounts counts_;
  Histogram get_nanos_, put_nanos_;
  PinnedValue value_;
  uint64_t writes_ = 0;
  uint64_t now_nanos_ = 0;  // as last read
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_REPLAYER_H_
