#ifndef VARVE_DB_RESET_CLOCK_H_
#define VARVE_DB_RESET_CLOCK_H_

#include <cstdint>
#include <string>

#include "varve/env.h"
#include "varve/status.h"

namespace varve {

struct ClockReset {
  uint64_t before_ms = 0;  // the mark that was; 0: there was none
  uint64_t now_ms = 0;     // and the one that is
  bool emptied = false;    // the directory is a cache, and holds nothing any more
};

// Sets the time of the database in `directory`, which must not be open, to `now_ms` (milliseconds
// since 1970), back or ahead: for where a wrong wall clock made it wrong, and it would take too
// long to be right by itself.
//
// In a database what had expired and was not yet dropped shows again if its time is set back: no
// value that something newer replaced, as what has expired goes on hiding what is older, or goes
// together with it. A cache is emptied: it promises that nothing comes back, at the price of losing
// all of it. That is a reset like any other, recorded with its reason and the wall clock's time
// (db/cache_reset.h). Both roots carry the new mark when it returns OK; files go at the next open.
//
// NotFound: there is no database. Busy: it is open. Else as Manifest::Open().
Status ResetClock(const Env& env, const std::string& directory, uint64_t now_ms, ClockReset* reset);

}  // namespace varve

#endif  // VARVE_DB_RESET_CLOCK_H_
