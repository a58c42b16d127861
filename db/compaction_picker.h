#ifndef VARVE_DB_COMPACTION_PICKER_H_
#define VARVE_DB_COMPACTION_PICKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "db/compaction_plan.h"
#include "db/live_options.h"
#include "varve/options.h"

namespace varve {

// What pickers are told: the options of the same names (varve/options.h), as they stand now.
struct PickerOptions {
  PickerOptions() : PickerOptions(Options()) {}
  explicit PickerOptions(const Options& options);

  uint64_t segment_bytes;
  size_t level0_runs_trigger;
  uint64_t level_base_bytes;
  uint32_t level_size_ratio;
  size_t tiered_runs_trigger;
  uint32_t tiered_space_percent_max;
  bool cache;  // all segments stay in level 0

  // A compaction is not widened beyond so many bytes of input.
  uint64_t compaction_bytes_max() const { return 25 * segment_bytes; }
  // An output that overlaps more than that of the level below is cut: see CompactionPlan.
  uint64_t grandparent_bytes_max() const { return 2 * level_size_ratio * segment_bytes; }
};

// The picker of the style, for keys in this order.
std::unique_ptr<CompactionPicker> NewCompactionPicker(CompactionStyle style,
                                                      const PickerOptions& options,
                                                      const InternalKeyComparator& comparator);

// How many sorted runs compactions have to merge, and what that means to writers. Runs of one epoch
// that tiered compactions merge as one count as one: what no compaction would make fewer, nobody
// should wait for.
struct RunPressure {
  size_t runs = 0;
  size_t trigger = SIZE_MAX;   // from here on a compaction is wanted
  size_t slowdown = SIZE_MAX;  // from here on writers are slowed
  size_t stop = SIZE_MAX;      // from here on writers wait
};
RunPressure RunPressureOf(const Version& version, CompactionStyle style,
                          const PickerOptions& options);

}  // namespace varve

#endif  // VARVE_DB_COMPACTION_PICKER_H_
