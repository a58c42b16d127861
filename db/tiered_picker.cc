#include "db/tiered_picker.h"

#include <algorithm>
#include <set>
#include <utility>

#include "db/garbage.h"
#include "db/key_range.h"
#include "db/plan_conflicts.h"

namespace varve {

namespace {

// An older run joins while it is no larger than that many times what would be merged into it.
constexpr uint64_t kSizeRatio = 2;
// Tombstones are merged down for their own sake where there is one for so many entries beneath.
constexpr uint64_t kEntriesPerTombstone = 8;

uint64_t SumBytes(const std::vector<RunSize>& runs, size_t from, size_t to) {
  uint64_t bytes = 0;
  for (size_t i = from; i < to; ++i) bytes += runs[i].bytes;
  return bytes;
}

// The first run of the idle ones that end before `to`.
size_t IdleSince(const std::vector<RunSize>& runs, size_t to) {
  while (to > 0 && runs[to - 1].idle) --to;
  return to;
}

// Sorted runs that have one place in the order of age, and so are merged as one.
struct RunGroup {
  uint32_t level = 0;
  uint64_t epoch = 0;
  std::vector<const SortedRun*> runs;
};

std::vector<RunGroup> Groups(const Version& version) {
  std::vector<RunGroup> groups;
  for (const auto& run : version.runs()) {
    if (groups.empty() || groups.back().level != run->level() ||
        (run->level() == 0 && groups.back().epoch != run->epoch())) {
      groups.push_back({run->level(), run->epoch(), {}});
    }
    groups.back().runs.push_back(run.get());
  }
  return groups;
}

std::vector<RunSize> Sizes(const std::vector<RunGroup>& groups, const BusySegments& busy) {
  std::vector<RunSize> sizes;
  for (const RunGroup& group : groups) {
    RunSize& size = sizes.emplace_back();
    for (const SortedRun* run : group.runs) {
      size.bytes += run->file_bytes();
      for (const auto& segment : run->segments()) {
        size.idle = size.idle && busy.count(segment->number()) == 0;
      }
    }
  }
  return sizes;
}

// The plan with these segments of the groups as inputs, if it may begin.
class TieredPlans {
 public:
  TieredPlans(const PickerOptions& options, const InternalKeyComparator& comparator,
              const Version& version, const BusySegments& busy,
              const std::vector<CompactionPlan>& running)
      : options_(options),
        comparator_(comparator),
        version_(version),
        busy_(busy),
        running_(running),
        groups_(Groups(version)) {}

  const std::vector<RunGroup>& groups() const { return groups_; }

  template <typename Takes>
  std::optional<CompactionPlan> Merge(size_t from, size_t to, CompactionReason reason,
                                      Takes takes) const {
    CompactionPlan plan;
    plan.reason = reason;
    plan.segment_bytes = options_.segment_bytes;
    for (size_t i = from; i < to; ++i) {
      for (const SortedRun* run : groups_[i].runs) {
        CompactionInput input{run->level(), {}};
        for (const auto& segment : run->segments()) {
          if (!takes(*segment)) continue;
          input.segments.push_back(segment);
          plan.output_epoch = std::max(plan.output_epoch, segment->entry().epoch);
        }
        if (input.segments.empty()) continue;
        plan.output_level = input.level;  // the deepest comes last
        plan.inputs.push_back(std::move(input));
      }
    }
    if (PlanConflicts(comparator_, version_, busy_, running_, plan)) return std::nullopt;
    return plan;
  }
  std::optional<CompactionPlan> MergeAll(size_t from, size_t to, CompactionReason reason) const {
    return Merge(from, to, reason, [](const SegmentFile&) { return true; });
  }
  std::optional<CompactionPlan> Rewrite(size_t group, const SegmentFile& segment,
                                        CompactionReason reason) const {
    return Merge(group, group + 1, reason,
                 [&](const SegmentFile& other) { return &other == &segment; });
  }

  bool AnythingOlder(size_t group, const KeyRange& range) const {
    for (size_t i = group + 1; i < groups_.size(); ++i) {
      for (const SortedRun* run : groups_[i].runs) {
        if (!Overlapping(comparator_, *run, range).empty()) return true;
      }
    }
    return false;
  }

