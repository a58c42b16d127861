// varve_bench measures Varve with the benchmarks, flags and lines of RocksDB's db_bench, and
// replays cache traces. tools/bench/flags.cc has the flags, docs/benchmarks.md how to use it.
//
// Exit status: 0; 1 for a bad flag, a failed operation, or a replay that met a wrong value.

#include <cstdio>

#include "tools/bench/flags.h"
#include "tools/bench/runner.h"

int main(int argc, char** argv) {
  if (varve::bench::WantsHelp(argc, argv)) {
    varve::bench::PrintHelp(argv[0]);
    return 0;
  }
  varve::bench::BenchOptions options;
  varve::Status status = varve::bench::ParseCommandLine(argc, argv, &options);
  if (!status.ok()) {
    std::fprintf(stderr, "varve_bench: %s\nTry varve_bench --help\n", status.ToString().c_str());
    return 1;
  }
  varve::bench::Runner runner(options, stdout, stderr);
  status = runner.Run();
  if (!status.ok()) {
    std::fprintf(stderr, "varve_bench: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
