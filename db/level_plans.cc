#include "db/level_plans.h"

#include <algorithm>
#include <set>
#include <utility>

#include "db/garbage.h"
#include "db/plan_conflicts.h"

namespace varve {

namespace {

// Fewer runs are not worth a merge that brings nothing down.
constexpr size_t kMergeInLevel0RunsMin = 4;

void AddInput(CompactionPlan* plan, uint32_t level, SegmentList segments) {
  if (!segments.empty()) plan->inputs.push_back({level, std::move(segments)});
}

SegmentList ToList(std::span<const std::shared_ptr<SegmentFile>> segments) {
  return {segments.begin(), segments.end()};
}

}  // namespace

LevelPlans::LevelPlans(const PickerOptions& options, const InternalKeyComparator& comparator,
                       const Version& version, const BusySegments& busy,
                       const std::vector<CompactionPlan>& running)
    : options_(options),
      comparator_(comparator),
      version_(version),
      busy_(busy),
      running_(running),
      targets_(version, options) {}

bool LevelPlans::AnythingOlder(const SortedRun& run, const KeyRange& range) const {
  const AgePlace place = AgePlace::Of(*run.segments().front());
  return std::any_of(version_.runs().begin(), version_.runs().end(), [&](const auto& other) {
    return AgePlace::Of(*other->segments().front()) > place &&
           !Overlapping(comparator_, *other, range).empty();
  });
}

bool LevelPlans::WouldDropTombstones(const SortedRun& run, const SegmentFile& segment) const {
  return ManyTombstones(segment.entry()) && !AnythingOlder(run, KeyRange::Of(segment));
}

std::vector<SegmentList> LevelPlans::Sinkable(const Wanted& wanted) const {
  const auto& runs = version_.runs();
  const size_t count = version_.level0_runs();
  std::vector<SegmentList> chosen(count);
  std::set<FileNumber> numbers;
  for (size_t i = 0; i < count; ++i) {
    for (const auto& segment : runs[i]->segments()) {
      if (Busy(*segment) || !wanted(*segment)) continue;
      chosen[i].push_back(segment);
      numbers.insert(segment->number());
    }
  }
  // Oldest first, so that one pass does unless runs share an epoch.
  const auto passes_one = [&](size_t i, const SegmentFile& segment) {
    for (size_t j = 0; j < count; ++j) {
      if (j == i || runs[j]->epoch() > runs[i]->epoch()) continue;
      for (const auto& older : Overlapping(comparator_, *runs[j], KeyRange::Of(segment))) {
        if (numbers.count(older->number()) == 0) return true;
      }
    }
    return false;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = count; i-- > 0;) {
      std::erase_if(chosen[i], [&](const auto& segment) {
        if (!passes_one(i, *segment)) return false;
        numbers.erase(segment->number());
        changed = true;
        return true;
      });
    }
  }
  return chosen;
}

std::optional<CompactionPlan> LevelPlans::SinkLevel0(std::vector<SegmentList> chosen) const {
  CompactionPlan plan;
  std::vector<KeyRange> ranges;
  for (const SegmentList& segments : chosen) {
    for (const auto& segment : segments) ranges.push_back(KeyRange::Of(*segment));
  }
  if (ranges.empty()) return std::nullopt;
  std::sort(ranges.begin(), ranges.end(), [this](const KeyRange& a, const KeyRange& b) {
    return comparator_.CompareUserKeys(a.smallest, b.smallest) < 0;
  });
  bool disjoint = true;
  KeyRange range = ranges.front();
  for (size_t i = 1; i < ranges.size(); ++i) {
    disjoint = disjoint && range.IsBefore(comparator_, ranges[i]);
    range.Add(comparator_, ranges[i]);
  }
  const bool tombstones = std::any_of(chosen.begin(), chosen.end(), [](const SegmentList& list) {
    return std::any_of(list.begin(), list.end(),
                       [](const auto& s) { return ManyTombstones(s->entry()); });
  });

  for (SegmentList& segments : chosen) AddInput(&plan, 0, std::move(segments));
  const size_t level0_inputs = plan.inputs.size();
  plan.output_level = targets_.base_level;
  bool older = false;
  for (size_t i = version_.level0_runs(); i < version_.runs().size(); ++i) {
    const SortedRun& run = *version_.runs()[i];
    const auto found = Overlapping(comparator_, run, range);
    older = older || !found.empty();
    if (run.level() > targets_.base_level || found.empty()) continue;
    range.Add(comparator_, *RangeOf(comparator_, found));
    AddInput(&plan, run.level(), ToList(found));
  }
  plan.trivial_move = disjoint && plan.inputs.size() == level0_inputs && !(tombstones && !older);
  return Finish(std::move(plan));
}

