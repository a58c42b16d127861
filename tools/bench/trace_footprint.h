#ifndef VARVE_TOOLS_BENCH_TRACE_FOOTPRINT_H_
#define VARVE_TOOLS_BENCH_TRACE_FOOTPRINT_H_

#include <cstdint>

#include "tools/bench/request_source.h"
#include "varve/status.h"

namespace varve::bench {

// What a cache would hold that never has to evict: every key that is asked for or written, with the
// largest value it ever has. Keys themselves do not count, as in other simulators of caches.
struct TraceFootprint {
  uint64_t requests = 0;
  uint64_t objects = 0;
  uint64_t bytes = 0;
};

// Reads the source, at most so many requests of it. 24 to 64 bytes of memory for each key.
// `default_value_bytes`: of requests without a size.
Status MeasureFootprint(RequestSource* source, uint64_t requests_max, uint64_t default_value_bytes,
                        TraceFootprint* footprint);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_FOOTPRINT_H_
