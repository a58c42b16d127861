#ifndef VARVE_DB_LEVEL_TARGETS_H_
#define VARVE_DB_LEVEL_TARGETS_H_

#include <cstdint>
#include <vector>

#include "db/compaction_picker.h"
#include "db/version.h"

namespace varve {

// The deepest level of the leveled style: everything ends there.
inline constexpr uint32_t kLastLevel = 6;

// How large each level should be. The last one is as large as its data; each level above it gets
// the size of the one below divided by the size ratio, but level_base_bytes at least, up to the
// *base level*, the first that is no larger than twice level_base_bytes. Level 0 is merged into the
// base level; the levels between stay empty.
//
// So what lies above the last level is a ninth of it, however large it is. Fixed targets from the
// top down leave the last level half empty most of the time, and with it much room to garbage.
// A base level that shrinks below level_base_bytes as the tree gets a further level would be
// rewritten for little each time (docs/compaction.md has the figures).
struct LevelTargets {
  LevelTargets(const Version& version, const PickerOptions& options);

  // Whether a level that is none of ours, above the base level, should be emptied.
  bool Unwanted(uint32_t level) const { return level != 0 && level < base_level; }
  // Of a level from the base level to the one above the last; the last has none.
  uint64_t Bytes(uint32_t level) const { return bytes[level - base_level]; }

  uint32_t base_level = kLastLevel;
  uint32_t last_level = kLastLevel;
  std::vector<uint64_t> bytes;  // from the base level on
};

}  // namespace varve

#endif  // VARVE_DB_LEVEL_TARGETS_H_