std::optional<CompactionPlan> LevelPlans::SinkLevel0() const {
  std::vector<SegmentList> all = Sinkable([](const SegmentFile&) { return true; });
  std::optional<CompactionPlan> plan = SinkLevel0(all);
  if (plan && (plan->trivial_move || plan->input_bytes() <= options_.compaction_bytes_max())) {
    return plan;
  }

  // Slice by slice of the oldest run, as long as the slices are enough smaller to be worth it.
  const auto oldest =
      std::find_if(all.rbegin(), all.rend(), [](const SegmentList& list) { return !list.empty(); });
  if (oldest == all.rend() || oldest->size() == 1) return plan;
  std::optional<CompactionPlan> best;
  const SegmentList seeds = *oldest;
  for (size_t from = 0; from < seeds.size() && !best; ++from) {
    KeyRange range = KeyRange::Of(*seeds[from]);
    for (size_t to = from; to < seeds.size(); ++to) {
      range.Add(comparator_, KeyRange::Of(*seeds[to]));
      std::optional<CompactionPlan> slice = SinkLevel0(Sinkable([&](const SegmentFile& segment) {
        return range.Contains(comparator_, KeyRange::Of(segment));
      }));
      if (!slice) break;
      const bool too_large = slice->input_bytes() > options_.compaction_bytes_max();
      if (!best || !too_large) best = std::move(slice);
      if (too_large) break;
    }
  }
  return best ? best : plan;
}

std::optional<CompactionPlan> LevelPlans::SinkFromLevel0(const SegmentFile& segment) const {
  const size_t count = version_.level0_runs();
  std::set<FileNumber> numbers{segment.number()};
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < count; ++i) {
      for (const auto& taken : version_.runs()[i]->segments()) {
        if (numbers.count(taken->number()) == 0) continue;
        for (size_t j = 0; j < count; ++j) {
          const SortedRun& older = *version_.runs()[j];
          if (j == i || older.epoch() > version_.runs()[i]->epoch()) continue;
          for (const auto& met : Overlapping(comparator_, older, KeyRange::Of(*taken))) {
            changed = numbers.insert(met->number()).second || changed;
          }
        }
      }
    }
  }
  std::vector<SegmentList> chosen(count);
  for (size_t i = 0; i < count; ++i) {
    for (const auto& taken : version_.runs()[i]->segments()) {
      if (numbers.count(taken->number()) != 0) chosen[i].push_back(taken);
    }
  }
  return SinkLevel0(std::move(chosen));
}

std::optional<CompactionPlan> LevelPlans::MergeInLevel0() const {
  const auto& runs = version_.runs();
  const auto idle = [&](const SortedRun& run) {
    return std::none_of(run.segments().begin(), run.segments().end(),
                        [&](const auto& segment) { return Busy(*segment); });
  };
  size_t from = 0;
  while (from < version_.level0_runs() && !idle(*runs[from])) ++from;
  // Take the next older one as long as it makes a run less cheaper: large runs, of merges before,
  // stay out, so that no byte is merged here again and again.
  size_t to = from;
  uint64_t bytes = 0;
  for (; to < version_.level0_runs() && idle(*runs[to]); ++to) {
    const uint64_t with = bytes + runs[to]->file_bytes();
    if (to - from >= 2 && with / (to - from) > bytes / (to - from - 1)) break;
    if (with > options_.level_base_bytes) break;
    bytes = with;
  }
  // Runs of one epoch go together.
  while (to > from && to < version_.level0_runs() && runs[to]->epoch() == runs[to - 1]->epoch()) {
    --to;
  }
  if (to - from < kMergeInLevel0RunsMin) return std::nullopt;
  CompactionPlan plan;
  for (size_t i = from; i < to; ++i) AddInput(&plan, 0, runs[i]->segments());
  plan.output_level = 0;
  return Finish(std::move(plan));
}

