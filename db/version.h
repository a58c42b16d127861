#ifndef VARVE_DB_VERSION_H_
#define VARVE_DB_VERSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "db/manifest.h"
#include "table/segment_reader.h"
#include "util/internal_key.h"
#include "varve/slice.h"

namespace varve {

// A live segment: what the manifest says of it, and its reader while that is open. Shared by the
// versions it is in.
//
// Thread safety: the entry is constant. The reader belongs to SegmentCache, which opens and closes
// it.
class SegmentFile {
 public:
  SegmentFile(SegmentEntry entry, const InternalKeyComparator& comparator);
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  const SegmentEntry& entry() const { return entry_; }
  FileNumber number() const { return entry_.number; }
  Slice smallest_user_key() const { return ExtractUserKey(entry_.smallest); }
  Slice largest_user_key() const { return ExtractUserKey(entry_.largest); }

  // False if no version of the key is in the segment, by its bounds.
  bool MayHold(const InternalKeyComparator& comparator, Slice user_key, uint64_t prefix) const {
    if (comparator.bytewise()) {
      if (prefix < smallest_prefix_ || prefix > largest_prefix_) return false;
      if (prefix > smallest_prefix_ && prefix < largest_prefix_) return true;
    }
    return comparator.CompareUserKeys(user_key, smallest_user_key()) >= 0 &&
           comparator.CompareUserKeys(user_key, largest_user_key()) <= 0;
  }

 private:
  friend class SegmentCache;

  const SegmentEntry entry_;
  uint64_t smallest_prefix_ = 0, largest_prefix_ = 0;  // KeyPrefix() of the bounds, bytewise only

  // Null while closed. Loaded inside an EpochDomain, sequentially consistent as that asks.
  std::atomic<SegmentReader*> reader_{nullptr};
  // Relaxed: a hint for the choice of the reader to close.
  std::atomic<bool> used_{false};
  std::shared_ptr<SegmentReader> owner_;  // guarded by the cache's mutex
};

// The set of live segments at one moment. Immutable.
class Version {
 public:
  Version() = default;
  explicit Version(std::vector<std::shared_ptr<SegmentFile>> segments);

  // Newest epoch first: of two that hold a key, the earlier has its newer versions (RULES R1).
  const std::vector<std::shared_ptr<SegmentFile>>& segments() const { return segments_; }

  // This one with `added`.
  std::shared_ptr<const Version> With(std::vector<std::shared_ptr<SegmentFile>> added) const;

  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t entries() const { return entries_; }

 private:
  std::vector<std::shared_ptr<SegmentFile>> segments_;
  uint64_t file_bytes_ = 0;
  uint64_t entries_ = 0;
};

}  // namespace varve

#endif  // VARVE_DB_VERSION_H_
