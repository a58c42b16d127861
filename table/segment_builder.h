#ifndef VARVE_TABLE_SEGMENT_BUILDER_H_
#define VARVE_TABLE_SEGMENT_BUILDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "table/segment_properties.h"
#include "util/internal_key.h"
#include "varve/comparator.h"
#include "varve/env.h"
#include "varve/options.h"
#include "varve/prefix_extractor.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

struct SegmentBuilderOptions {
  const Comparator* comparator = BytewiseComparator();
  // Of this segment, not 0. Recorded, and part of the salt of every checksum.
  FileNumber number = 0;
  // The file's path, for messages alone.
  std::string path;
  Compression compression = Compression::kNone;
  size_t block_bytes = 4096;     // as Options.block_bytes
  int filter_bits_per_key = 10;  // as Options.filter_bits_per_key
  uint64_t created_ms = 0;       // recorded: wall clock, since 1970
  std::string creator;           // recorded, for people: "flush", …
  std::string merge_operator;    // its name; recorded, for people, if there are operands
  // Null, or it outlives the builder: the filter, if there is one, holds prefixes too.
  const PrefixExtractor* prefix_extractor = nullptr;
};

// Writes one segment (table/FORMAT.md) from entries in order.
//
//   SegmentBuilder builder(options, file.get());
//   for (…) if (Status s = builder.Add(key, value); !s.ok()) …;
//   Status s = builder.Finish(&properties);  // then the caller syncs and closes the file
//
// The first error latches: every later call returns it and writes nothing. A builder that is
// destroyed without Finish leaves a file that is no segment; the caller removes it. Not
// thread-safe. Memory: one block, an output buffer of 256 KiB, the index, and 8 bytes a user
// key and a prefix.
class SegmentBuilder {
 public:
  // `file` is empty and outlives the builder.
  SegmentBuilder(const SegmentBuilderOptions& options, WritableFile* file);
  ~SegmentBuilder();
  SegmentBuilder(const SegmentBuilder&) = delete;
  SegmentBuilder& operator=(const SegmentBuilder&) = delete;

  // Adds an entry whose internal key comes after every one before. Both slices are copied.
  // InvalidArgument if it does not come after, is shorter than a trailer, or is over a limit.
  Status Add(Slice internal_key, Slice value);

  // Adds a range tombstone; before Finish, in any order, beside any entries. Those of one sequence
  // that overlap or touch become one, and one whose start is not before its end is dropped.
  // InvalidArgument if a key is over its limit or the sequence is 0 or over its. Kept in memory
  // until Finish.
  Status AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence);

  // Writes what is left, filter, index, range tombstones, properties and footer. Does not sync. A
  // segment without entries is valid, with range tombstones or without. `properties` may be null.
  Status Finish(SegmentProperties* properties);

  // The first error so far.
  Status status() const;
  uint64_t entries() const;
  // Range tombstones, empty ones left out; after Finish those that could be joined count once.
  uint64_t range_deletes() const;
  // About what the file would take if it were finished now; exact after Finish.
  uint64_t EstimatedFileBytes() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace varve

#endif  // VARVE_TABLE_SEGMENT_BUILDER_H_
