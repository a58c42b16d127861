#ifndef VARVE_TOOLS_CRASH_SITES_H_
#define VARVE_TOOLS_CRASH_SITES_H_

#include <span>
#include <string>
#include <vector>

#include "tools/crash/runner.h"

// The places at which the matrices are to crash the engine. One that a run of some minutes never
// comes to has not been tested, whatever else passed: it fails a run of some length.

namespace varve::crash {

struct Site {
  const char* matrix;  // one of AllMatrices()
  const char* place;   // as SimOp::Label() says
};

// Of `--matrix=all`, in the order in which they take turns; some come more often.
std::vector<std::string> AllMatrices();
std::span<const Site> Sites();
// Every kind of loss that CrashPoint::Fault() names, without "~root".
std::span<const char* const> Faults();

// "matrix place" of those sites of the report's matrices at which it crashed nothing.
std::vector<std::string> UnhitSites(const RunnerOptions& options, const RunnerReport& report);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_SITES_H_