  // The numbers of all from group `from` on that hang together with the segment by overlapping.
  std::set<FileNumber> Overlapped(size_t from, const SegmentFile& segment) const {
    KeyRange range = KeyRange::Of(segment);
    std::set<FileNumber> numbers{segment.number()};
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = from; i < groups_.size(); ++i) {
        for (const SortedRun* run : groups_[i].runs) {
          for (const auto& met : Overlapping(comparator_, *run, range)) {
            if (!numbers.insert(met->number()).second) continue;
            range.Add(comparator_, KeyRange::Of(*met));
            changed = true;
          }
        }
      }
    }
    return numbers;
  }

 private:
  const PickerOptions& options_;
  const InternalKeyComparator& comparator_;
  const Version& version_;
  const BusySegments& busy_;
  const std::vector<CompactionPlan>& running_;
  const std::vector<RunGroup> groups_;
};

// Step 4.
std::optional<CompactionPlan> PickForTombstones(const TieredPlans& plans,
                                                SequenceNumber droppable_before) {
  const auto& groups = plans.groups();
  uint64_t entries_beneath = 0;
  for (size_t i = groups.size(); i-- > 0;) {
    uint64_t entries = 0, deletes = 0;
    bool range_deletes = false;
    for (const SortedRun* run : groups[i].runs) {
      for (const auto& segment : run->segments()) {
        const SegmentEntry& entry = segment->entry();
        entries += entry.entries;
        if (entry.smallest_sequence >= droppable_before) continue;
        deletes += entry.deletes;
        range_deletes = range_deletes || (entry.flags & kHasRangeDeletes) != 0;
        // Only where none can be left, or the same would be done for ever.
        if (ManyTombstones(entry) && entry.largest_sequence < droppable_before &&
            !plans.AnythingOlder(i, KeyRange::Of(*segment))) {
          auto plan = plans.Rewrite(i, *segment, CompactionReason::kTombstones);
          if (plan) return plan;
        }
      }
    }
    const bool many =
        deletes >= kTombstonesMin && deletes >= entries_beneath / kEntriesPerTombstone;
    if (entries_beneath > 0 && (many || range_deletes)) {
      auto plan = plans.MergeAll(i, groups.size(), CompactionReason::kTombstones);
      if (plan) return plan;
    }
    entries_beneath += entries;
  }
  return std::nullopt;
}

