#ifndef VARVE_TABLE_BLOCK_BUILDER_H_
#define VARVE_TABLE_BLOCK_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "table/segment_format.h"
#include "util/internal_key.h"
#include "varve/slice.h"

// Collects the entries of one data block and encodes them (table/block.h has the picture).
//
// The prefix that all keys share, and the lowest trailer, are known only when the last entry is,
// so entries wait in a buffer and are laid out by Finish. SizeWith() says exactly what the block
// would take with one entry more, so that blocks are cut to fit.
//
// Not thread-safe.

namespace varve {

class BlockBuilder {
 public:
  // With `tags`, blocks of at most kTaggedEntriesMax entries get one tag a key.
  explicit BlockBuilder(bool tags) : tags_(tags) {}

  bool empty() const { return entries_.empty(); }
  uint32_t entries() const { return static_cast<uint32_t>(entries_.size()); }

  // About the bytes of the content so far.
  uint64_t EstimatedBytes() const { return buffer_.size() + entries_.size() * 12; }

  // Bytes of the content with one more entry; never less than what Finish will give.
  uint64_t SizeWith(Slice internal_key, uint64_t value_bytes) const;

  // Adds an entry; keys must come in order. `key_hash` is not used without tags.
  void Add(Slice internal_key, uint64_t key_hash, Slice value);

  // Replaces *content by the block, and starts an empty one.
  void Finish(std::string* content);

  // What a block of this one entry has before the bytes of its value. For values too large to be
  // copied about.
  static void EncodeSingle(Slice internal_key, std::string* head);

 private:
  struct Entry {
    size_t start;  // of the user key in buffer_; the value follows it
    uint64_t value_bytes;
    uint64_t trailer;
    uint32_t user_key_bytes;
    uint8_t tag;
  };
  struct Shape {
    uint32_t prefix_bytes;
    uint64_t trailer_min;
    uint64_t trailer_max;
  };
  Shape ShapeWith(Slice user_key, uint64_t trailer) const;

  const bool tags_;
  std::vector<Entry> entries_;
  std::string buffer_;  // user keys and values
  Shape shape_{};
  uint64_t suffix_length_bytes_ = 0;  // of all varints, for suffixes of whole user keys
  uint64_t user_key_bytes_ = 0;
  uint64_t value_bytes_ = 0;
};

}  // namespace varve

#endif  // VARVE_TABLE_BLOCK_BUILDER_H_
