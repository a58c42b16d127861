#ifndef VARVE_TOOLS_CRASH_ALLOCATIONS_H_
#define VARVE_TOOLS_CRASH_ALLOCATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

// The first allocation fails, then the second, and so on, until a run meets none that fails: each
// in a child process that lives a short life of a database, or of a cache, on the real file system.
// Once, and then an open that throws is caught; and from then on. It may end the process by
// std::terminate or give an error of a type, and nothing else; and the directory is then as after a
// kill: all that was acknowledged is there.

namespace varve::crash {

struct AllocationOptions {
  std::string directory;  // of the databases; must exist, best in memory
  double seconds = 60;    // ends earlier then
  uint64_t first = 1;     // the first that fails
  bool progress = false;
};

struct AllocationReport {
  uint64_t runs = 0;
  uint64_t ended = 0;        // by the failed allocation
  uint64_t errors = 0;       // a call returned an error of a type
  uint64_t passed = 0;       // all was well all the same
  uint64_t allocations = 0;  // the highest that failed
  bool complete = false;     // until none was left to fail
  double seconds = 0;
  std::vector<std::string> violations;
};

AllocationReport FailAllAllocations(const AllocationOptions& options);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_ALLOCATIONS_H_
