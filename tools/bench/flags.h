#ifndef VARVE_TOOLS_BENCH_FLAGS_H_
#define VARVE_TOOLS_BENCH_FLAGS_H_

#include "tools/bench/bench_options.h"
#include "varve/status.h"

namespace varve::bench {

// Parses the command line into *options and validates them. InvalidArgument names a flag that is
// unknown (with the nearest known one) or whose value is not allowed, or an argument that is no
// flag. --help and --version print and end the process, as gflags does. Call it once.
Status ParseCommandLine(int argc, char** argv, BenchOptions* options);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_FLAGS_H_
