#ifndef VARVE_TABLE_GHOST_BUILDER_H_
#define VARVE_TABLE_GHOST_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "table/hash_set.h"
#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/comparator.h"
#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

struct GhostBuilderOptions {
  // Equal keys are identical bytes under it: a ghost knows keys by their hashes.
  const Comparator* comparator = BytewiseComparator();
  // Of the segment, not 0. Recorded, and part of the salt of the checksums.
  FileNumber number = 0;
  // The file's path, for messages alone.
  std::string path;
  // 1 to 24. A key that the segment does not hold is taken for one of it once in 2^this; a key
  // takes about two bits more than this.
  int remainder_bits = 12;
};

// Writes the ghost file of one segment (table/GHOST.md), beside the segment's own builder: every
// user key once, tombstones included, in any order, and every range tombstone.
//
//   GhostBuilder builder(options, file.get());
//   builder.AddKey(Hash64(user_key)); …
//   Status s = builder.Finish();  // then the caller syncs and closes the file
//
// Nothing is written before Finish. A builder destroyed without it, or of which it failed, leaves a
// file that is no ghost; the caller removes it. Not thread-safe. Memory: 8 bytes a key, the range
// tombstones, and in Finish the file.
class GhostBuilder {
 public:
  // `file` is empty and outlives the builder.
  GhostBuilder(const GhostBuilderOptions& options, WritableFile* file);

  // A key that is added twice costs its bits twice, and nothing else.
  void AddKey(uint64_t key_hash) { keys_.Add(key_hash); }
  // As SegmentBuilder::AddRangeTombstone takes them. InvalidArgument, with nothing added, if a key
  // is over its limit or the sequence is 0 or over its.
  Status AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence);

  // Writes the file, once. InvalidArgument if there are 2^32 keys or more.
  Status Finish();

  uint64_t keys() const { return keys_.keys(); }
  // What the file takes at most if it were finished now; exact after Finish.
  uint64_t FileBytesMax() const;

 private:
  const GhostBuilderOptions options_;
  WritableFile* const file_;
  HashSetBuilder keys_;
  std::vector<RangeTombstone> range_tombstones_;
  uint64_t range_tombstone_bytes_ = 0;  // as they would be stored, at most
};

}  // namespace varve

#endif  // VARVE_TABLE_GHOST_BUILDER_H_
