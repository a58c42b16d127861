#ifndef VARVE_TOOLS_CRASH_KILLS_H_
#define VARVE_TOOLS_CRASH_KILLS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/crash/kill_subject.h"

// Real kills: a child process writes to a database on the real file system and counts what was
// acknowledged in memory shared with its parent, which kills it at a random moment, opens the
// database, and holds it against the ledger. Every logged write that was acknowledged must be
// there, synced or not; one prefix for all keys. Often a child that only opens the database is
// killed in between, so recovery is interrupted too.
//
// The same of a cache, whose children tell their parent of each eviction as well: what is missing
// must have been evicted, or have expired (cache_oracle.h).
//
// If asked for, some children run out of memory: an allocation fails, once or for good from then
// on, which may end the process, or give an error of a type, but never damages the directory. In
// some the system moves fewer bytes than it was asked to, or is interrupted, now and then. And in
// some a call of the system fails, once or for good, with what such a call may fail with: they get
// an error, or go on after it; what was acknowledged is there all the same, but for a cache that
// knows that its log is incomplete, which starts empty.

namespace varve::crash {

struct KillOptions {
  std::string directory = {};  // of the databases; must exist
  uint64_t seed = 1;
  uint64_t kills = 300;
  double seconds = 60;              // ends earlier then
  uint64_t run_micros_max = 30000;  // a writing child lives at most so long
  bool cache = false;               // not a database
  bool out_of_memory = false;       // some children, as above
  bool short_transfers = false;     // some children, as above
  bool failing_calls = false;       // some children, as above
  bool progress = false;
};

struct KillReport {
  uint64_t kills = 0;           // of children that wrote
  uint64_t recovery_kills = 0;  // of children that opened
  uint64_t out_of_memory = 0;   // children of either kind that ended by a failed allocation
  uint64_t failing_calls = 0;   // that got an error from a call of the system that failed
  KillCounts counts;
  double seconds = 0;
  std::vector<std::string> violations;
};

KillReport RunKills(const KillOptions& options);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_KILLS_H_
