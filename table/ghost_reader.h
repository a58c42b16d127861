#ifndef VARVE_TABLE_GHOST_READER_H_
#define VARVE_TABLE_GHOST_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "table/ghost_footer.h"
#include "table/hash_set.h"
#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/comparator.h"
#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// What stays of an evicted segment, in memory: which keys it may have held. Whatever is older than
// the segment says nothing of a key that is accepted here.
//
// The file is read once and closed, so a ghost in use keeps no file. Thread safety: immutable after
// Open.
class GhostReader {
 public:
  // Reads a whole ghost file of segment `number` (0: of any). Corruption or NotSupported that names
  // the file, and then the caller goes by the segment's bounds (RULES R2.3). With a null comparator
  // range tombstones are checked by their bytes alone and not searched: for describing a file.
  static Status Open(const Comparator* comparator, std::unique_ptr<RandomAccessFile> file,
                     std::string path, FileNumber number, std::unique_ptr<GhostReader>* reader);

  // Whether the segment may have had the key in it: an entry of any type, or a range tombstone over
  // it. Never false where it had. `key_hash` is Hash64(user_key).
  bool Accepts(Slice user_key, uint64_t key_hash) const {
    return hashes_.MayContain(key_hash) ||
           (range_tombstones_ != nullptr &&
            range_tombstones_->MaxCovering(user_key, kMaxSequence) != 0);
  }
  // Starts to load what Accepts() reads first.
  void Prefetch(uint64_t key_hash) const { hashes_.Prefetch(key_hash); }

  // The hashes of all keys: to be asked, and listed in ascending order.
  const HashSet& hashes() const { return hashes_; }
  // Null if there are none, or where there is no comparator.
  const FragmentedRangeTombstones* range_tombstones() const { return range_tombstones_.get(); }
  // As they stand in the file; empty unless there was no comparator.
  const std::vector<RangeTombstone>& listed_range_tombstones() const { return listed_; }
  // How often a key outside of the range tombstones is accepted that the segment did not hold.
  double false_positive_rate() const;
  const GhostFooter& footer() const { return footer_; }
  size_t memory_bytes() const;

  // Decodes all of the hash set: Corruption where a builder wrote something else.
  Status Verify() const;

 private:
  explicit GhostReader(std::string path) : path_(std::move(path)) {}

  Status Load(const Comparator* comparator, const RandomAccessFile& file, FileNumber number);

  const std::string path_;
  GhostFooter footer_;
  std::string hash_set_bytes_;  // with the slack
  HashSet hashes_;
  std::unique_ptr<const FragmentedRangeTombstones> range_tombstones_;
  std::vector<RangeTombstone> listed_;
};

}  // namespace varve

#endif  // VARVE_TABLE_GHOST_READER_H_