std::optional<CompactionPlan> LevelPlans::Sink(const SortedRun& run, size_t index,
                                               bool rewrite_tombstones) const {
  const SegmentFile& segment = *run.segments()[index];
  const uint32_t next = run.level() + 1;
  const SortedRun* const below = version_.level(next);
  const auto below_of = [&](const KeyRange& range) {
    return below == nullptr ? std::span<const std::shared_ptr<SegmentFile>>()
                            : Overlapping(comparator_, *below, range);
  };
  KeyRange range = KeyRange::Of(segment);
  const auto older = below_of(range);

  CompactionPlan plan;
  plan.output_level = next;
  if (older.empty()) {
    AddInput(&plan, run.level(), {run.segments()[index]});
    plan.trivial_move = !(rewrite_tombstones && WouldDropTombstones(run, segment));
    return Finish(std::move(plan));
  }
  // Neighbours that overlap nothing more below come along: what is below is written only once.
  size_t first = index, last = index;
  uint64_t bytes = segment.file_bytes() + FileBytes(older);
  const auto take = [&](size_t i) {
    const SegmentFile& neighbour = *run.segments()[i];
    if (Busy(neighbour) || bytes + neighbour.file_bytes() > options_.compaction_bytes_max()) {
      return false;
    }
    KeyRange wider = range;
    wider.Add(comparator_, KeyRange::Of(neighbour));
    if (below_of(wider).size() != older.size()) return false;
    range = wider;
    bytes += neighbour.file_bytes();
    return true;
  };
  while (first > 0 && take(first - 1)) --first;
  while (last + 1 < run.segments().size() && take(last + 1)) ++last;
  AddInput(&plan, run.level(), {run.segments().begin() + first, run.segments().begin() + last + 1});
  AddInput(&plan, next, ToList(older));
  return Finish(std::move(plan));
}

std::optional<CompactionPlan> LevelPlans::Rewrite(const SortedRun& run, size_t index,
                                                  size_t count) const {
  CompactionPlan plan;
  plan.output_level = run.level();
  AddInput(&plan, run.level(),
           {run.segments().begin() + index, run.segments().begin() + index + count});
  return Finish(std::move(plan));
}

std::optional<CompactionPlan> LevelPlans::Finish(CompactionPlan plan) const {
  std::optional<KeyRange> range;
  for (const CompactionInput& input : plan.inputs) {
    const KeyRange keys = *RangeOf(comparator_, input.segments);
    if (range) {
      range->Add(comparator_, keys);
    } else {
      range = keys;
    }
    for (const auto& segment : input.segments) {
      plan.output_epoch = std::max(plan.output_epoch, segment->entry().epoch);
    }
  }
  if (!range) return std::nullopt;
  plan.segment_bytes = options_.segment_bytes;
  // The outputs' own next step: from level 0 that is the base level.
  const uint32_t grandparent = plan.output_level == 0 ? targets_.base_level : plan.output_level + 1;
  if (const SortedRun* const run = version_.level(grandparent); run != nullptr) {
    plan.grandparents = ToList(Overlapping(comparator_, *run, *range));
    plan.grandparent_bytes_max = options_.grandparent_bytes_max();
    for (const CompactionInput& input : plan.inputs) {
      for (const auto& segment : input.segments) {
        if (!plan.trivial_move) break;
        const auto met = Overlapping(comparator_, *run, KeyRange::Of(*segment));
        plan.trivial_move = FileBytes(met) <= plan.grandparent_bytes_max;
      }
    }
  }
  if (PlanConflicts(comparator_, version_, busy_, running_, plan)) return std::nullopt;
  return plan;
}

}  // namespace varve
