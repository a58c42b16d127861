#ifndef VARVE_TOOLS_BENCH_FLAGS_H_
#define VARVE_TOOLS_BENCH_FLAGS_H_

#include "tools/bench/bench_options.h"
#include "varve/status.h"

namespace varve::bench {

// Parses the command line into *options and validates them. InvalidArgument names a flag that is
// unknown (with the nearest known one) or whose value is not allowed, or an argument that is no
// flag. Call it once.
Status ParseCommandLine(int argc, char** argv, BenchOptions* options);

// Whether --help is among the arguments; and what to print then, on standard output.
bool WantsHelp(int argc, char** argv);
void PrintHelp(const char* program);

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_FLAGS_H_
