#ifndef VARVE_DB_AGE_PLACE_H_
#define VARVE_DB_AGE_PLACE_H_

#include <compare>
#include <cstdint>

#include "db/version.h"

namespace varve {

// A place in the order of age, newest first: level 0 has one for each epoch, a deeper level is one.
struct AgePlace {
  uint32_t level = 0;
  uint64_t age = 0;  // ~epoch in level 0

  static AgePlace Of(uint32_t level, uint64_t epoch) { return {level, level == 0 ? ~epoch : 0}; }
  static AgePlace Of(const SegmentFile& segment) {
    return Of(segment.entry().level, segment.entry().epoch);
  }
  static AgePlace Of(const SortedRun& run) { return Of(*run.segments().front()); }
  friend auto operator<=>(const AgePlace&, const AgePlace&) = default;
};

}  // namespace varve

#endif  // VARVE_DB_AGE_PLACE_H_