// Step 5. Each segment once: the rewrite leaves nothing hidden.
std::optional<CompactionPlan> PickForHidden(const TieredPlans& plans,
                                            SequenceNumber droppable_before) {
  for (size_t i = 0; i < plans.groups().size(); ++i) {
    for (const SortedRun* run : plans.groups()[i].runs) {
      for (const auto& segment : run->segments()) {
        const SegmentEntry& entry = segment->entry();
        if (!ManyHidden(entry) || entry.largest_sequence >= droppable_before ||
            plans.AnythingOlder(i, KeyRange::Of(*segment))) {
          continue;
        }
        auto plan = plans.Rewrite(i, *segment, CompactionReason::kSpaceAmplification);
        if (!plan) continue;
        plan->score = static_cast<double>(entry.hidden) / static_cast<double>(entry.entries);
        return plan;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<RunWindow> ChooseRuns(const std::vector<RunSize>& runs,
                                    const PickerOptions& options) {
  if (runs.size() < 2) return std::nullopt;
  const size_t oldest = runs.size() - 1;

  const double space_percent = 100.0 * static_cast<double>(SumBytes(runs, 0, oldest)) /
                               static_cast<double>(std::max<uint64_t>(1, runs[oldest].bytes));
  if (space_percent > options.tiered_space_percent_max) {
    const size_t from = IdleSince(runs, runs.size());
    if (runs.size() - from >= 2) {
      return RunWindow{from, runs.size(), CompactionReason::kSpaceAmplification,
                       space_percent / options.tiered_space_percent_max};
    }
  }
  if (runs.size() < options.tiered_runs_trigger) return std::nullopt;

  const double score =
      static_cast<double>(runs.size()) / static_cast<double>(options.tiered_runs_trigger);
  std::optional<RunWindow> best;
  double best_cost = 0;
  const auto offer = [&](size_t from, size_t to, uint64_t bytes, CompactionReason reason) {
    const double cost = static_cast<double>(bytes) / static_cast<double>(to - from - 1);
    if (best && cost >= best_cost) return;
    best = RunWindow{from, to, reason, score};
    best_cost = cost;
  };
  for (size_t from = 0; from < runs.size(); ++from) {
    if (!runs[from].idle) continue;
    uint64_t bytes = runs[from].bytes;
    size_t to = from + 1;
    for (; to < runs.size() && runs[to].idle && runs[to].bytes <= kSizeRatio * bytes; ++to) {
      bytes += runs[to].bytes;
    }
    if (to - from >= 2) offer(from, to, bytes, CompactionReason::kSizeRatio);
  }
  if (best) return best;

  const size_t width = std::min(runs.size(), runs.size() - options.tiered_runs_trigger + 2);
  for (size_t to = width; to <= runs.size(); ++to) {
    const size_t from = std::max(to - width, IdleSince(runs, to));
    if (to - from >= 2) offer(from, to, SumBytes(runs, from, to), CompactionReason::kRuns);
  }
  return best;
}

std::optional<CompactionPlan> TieredPicker::Pick(const Version& version, const BusySegments& busy,
                                                 const std::vector<CompactionPlan>& running,
                                                 SequenceNumber droppable_before) const {
  if (!automatic_) return std::nullopt;
  const TieredPlans plans(options_, comparator_, version, busy, running);
  const auto window = ChooseRuns(Sizes(plans.groups(), busy), options_);
  if (window) {
    auto plan = plans.MergeAll(window->from, window->to, window->reason);
    if (plan) {
      plan->score = window->score;
      return plan;
    }
  }
  if (auto plan = PickForTombstones(plans, droppable_before); plan) {
    plan->score = 1;
    return plan;
  }
  return PickForHidden(plans, droppable_before);
}

std::optional<CompactionPlan> TieredPicker::PickExpired(const Version& version,
                                                        const BusySegments& busy,
                                                        const std::vector<CompactionPlan>& running,
                                                        uint64_t now_ms) const {
  const TieredPlans plans(options_, comparator_, version, busy, running);
  for (size_t i = plans.groups().size(); i-- > 0;) {  // the oldest first
    for (const SortedRun* run : plans.groups()[i].runs) {
      for (const auto& segment : run->segments()) {
        if (ExpiryGarbageFrom(segment->entry()) > now_ms) continue;
        std::optional<CompactionPlan> plan;
        if (plans.AnythingOlder(i, KeyRange::Of(*segment))) {
          const std::set<FileNumber> numbers = plans.Overlapped(i, *segment);
          plan = plans.Merge(
              i, plans.groups().size(), CompactionReason::kExpired,
              [&](const SegmentFile& other) { return numbers.count(other.number()) != 0; });
        } else {
          plan = plans.Rewrite(i, *segment, CompactionReason::kExpired);
        }
        if (!plan) continue;
        plan->score = 1;
        return plan;
      }
    }
  }
  return std::nullopt;
}

// What is in the range and lies over something older is merged with all that hangs together with
// it, from its run on; afterwards nothing older lies beneath, which only ever comes true for more
// segments. Then what is old enough is rewritten, each segment once. So it ends.
std::optional<CompactionPlan> TieredPicker::PickManual(const Version& version,
                                                       const BusySegments& busy,
                                                       const std::vector<CompactionPlan>& running,
                                                       const ManualCompaction& manual,
                                                       bool* blocked) const {
  *blocked = false;
  const TieredPlans plans(options_, comparator_, version, busy, running);
  for (size_t i = 0; i < plans.groups().size(); ++i) {
    for (const SortedRun* run : plans.groups()[i].runs) {
      for (const auto& segment : run->segments()) {
        if (!manual.InRange(comparator_, *segment)) continue;
        std::optional<CompactionPlan> plan;
        if (plans.AnythingOlder(i, KeyRange::Of(*segment))) {
          if (segment->entry().smallest_sequence >= manual.sequence_before) continue;
          const std::set<FileNumber> numbers = plans.Overlapped(i, *segment);
          plan = plans.Merge(
              i, plans.groups().size(), CompactionReason::kManual,
              [&](const SegmentFile& other) { return numbers.count(other.number()) != 0; });
        } else {
          if (segment->number() >= manual.rewrite_before) continue;
          plan = plans.Rewrite(i, *segment, CompactionReason::kManual);
        }
        if (plan) return plan;
        *blocked = true;
      }
    }
  }
  return std::nullopt;
}

uint64_t TieredPicker::DebtBytes(const Version& version) const {
  if (!automatic_) return 0;
  std::vector<RunSize> runs = Sizes(Groups(version), {});
  uint64_t debt = 0;
  while (const auto window = ChooseRuns(runs, options_)) {
    const uint64_t bytes = SumBytes(runs, window->from, window->to);
    debt += bytes;
    runs[window->from].bytes = bytes;
    runs.erase(runs.begin() + window->from + 1, runs.begin() + window->to);
  }
  return debt;
}

}  // namespace varve
