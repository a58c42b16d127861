#ifndef VARVE_DB_OLDER_SOURCES_H_
#define VARVE_DB_OLDER_SOURCES_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "db/compaction_plan.h"
#include "db/version.h"
#include "util/internal_key.h"

namespace varve {

// What lies beneath the inputs of a compaction: the runs of the version that are older than all of
// them. As long as one of these may hold a key, its tombstone must stay (Checklist C5).
//
// The answers hold for the life of the compaction. What is newer may sink past it only where their
// keys do not meet (RULES R1.5), and what is older sinks or goes.
class OlderSources {
 public:
  OlderSources(const InternalKeyComparator& comparator, std::shared_ptr<const Version> version,
               const CompactionPlan& plan)
      : comparator_(comparator), version_(std::move(version)) {
    const Version::Runs& runs = version_->runs();
    for (size_t i = 0; i < runs.size(); ++i) {
      for (const CompactionInput& input : plan.inputs) {
        if (IsOf(*runs[i], input)) first_ = i + 1;
      }
    }
  }

  bool MayHold(Slice user_key) const {
    const uint64_t prefix = comparator_.bytewise() ? KeyPrefix(user_key) : 0;
    const Version::Runs& runs = version_->runs();
    return std::any_of(runs.begin() + first_, runs.end(),
                       [&](const auto& run) { return run->Find(user_key, prefix) != nullptr; });
  }
  // Whether any key of [start, end) may be there.
  bool MayOverlap(Slice start, Slice end) const {
    const Version::Runs& runs = version_->runs();
    return std::any_of(runs.begin() + first_, runs.end(), [&](const auto& run) {
      const size_t i = run->LowerBound(start);
      return i < run->segments().size() &&
             comparator_.CompareUserKeys(run->segments()[i]->smallest_user_key(), end) < 0;
    });
  }

 private:
  static bool IsOf(const SortedRun& run, const CompactionInput& input) {
    return std::any_of(run.segments().begin(), run.segments().end(), [&](const auto& segment) {
      return segment->number() == input.segments.front()->number();
    });
  }

  const InternalKeyComparator comparator_;
  const std::shared_ptr<const Version> version_;
  size_t first_ = 0;  // of the older runs
};

}  // namespace varve

#endif  // VARVE_DB_OLDER_SOURCES_H_
