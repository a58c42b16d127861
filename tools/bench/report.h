#ifndef VARVE_TOOLS_BENCH_REPORT_H_
#define VARVE_TOOLS_BENCH_REPORT_H_

#include <string>

#include "tools/bench/bench_options.h"
#include "tools/bench/json_object.h"
#include "tools/bench/thread_stats.h"
#include "util/histogram.h"

namespace varve::bench {

// Everything that is printed as a pure function of what was measured. Texts end with a newline.

// The lines above the first benchmark: keys, values, raw size, machine, engine options.
std::string HeaderText(const BenchOptions& options);

// db_bench's line, to the character:
//   fillseq      :       2.374 micros/op 421274 ops/sec 7.121 seconds 3000000 operations;   46.6
//   MB/s
std::string ResultLine(const std::string& name, const ThreadStats& stats);

// Count, average, extremes and percentiles in microseconds.
std::string HistogramText(const std::string& latency_of, const Histogram& nanos);

void AddResult(const std::string& name, const ThreadStats& stats, JsonObject* json);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_REPORT_H_
