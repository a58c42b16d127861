#ifndef VARVE_DB_OLDER_SOURCES_H_
#define VARVE_DB_OLDER_SOURCES_H_

#include <memory>

#include "db/compaction_plan.h"
#include "db/version.h"
#include "util/internal_key.h"

namespace varve {

// What lies beneath the inputs of a compaction: all that is older than any of them and no input. As
// long as one of these may hold a key, its tombstone must stay (Checklist C5).
//
//  - The runs that are older than the oldest input.
//  - What stays of the oldest input's own place, in its level or epoch: it holds no key of that
//    input, but may hold keys of newer ones. Where all inputs are of that place there is nothing to
//    it; siblings whose ranges overlap do not keep each other's tombstones.
//
// The answers hold for the life of the compaction. What is newer may sink past it only where their
// keys do not meet (RULES R1.5), and what is older sinks or goes.
class OlderSources {
 public:
  OlderSources(const InternalKeyComparator& comparator, std::shared_ptr<const Version> version,
               const CompactionPlan& plan);

  bool MayHold(Slice user_key) const;
  // Whether any key of [start, end) may be there.
  bool MayOverlap(Slice start, Slice end) const;

 private:
  const InternalKeyComparator comparator_;
  Version::Runs runs_;
};

}  // namespace varve

#endif  // VARVE_DB_OLDER_SOURCES_H_
