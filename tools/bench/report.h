#ifndef VARVE_TOOLS_BENCH_REPORT_H_
#define VARVE_TOOLS_BENCH_REPORT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "tools/bench/amplification.h"
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

// Two lines below the result of the job "amplification".
std::string AmplificationText(const Amplification& measured);
void AddAmplification(const Amplification& measured, JsonObject* json);

// Operations a second of the intervals of a benchmark.
struct IntervalRates {
  size_t count = 0;
  double minimum = 0, median = 0, maximum = 0;
};
IntervalRates Summarised(std::vector<double> rates);
// Nothing where there was no whole interval.
std::string IntervalsText(const IntervalRates& rates);
void AddIntervals(const IntervalRates& rates, JsonObject* json);

void AddResult(const std::string& name, const ThreadStats& stats, JsonObject* json);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_REPORT_H_
