#ifndef VARVE_DB_GHOST_H_
#define VARVE_DB_GHOST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "db/age_place.h"
#include "db/version.h"
#include "table/ghost_reader.h"
#include "util/internal_key.h"
#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// What stays of an evicted segment, as the versions it is in have it (docs/cache.md, "Ghosts"):
// whatever is older says nothing of a key that it accepts. It is read whole when it is made, and
// never again.
//
// A ghost is *wide* if it has no file, or none that could be read: it accepts every key within the
// segment's bounds (RULES R2.3). Which of the two it is, the manifest says before anybody goes by
// it: if a ghost that was wide for a merge were exact after the next open, it would show what that
// merge left, and not what it dropped.
//
// Thread safety: immutable.
class Ghost {
 public:
  // `file` has the entry of a ghost, and the life of its file. `reader`: null for a wide one.
  Ghost(std::shared_ptr<SegmentFile> file, std::shared_ptr<const GhostReader> reader)
      : file_(std::move(file)), reader_(std::move(reader)), place_(AgePlace::Of(*file_)) {}

  const std::shared_ptr<SegmentFile>& file() const { return file_; }
  const SegmentEntry& entry() const { return file_->entry(); }
  FileNumber number() const { return file_->number(); }
  // It hides what is at an older place; of its own place it says nothing.
  const AgePlace& place() const { return place_; }
  bool wide() const { return reader_ == nullptr; }
  const GhostReader* reader() const { return reader_.get(); }

  // Whether what is older may not be shown of the key. `prefix` as in SegmentFile::MayHold(),
  // `key_hash` is Hash64() of it.
  bool Accepts(const InternalKeyComparator& comparator, Slice user_key, uint64_t prefix,
               uint64_t key_hash) const {
    return file_->MayHold(comparator, user_key, prefix) &&
           (reader_ == nullptr || reader_->Accepts(user_key, key_hash));
  }
  void Prefetch(uint64_t key_hash) const {
    if (reader_ != nullptr) reader_->Prefetch(key_hash);
  }

  // How often it accepts a key that its segment did not hold.
  double false_positive_rate() const {
    return reader_ == nullptr ? 1 : reader_->false_positive_rate();
  }
  size_t memory_bytes() const { return reader_ == nullptr ? 0 : reader_->memory_bytes(); }

 private:
  const std::shared_ptr<SegmentFile> file_;
  const std::shared_ptr<const GhostReader> reader_;
  const AgePlace place_;
};

// The entry that takes the place of an evicted segment's. `has_file`: that of the segment, if it
// has one, can be read.
SegmentEntry GhostEntry(const SegmentEntry& segment, uint64_t evicted, bool has_file);
// The entry of a ghost that has lost its file. It is a new eviction, of number `evicted`: what has
// applied the one that could be read kept what that one did not accept, and must apply this one
// before it retires. Until then merges drop what it hides, tombstones too.
SegmentEntry WideGhostEntry(const SegmentEntry& ghost, uint64_t evicted);

// Reads the ghost file that has the number of `entry`, which may still be that of the segment, and
// checks it against the entry. Any error means that the ghost is to be wide.
Status LoadGhost(FileSystem* file_system, const Comparator* comparator,
                 const std::string& directory, const SegmentEntry& entry,
                 std::shared_ptr<const GhostReader>* reader);

}  // namespace varve

#endif  // VARVE_DB_GHOST_H_
