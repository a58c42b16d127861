#include "db/leveled_picker.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "db/garbage.h"
#include "db/key_range.h"
#include "db/level_plans.h"
#include "db/level_targets.h"

namespace varve {

namespace {

// Of the last level's bytes, one in so many may lie above it when the database is at rest.
constexpr uint64_t kSpaceShare = 16;

struct Score {
  uint32_t level;
  double value;
};

double Ratio(uint64_t a, uint64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

double Level0Score(size_t runs, uint64_t bytes, const PickerOptions& options) {
  return std::max(Ratio(runs, options.level0_runs_trigger), Ratio(bytes, options.level_base_bytes));
}

// Those of 1 and more, the highest first.
std::vector<Score> Scores(const Version& version, const LevelPlans& plans,
                          const PickerOptions& options) {
  const LevelTargets& targets = plans.targets();
  const auto idle_bytes = [&](const SortedRun& run) {
    uint64_t bytes = 0;
    for (const auto& segment : run.segments()) {
      if (!plans.Busy(*segment)) bytes += segment->file_bytes();
    }
    return bytes;
  };
  std::vector<Score> scores;
  size_t level0_runs = 0;
  uint64_t level0_bytes = 0;
  for (const auto& run : version.runs()) {
    if (run->level() >= targets.last_level) break;  // most segments are there, and it has no score
    const uint64_t bytes = idle_bytes(*run);
    if (bytes == 0) continue;
    if (run->level() == 0) {
      ++level0_runs;
      level0_bytes += bytes;
    } else if (targets.Unwanted(run->level())) {
      scores.push_back({run->level(), 1 + Ratio(bytes, options.level_base_bytes)});
    } else {
      scores.push_back({run->level(), Ratio(bytes, targets.Bytes(run->level()))});
    }
  }
  scores.push_back({0, Level0Score(level0_runs, level0_bytes, options)});
  std::erase_if(scores, [](const Score& score) { return score.value < 1; });
  std::stable_sort(scores.begin(), scores.end(),
                   [](const Score& a, const Score& b) { return a.value > b.value; });
  return scores;
}

// The run's idle segments by how little of the next level they overlap for each of their bytes; of
// equals the one with the oldest entry first.
std::vector<size_t> ByOverlap(const InternalKeyComparator& comparator, const Version& version,
                              const LevelPlans& plans, const SortedRun& run) {
  const SortedRun* const below = version.level(run.level() + 1);
  std::vector<size_t> order;
  std::vector<double> overlap(run.segments().size());
  for (size_t i = 0; i < overlap.size(); ++i) {
    const SegmentFile& segment = *run.segments()[i];
    if (plans.Busy(segment)) continue;
    order.push_back(i);
    if (below == nullptr) continue;
    const auto found = Overlapping(comparator, *below, KeyRange::Of(segment));
    overlap[i] = Ratio(FileBytes(found), std::max<uint64_t>(1, segment.file_bytes()));
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (overlap[a] != overlap[b]) return overlap[a] < overlap[b];
    return run.segments()[a]->entry().smallest_sequence <
           run.segments()[b]->entry().smallest_sequence;
  });
  return order;
}

// Step 4. Each step brings tombstones a level deeper or rewrites them away, so this ends.
std::optional<CompactionPlan> PickForTombstones(const Version& version, const LevelPlans& plans,
                                                SequenceNumber droppable_before) {
  for (auto run = version.runs().rbegin(); run != version.runs().rend(); ++run) {
    for (size_t i = 0; i < (*run)->segments().size(); ++i) {
      const SegmentFile& segment = *(*run)->segments()[i];
      if (plans.Busy(segment) || !ManyTombstones(segment.entry())) continue;
      std::optional<CompactionPlan> plan;
      if (!plans.AnythingOlder(**run, KeyRange::Of(segment))) {
        // Only when none can be left, or the same would be done for ever.
        if (segment.entry().largest_sequence < droppable_before) plan = plans.Rewrite(**run, i, 1);
      } else if (segment.entry().smallest_sequence < droppable_before) {
        plan = (*run)->level() == 0 ? plans.SinkFromLevel0(segment) : plans.Sink(**run, i);
      }
      if (plan) return plan;
    }
  }
  return std::nullopt;
}

// Step 5. From the deepest level above the last, where a byte costs least; level 0 comes last.
std::optional<CompactionPlan> PickForSpace(const InternalKeyComparator& comparator,
                                           const Version& version, const LevelPlans& plans) {
  const uint64_t last = version.level_bytes(plans.targets().last_level);
  const uint64_t above = version.file_bytes() - last;
  const uint64_t allowed = last / kSpaceShare;
  if (last == 0 || above <= allowed) return std::nullopt;
  std::optional<CompactionPlan> plan;
  for (size_t i = version.runs().size(); i-- > version.level0_runs() && !plan;) {
    const SortedRun& run = *version.runs()[i];
    if (run.level() == plans.targets().last_level) continue;
    for (const size_t at : ByOverlap(comparator, version, plans, run)) {
      plan = plans.Sink(run, at);
      if (plan) break;
    }
  }
  if (!plan) plan = plans.SinkLevel0();
  if (plan) plan->score = 1 - Ratio(allowed, above);
  return plan;
}

// Step 6. Each segment once: the rewrite leaves nothing hidden.
std::optional<CompactionPlan> PickForHidden(const Version& version, const LevelPlans& plans,
                                            SequenceNumber droppable_before) {
  for (const auto& run : version.runs()) {
    for (size_t i = 0; i < run->segments().size(); ++i) {
      const SegmentFile& segment = *run->segments()[i];
      const SegmentEntry& entry = segment.entry();
      if (!ManyHidden(entry) || entry.largest_sequence >= droppable_before || plans.Busy(segment) ||
          plans.AnythingOlder(*run, KeyRange::Of(segment))) {
        continue;
      }
      std::optional<CompactionPlan> plan = plans.Rewrite(*run, i, 1);
      if (!plan) continue;
      plan->score = Ratio(entry.hidden, entry.entries);
      return plan;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<CompactionPlan> LeveledPicker::Pick(const Version& version, const BusySegments& busy,
                                                  const std::vector<CompactionPlan>& running,
                                                  SequenceNumber droppable_before) const {
  if (!automatic_) return std::nullopt;
  const LevelPlans plans(options_, comparator_, version, busy, running);
  bool level0_waits = false;
  for (const Score& score : Scores(version, plans, options_)) {
    std::optional<CompactionPlan> plan;
    CompactionReason reason = CompactionReason::kLevelBytes;
    if (score.level == 0) {
      reason = CompactionReason::kLevel0Runs;
      plan = plans.SinkLevel0();
      level0_waits = !plan;
      if (!plan && version.level0_runs() >= options_.level0_runs_trigger + 2) {
        plan = plans.MergeInLevel0();
      }
    } else if (!(level0_waits && score.level == plans.targets().base_level)) {
      const SortedRun& run = *version.level(score.level);
      for (const size_t i : ByOverlap(comparator_, version, plans, run)) {
        plan = plans.Sink(run, i);
        if (plan) break;
      }
    }
    if (!plan) continue;
    plan->reason = reason;
    plan->score = score.value;
    return plan;
  }
  if (level0_waits) return std::nullopt;
  std::optional<CompactionPlan> plan = PickForTombstones(version, plans, droppable_before);
  if (plan) {
    plan->reason = CompactionReason::kTombstones;
    plan->score = 1;
    return plan;
  }
  plan = PickForSpace(comparator_, version, plans);
  if (!plan) plan = PickForHidden(version, plans, droppable_before);
  if (plan) plan->reason = CompactionReason::kSpaceAmplification;
  return plan;
}

std::optional<CompactionPlan> LeveledPicker::PickExpired(const Version& version,
                                                         const BusySegments& busy,
                                                         const std::vector<CompactionPlan>& running,
                                                         uint64_t now_ms) const {
  if (!automatic_) return std::nullopt;
  const LevelPlans plans(options_, comparator_, version, busy, running);
  // The deepest first: what lies above finds less beneath.
  for (auto run = version.runs().rbegin(); run != version.runs().rend(); ++run) {
    for (size_t i = 0; i < (*run)->segments().size(); ++i) {
      const SegmentFile& segment = *(*run)->segments()[i];
      if (ExpiryGarbageFrom(segment.entry()) > now_ms || plans.Busy(segment)) continue;
      std::optional<CompactionPlan> plan;
      if (!plans.AnythingOlder(**run, KeyRange::Of(segment))) {
        plan = plans.Rewrite(**run, i, 1);
      } else {
        plan = (*run)->level() == 0 ? plans.SinkFromLevel0(segment) : plans.Sink(**run, i);
      }
      if (!plan) continue;
      plan->reason = CompactionReason::kExpired;
      plan->score = 1;
      return plan;
    }
  }
  return std::nullopt;
}

uint64_t LeveledPicker::DebtBytes(const Version& version) const {
  const LevelTargets targets(version, options_);
  const uint64_t level0_bytes = version.level_bytes(0);
  uint64_t debt = 0;
  // What sinks into the level looked at, over and above what it has.
  uint64_t sinking = 0;
  if (Level0Score(version.level0_runs(), level0_bytes, options_) >= 1) {
    debt += level0_bytes + version.level_bytes(targets.base_level);
    sinking = level0_bytes;
  }
  for (uint32_t level = targets.base_level; level < targets.last_level; ++level) {
    const uint64_t bytes = version.level_bytes(level) + sinking;
    sinking = bytes > targets.Bytes(level) ? bytes - targets.Bytes(level) : 0;
    // Each byte that sinks meets its share of the next level.
    if (sinking > 0) {
      debt += static_cast<uint64_t>(static_cast<double>(sinking) *
                                    (1 + Ratio(version.level_bytes(level + 1), bytes)));
    }
  }
  return debt;
}

}  // namespace varve
