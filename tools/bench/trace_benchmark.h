#ifndef VARVE_TOOLS_BENCH_TRACE_BENCHMARK_H_
#define VARVE_TOOLS_BENCH_TRACE_BENCHMARK_H_

#include <cstdio>

#include "tools/bench/bench_options.h"
#include "tools/bench/request_source.h"
#include "tools/bench/trace_report.h"
#include "varve/db.h"

namespace varve::bench {

// The trace that the options name, or the generated one.
Status OpenRequestSource(const BenchOptions& options, std::unique_ptr<RequestSource>* source);

// Replays the source on `db`, in `path`, which `options.engine.statistics` counts; shows the
// progress on `progress_stream` if that is a terminal. OK says that it ran to its end, not that
// every value was right: see TraceResult::failed().
Status RunTrace(const BenchOptions& options, RequestSource* source, DB* db, const std::string& path,
                std::FILE* progress_stream, TraceResult* result);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_BENCHMARK_H_
