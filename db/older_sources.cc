#include "db/older_sources.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "db/key_range.h"
#include "db/plan_conflicts.h"

namespace varve {

OlderSources::OlderSources(const InternalKeyComparator& comparator,
                           std::shared_ptr<const Version> version, const CompactionPlan& plan)
    : comparator_(comparator) {
  std::optional<AgePlace> newest, oldest;
  std::optional<KeyRange> range;
  std::set<FileNumber> inputs;
  for (const CompactionInput& input : plan.inputs) {
    for (const auto& segment : input.segments) {
      const AgePlace place = AgePlace::Of(*segment);
      newest = newest ? std::min(*newest, place) : place;
      oldest = oldest ? std::max(*oldest, place) : place;
      const KeyRange keys = KeyRange::Of(*segment);
      if (!range) range = keys;
      range->Add(comparator, keys);
      inputs.insert(segment->number());
    }
  }
  if (!oldest) return;
  for (const auto& run : version->runs()) {
    const AgePlace place = AgePlace::Of(*run->segments().front());
    if (place > *oldest) runs_.push_back(run);
    if (place != *oldest || *newest == *oldest) continue;
    SegmentList stays;
    for (const auto& segment : Overlapping(comparator, *run, *range)) {
      if (inputs.count(segment->number()) == 0) stays.push_back(segment);
    }
    if (!stays.empty()) {
      runs_.push_back(std::make_shared<SortedRun>(comparator, std::move(stays)));
    }
  }
}

bool OlderSources::MayHold(Slice user_key) const {
  const uint64_t prefix = comparator_.bytewise() ? KeyPrefix(user_key) : 0;
  return std::any_of(runs_.begin(), runs_.end(),
                     [&](const auto& run) { return run->Find(user_key, prefix) != nullptr; });
}

bool OlderSources::MayOverlap(Slice start, Slice end) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
    const size_t i = run->LowerBound(start);
    return i < run->segments().size() &&
           comparator_.CompareUserKeys(run->segments()[i]->smallest_user_key(), end) < 0;
  });
}

}  // namespace varve
