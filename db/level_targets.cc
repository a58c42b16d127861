#include "db/level_targets.h"

#include <algorithm>

namespace varve {

LevelTargets::LevelTargets(const Version& version, const PickerOptions& options) {
  // A database of another style, or of a later build, may reach deeper.
  last_level = std::max(kLastLevel, version.deepest_level());
  // While the last level is being filled, one above it may be the largest: what is there will sink.
  uint64_t largest = 0;
  for (size_t i = version.level0_runs(); i < version.runs().size(); ++i) {
    largest = std::max(largest, version.runs()[i]->file_bytes());
  }
  base_level = last_level;
  bytes.push_back(largest);
  while (base_level > 1 && bytes.back() > 2 * options.level_base_bytes) {
    bytes.push_back(std::max(bytes.back() / options.level_size_ratio, options.level_base_bytes));
    --base_level;
  }
  std::reverse(bytes.begin(), bytes.end());
}

}  // namespace varve
