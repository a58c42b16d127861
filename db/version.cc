#include "db/version.h"

#include <algorithm>
#include <utility>

namespace varve {

SegmentFile::SegmentFile(SegmentEntry entry, const InternalKeyComparator& comparator)
    : entry_(std::move(entry)) {
  if (comparator.bytewise()) {
    smallest_prefix_ = KeyPrefix(smallest_user_key());
    largest_prefix_ = KeyPrefix(largest_user_key());
  }
}

Version::Version(std::vector<std::shared_ptr<SegmentFile>> segments)
    : segments_(std::move(segments)) {
  std::sort(segments_.begin(), segments_.end(),
            [](const auto& a, const auto& b) { return a->entry().epoch > b->entry().epoch; });
  for (const auto& segment : segments_) {
    file_bytes_ += segment->entry().file_bytes;
    entries_ += segment->entry().entries;
  }
}

std::shared_ptr<const Version> Version::With(
    std::vector<std::shared_ptr<SegmentFile>> added) const {
  added.insert(added.end(), segments_.begin(), segments_.end());
  return std::make_shared<const Version>(std::move(added));
}

}  // namespace varve
