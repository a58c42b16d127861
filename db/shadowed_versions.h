#ifndef VARVE_DB_SHADOWED_VERSIONS_H_
#define VARVE_DB_SHADOWED_VERSIONS_H_

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "util/internal_key.h"

namespace varve {

// Which versions nobody can see any more: fed with entries in internal key order (newest version of
// a key first), says of each whether a newer one hides it from every reader.
//
// A version v, followed upwards by the next newer version w of its key, is hidden if no snapshot s
// has v <= s < w. That holds for readers to come as well, as long as w was published before the
// snapshots were listed: they read at w or above. Tombstones hide as values do, and stay.
class ShadowedVersions {
 public:
  // `snapshots` ascending.
  explicit ShadowedVersions(std::vector<SequenceNumber> snapshots)
      : snapshots_(std::move(snapshots)) {}

  bool Hides(Slice internal_key) {
    const Slice user_key = ExtractUserKey(internal_key);
    const SequenceNumber sequence = TrailerSequence(ExtractTrailer(internal_key));
    const bool same_key = !first_ && user_key == user_key_;
    const bool hidden = same_key && !SnapshotIn(sequence, newer_);
    if (!same_key) user_key_.assign(user_key);
    first_ = false;
    newer_ = sequence;
    return hidden;
  }

 private:
  // Whether a snapshot s has low <= s < high.
  bool SnapshotIn(SequenceNumber low, SequenceNumber high) const {
    const auto s = std::lower_bound(snapshots_.begin(), snapshots_.end(), low);
    return s != snapshots_.end() && *s < high;
  }

  const std::vector<SequenceNumber> snapshots_;
  bool first_ = true;
  std::string user_key_;
  SequenceNumber newer_ = 0;
};

}  // namespace varve

#endif  // VARVE_DB_SHADOWED_VERSIONS_H_
