#include "db/plan_conflicts.h"

#include <algorithm>
#include <optional>

#include "db/ghost.h"
#include "db/key_range.h"
#include "util/planted.h"

namespace varve {

namespace {

bool Between(AgePlace place, AgePlace a, AgePlace b) {
  return place >= std::min(a, b) && place <= std::max(a, b);
}

AgePlace OutputPlace(const CompactionPlan& plan) {
  return AgePlace::Of(plan.output_level, plan.output_epoch);
}

template <typename Visit>
bool AnyInput(const CompactionPlan& plan, Visit visit) {
  return std::any_of(plan.inputs.begin(), plan.inputs.end(), [&](const CompactionInput& input) {
    return std::any_of(input.segments.begin(), input.segments.end(),
                       [&](const auto& segment) { return visit(*segment); });
  });
}

std::optional<KeyRange> RangeOfInputs(const InternalKeyComparator& comparator,
                                      const CompactionPlan& plan) {
  std::optional<KeyRange> all;
  for (const CompactionInput& input : plan.inputs) {
    const std::optional<KeyRange> range = RangeOf(comparator, input.segments);
    if (all && range) {
      all->Add(comparator, *range);
    } else if (range) {
      all = range;
    }
  }
  return all;
}

// Whether an output of `passer` would come to stand in the way of an input of `plan`.
bool OutputInTheWay(const InternalKeyComparator& comparator, const CompactionPlan& plan,
                    const CompactionPlan& passer) {
  const std::optional<KeyRange> range = RangeOfInputs(comparator, passer);
  const AgePlace place = OutputPlace(passer);
  return range && AnyInput(plan, [&](const SegmentFile& input) {
           return Between(place, AgePlace::Of(input), OutputPlace(plan)) &&
                  range->Overlaps(comparator, KeyRange::Of(input));
         });
}

// Whether all inputs are of one epoch in level 0, and the output too.
bool StaysInItsEpoch(const CompactionPlan& plan) {
  const AgePlace output = OutputPlace(plan);
  return output.level == 0 &&
         !AnyInput(plan, [&](const SegmentFile& input) { return AgePlace::Of(input) != output; });
}

// Whether an input would pass what stays behind, or the output meet it. `numbers`: those of the
// inputs, ascending; `range`: of all of them.
bool StaysInTheWay(const InternalKeyComparator& comparator, const Version& version,
                   const CompactionPlan& plan, const std::vector<FileNumber>& numbers,
                   const KeyRange& range) {
  const auto stays_in = [&](const SortedRun& run, const KeyRange& keys) {
    const auto found = Overlapping(comparator, run, keys);
    return std::any_of(found.begin(), found.end(), [&](const auto& segment) {
      return !std::binary_search(numbers.begin(), numbers.end(), segment->number());
    });
  };
  const AgePlace output = OutputPlace(plan);
  return std::any_of(version.runs().begin(), version.runs().end(), [&](const auto& run) {
    if (!stays_in(*run, range)) return false;  // so, most often, no input need be looked at
    const AgePlace place = AgePlace::Of(*run);
    return place == output || AnyInput(plan, [&](const SegmentFile& input) {
             return Between(place, AgePlace::Of(input), output) &&
                    stays_in(*run, KeyRange::Of(input));
           });
  });
}

// Whether an input that no ghost hides would come to stand beneath one.
bool SinksPastAGhost(const InternalKeyComparator& comparator, const Version& version,
                     const CompactionPlan& plan) {
  const AgePlace output = OutputPlace(plan);
  return std::any_of(version.ghosts().begin(), version.ghosts().end(), [&](const auto& ghost) {
    return ghost->place() < output && AnyInput(plan, [&](const SegmentFile& input) {
             return AgePlace::Of(input) <= ghost->place() &&
                    ghost->file()->Overlaps(comparator, input);
           });
  });
}

}  // namespace

bool PlanConflicts(const InternalKeyComparator& comparator, const Version& version,
                   const BusySegments& busy, const std::vector<CompactionPlan>& running,
                   const CompactionPlan& plan) {
  std::vector<FileNumber> inputs;
  const bool shared = AnyInput(plan, [&](const SegmentFile& input) {
    inputs.push_back(input.number());
    return busy.count(input.number()) != 0;
  });
  std::sort(inputs.begin(), inputs.end());
  if (shared || std::adjacent_find(inputs.begin(), inputs.end()) != inputs.end()) return true;
  const std::optional<KeyRange> range = RangeOfInputs(comparator, plan);
  if (!range) return true;  // a plan of nothing
  if (VARVE_PLANTED("merge passes what stays")) return false;
  if (!StaysInItsEpoch(plan) && StaysInTheWay(comparator, version, plan, inputs, *range)) {
    return true;
  }
  if (SinksPastAGhost(comparator, version, plan)) return true;
  return std::any_of(running.begin(), running.end(), [&](const CompactionPlan& other) {
    if (OutputInTheWay(comparator, plan, other) || OutputInTheWay(comparator, other, plan)) {
      return true;
    }
    const std::optional<KeyRange> others = RangeOfInputs(comparator, other);
    return OutputPlace(other) == OutputPlace(plan) && others &&
           others->Overlaps(comparator, *range);
  });
}

}  // namespace varve
