#ifndef VARVE_DB_GHOST_COVER_H_
#define VARVE_DB_GHOST_COVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "db/age_place.h"
#include "db/ghost.h"
#include "db/version.h"
#include "util/internal_key.h"
#include "varve/slice.h"

namespace varve {

// Which ghosts stand above each of the sources that are merged into one cursor: what a user's
// iterator and a compaction ask for the entry they are at (RULES R2.4, R2.6). The sources are the
// children of a MergingIterator, by their number.
//
// Keeps the version, and so the ghosts. Not thread-safe.
class GhostCover {
 public:
  GhostCover(const InternalKeyComparator& comparator, std::shared_ptr<const Version> version)
      : comparator_(comparator), version_(std::move(version)) {}

  // The next child: of memory, which is newer than any ghost, or at this place.
  void AddMemtable() { above_.push_back(0); }
  void Add(AgePlace place);
  // Whether there is a ghost above any child.
  bool any() const { return any_; }

  // Whether a ghost above the child accepts the key: what the child says of it does not count.
  bool Hides(size_t child, Slice user_key) const {
    return above_[child] != 0 && AnyAccepts(above_[child], user_key);
  }

 private:
  bool AnyAccepts(size_t ghosts, Slice user_key) const;

  const InternalKeyComparator comparator_;
  const std::shared_ptr<const Version> version_;
  std::vector<size_t>
      above_;  // of each child, so many of the ghosts, the newest, are newer than it
  bool any_ = false;
};

}  // namespace varve

#endif  // VARVE_DB_GHOST_COVER_H_
