#ifndef VARVE_DB_MISS_REASON_H_
#define VARVE_DB_MISS_REASON_H_

#include <cstddef>
#include <cstdint>

#include "varve/statistics.h"

namespace varve {

// Why a lookup that failed in nothing found no value: what the search ended at. Each has a counter,
// and those sum up to Counter::kGetMisses (DESIGN I3: no miss goes unexplained). An error is
// neither a hit nor a miss (Checklist I5).
enum class MissReason : uint8_t {
  kAbsent,       // no source knows the key: it was never written, or is gone without a trace
  kDeleted,      // by a delete, or a range tombstone
  kExpired,      // an entry whose time has come, or the tombstone that a merge left of one
  kRefused,      // the last write of it was not admitted
  kEvicted,      // a tombstone that a merge left of an evicted entry
  kGhost,        // the filter of an evicted segment accepts it: evicted, or a false positive
  kQuarantined,  // a ghost without a filter accepts it: of a segment that could not be read
  kReset,        // the directory is condemned: nothing on it is read any more
};
inline constexpr size_t kMissReasons = 8;

inline constexpr Counter CounterOf(MissReason reason) {
  switch (reason) {
    case MissReason::kAbsent:
      return Counter::kMissAbsent;
    case MissReason::kDeleted:
      return Counter::kMissDeleted;
    case MissReason::kExpired:
      return Counter::kMissExpired;
    case MissReason::kRefused:
      return Counter::kMissRefused;
    case MissReason::kEvicted:
      return Counter::kMissEvicted;
    case MissReason::kGhost:
      return Counter::kMissGhost;
    case MissReason::kQuarantined:
      return Counter::kMissQuarantined;
    case MissReason::kReset:
      return Counter::kMissReset;
  }
  return Counter::kMissAbsent;
}

// For people and reports: "ghost".
inline constexpr const char* MissReasonName(MissReason reason) {
  switch (reason) {
    case MissReason::kAbsent:
      return "absent";
    case MissReason::kDeleted:
      return "deleted";
    case MissReason::kExpired:
      return "expired";
    case MissReason::kRefused:
      return "refused";
    case MissReason::kEvicted:
      return "evicted";
    case MissReason::kGhost:
      return "ghost";
    case MissReason::kQuarantined:
      return "quarantined";
    case MissReason::kReset:
      return "reset";
  }
  return "unknown";
}
// What it says of a key that was missed.
inline constexpr const char* MissReasonText(MissReason reason) {
  switch (reason) {
    case MissReason::kAbsent:
      return "never written, or gone without a trace";
    case MissReason::kDeleted:
      return "by a delete or a range tombstone";
    case MissReason::kExpired:
      return "past their time to live";
    case MissReason::kRefused:
      return "not admitted when they were last written";
    case MissReason::kEvicted:
      return "by a merge";
    case MissReason::kGhost:
      return "evicted with their segment, or a false positive of its ghost";
    case MissReason::kQuarantined:
      return "in the bounds of a segment that cannot be read";
    case MissReason::kReset:
      return "the directory is condemned";
  }
  return "unknown";
}

}  // namespace varve

#endif  // VARVE_DB_MISS_REASON_H_
