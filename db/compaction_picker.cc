#include "db/compaction_picker.h"

#include "db/leveled_picker.h"
#include "db/tiered_picker.h"
#include "db/time_picker.h"

namespace varve {

PickerOptions::PickerOptions(const Options& options)
    : segment_bytes(options.segment_bytes),
      level0_runs_trigger(options.level0_runs_trigger),
      level_base_bytes(options.level_base_bytes),
      level_size_ratio(options.level_size_ratio),
      tiered_runs_trigger(options.tiered_runs_trigger),
      tiered_space_percent_max(options.tiered_space_percent_max),
      cache(options.cache()) {}

std::unique_ptr<CompactionPicker> NewCompactionPicker(CompactionStyle style,
                                                      const PickerOptions& options,
                                                      const InternalKeyComparator& comparator) {
  if (style == CompactionStyle::kByTime) return std::make_unique<TimePicker>(options, comparator);
  if (style == CompactionStyle::kTiered || options.cache) {
    return std::make_unique<TieredPicker>(options, comparator, style == CompactionStyle::kTiered);
  }
  return std::make_unique<LeveledPicker>(options, comparator, style == CompactionStyle::kLeveled);
}

RunPressure RunPressureOf(const Version& version, CompactionStyle style,
                          const PickerOptions& options) {
  RunPressure pressure;
  switch (style) {
    case CompactionStyle::kLeveled:
      pressure.runs = version.level0_runs();
      pressure.trigger = options.level0_runs_trigger;
      break;
    case CompactionStyle::kTiered:
      pressure.runs = version.sources();
      pressure.trigger = options.tiered_runs_trigger;
      break;
    case CompactionStyle::kNone:
    case CompactionStyle::kByTime:
      return pressure;  // nothing would end a wait
  }
  pressure.slowdown = 5 * pressure.trigger;
  pressure.stop = 9 * pressure.trigger;
  return pressure;
}

}  // namespace varve
