#include <algorithm>

#include "db/key_range.h"
#include "db/level_plans.h"
#include "db/leveled_picker.h"

// Manual compactions in levels: what is in the range sinks level by level to the last one, then
// what of that is old enough is rewritten. Each step brings something of the range deeper, or gives
// a segment of the last level a higher number, so it ends.

namespace varve {

std::optional<CompactionPlan> LeveledPicker::PickManual(const Version& version,
                                                        const BusySegments& busy,
                                                        const std::vector<CompactionPlan>& running,
                                                        const ManualCompaction& manual,
                                                        bool* blocked) const {
  *blocked = false;
  const LevelPlans plans(options_, comparator_, version, busy, running);
  const uint32_t last_level = plans.targets().last_level;
  const auto finished = [](std::optional<CompactionPlan> plan) {
    plan->reason = CompactionReason::kManual;
    return plan;
  };
  for (const auto& run : version.runs()) {
    const SegmentList& segments = run->segments();
    for (size_t i = 0; i < segments.size(); ++i) {
      const SegmentFile& segment = *segments[i];
      if (!manual.InRange(comparator_, segment)) continue;
      std::optional<CompactionPlan> plan;
      if (run->level() < last_level) {
        if (segment.entry().smallest_sequence >= manual.sequence_before) continue;
        plan = run->level() == 0 ? plans.SinkFromLevel0(segment)
                                 : plans.Sink(*run, i, /*rewrite_tombstones=*/true);
      } else {
        const auto wanted = [&](size_t at) {
          return segments[at]->number() < manual.rewrite_before &&
                 manual.InRange(comparator_, *segments[at]) && !plans.Busy(*segments[at]);
        };
        if (segment.number() >= manual.rewrite_before) continue;
        size_t count = 1;
        uint64_t bytes = segment.file_bytes();
        while (i + count < segments.size() && wanted(i + count)) {
          bytes += segments[i + count]->file_bytes();
          if (bytes > options_.compaction_bytes_max()) break;
          ++count;
        }
        plan = plans.Rewrite(*run, i, count);
      }
      if (plan) return finished(std::move(plan));
      *blocked = true;
    }
  }
  return std::nullopt;
}

}  // namespace varve
