#ifndef VARVE_TABLE_SEGMENT_PROPERTIES_H_
#define VARVE_TABLE_SEGMENT_PROPERTIES_H_

#include <cstdint>
#include <string>

#include "util/internal_key.h"
#include "varve/options.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// What a segment says about itself: written by its builder, kept in memory while it is open.
struct SegmentProperties {
  uint64_t entries = 0;
  uint64_t deletes = 0;          // of them, tombstones of any type
  uint64_t user_keys = 0;        // different user keys
  uint64_t raw_key_bytes = 0;    // internal keys, before prefix compression
  uint64_t raw_value_bytes = 0;  // before compression
  uint64_t data_bytes = 0;       // from the start of the file to the end of the last data block
  uint64_t data_blocks = 0;
  uint64_t block_raw_bytes_max = 0;  // of one data block, uncompressed
  // Bounds of all entries and range tombstones, as internal keys; both empty if there is neither.
  // Where the end of a tombstone lies above all entries, the largest key is that end with trailer
  // kExclusiveTrailer: nothing from there on is in the segment.
  std::string smallest_key;
  std::string largest_key;
  SequenceNumber sequence_min = 0;  // of both; 0 if there is neither
  SequenceNumber sequence_max = 0;
  Compression compression = Compression::kNone;  // asked for; blocks that do not shrink are raw
  int filter_bits_per_key = 0;                   // 0: there is no filter
  std::string comparator;
  FileNumber number = 0;
  uint64_t created_ms = 0;  // wall clock, since 1970
  std::string creator;      // for people: "flush", …
  // Of the entries of type kValueWithExpiry, if there are any, else 0: the lowest and the highest
  // expires_at, in ms since 1970.
  uint64_t expires_at_min = 0;
  uint64_t expires_at_max = 0;
  uint64_t entries_with_expiry = 0;
  uint64_t range_deletes = 0;    // range tombstones; no entries
  uint64_t merges = 0;           // of the entries, of type kMerge
  std::string merge_operator;    // for people: the name of the one they were written under
  std::string prefix_extractor;  // of whom the filter holds prefixes; empty: it holds none
  uint64_t prefixes = 0;         // different ones

  // Bytes of the file; not stored in the properties block but known to builder and reader.
  uint64_t file_bytes = 0;

  // Counts what the type of an entry says, in what depends on it alone. Returns the incompatible
  // features that such an entry needs. `value` has its expiry, where the type has one.
  uint32_t CountType(ValueType type, Slice value);

  void EncodeTo(std::string* out) const;
  // Corruption that says which property is missing, doubled, cut off or out of range.
  static Status Decode(Slice input, SegmentProperties* properties);
};

}  // namespace varve

#endif  // VARVE_TABLE_SEGMENT_PROPERTIES_H_
