#include "db/ghost_cover.h"

#include <algorithm>

#include "util/hash.h"

namespace varve {

void GhostCover::Add(AgePlace place) {
  const GhostList& ghosts = version_->ghosts();
  const auto first = std::partition_point(
      ghosts.begin(), ghosts.end(), [&](const auto& ghost) { return ghost->place() < place; });
  above_.push_back(static_cast<size_t>(first - ghosts.begin()));
  any_ = any_ || above_.back() != 0;
}

bool GhostCover::AnyAccepts(size_t ghosts, Slice user_key) const {
  const uint64_t prefix = comparator_.bytewise() ? KeyPrefix(user_key) : 0;
  const uint64_t hash = Hash64(user_key);
  const auto first = version_->ghosts().begin();
  return std::any_of(first, first + static_cast<std::ptrdiff_t>(ghosts), [&](const auto& ghost) {
    return ghost->Accepts(comparator_, user_key, prefix, hash);
  });
}

}  // namespace varve
