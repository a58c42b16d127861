#ifndef VARVE_DB_RECOVERY_H_
#define VARVE_DB_RECOVERY_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/cache_space.h"
#include "db/manifest.h"
#include "db/recovery_room.h"
#include "db/version.h"
#include "util/internal_key.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// What an open finds, and leaves for later.
struct Recovered {
  std::unique_ptr<Manifest> manifest;
  std::vector<SegmentEntry> segments;    // all live ones and ghosts, with what recovery made
  Version::GhostReaders ghosts;          // of those that have a file
  SequenceNumber next_sequence = 1;      // the first that may be given out
  SequenceNumber retained_sequence = 0;  // versions that reads below it ask for may be gone
  uint64_t clock_mark_ms = 0;            // RULES R7
  std::vector<std::string> unreachable;  // names found at open that nothing needs
  uint64_t records_replayed = 0;
  std::optional<CacheResetInfo> reset;  // the cache was emptied
  EvictedAtOpen evicted;                // for want of room
};

// Opens the database in `directory`, whose lock the caller holds, or makes one (RULES R4.3, R4.4,
// R5.4):
//  1. list the directory; without a manifest, make one if nothing else of a database is there;
//  2. open the manifest: two fresh roots are durable before anything else is written;
//  3. replay the logs from the lowest the roots need, into memtables and those into segments;
//     in a cache, as far as there is room for them (db/recovery_room.h);
//  4. once the whole replay is judged good, commit all segments made, in the same commit pass
//     every log found, and seal. Nothing is appended to an old log, ever;
//  5. read the ghosts. Of one that cannot be read another commit, and a seal, say that it accepts
//     all within its bounds (db/ghost.h).
// Only then may a write be accepted, and may `unreachable` be removed.
//
// A cache is emptied instead of (3) and (4) where db/restart_rules.h says so, or its log is damaged
// (db/cache_reset.h). In any case its roots say, before a write is accepted, by which machine and
// with which sync mode it is open now.
//
// Errors as DB::Open says. A failure before (4) leaves the database as it was but for the roots'
// generations; segments that were made are removed. A cache may have evicted segments by then.
//
// A cache that holds more than its capacity (lowered since, or copied here) is brought under it:
// what is over goes before anything is written, and what nothing needs any more at the end, so that
// it is under when this returns. NoSpace if it cannot be.
Status Recover(const Options& options, const std::string& directory, const CacheSpace& space,
               Recovered* recovered);

}  // namespace varve

#endif  // VARVE_DB_RECOVERY_H_
