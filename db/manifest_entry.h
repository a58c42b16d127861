#ifndef VARVE_DB_MANIFEST_ENTRY_H_
#define VARVE_DB_MANIFEST_ENTRY_H_

#include <cstdint>
#include <string>

#include "util/internal_key.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// What the manifest knows of a segment (db/MANIFEST.md, "Entry"). The manifest interprets `number`
// alone; everything else it keeps for the versions that are made of it.
struct SegmentEntry {
  FileNumber number = 0;
  uint32_t level = 0;
  uint64_t epoch = 0;  // place in the order of age (RULES R1)
  uint64_t file_bytes = 0;
  uint64_t raw_bytes = 0;  // keys and values before compression
  uint64_t entries = 0;    // all versions, deletes included; range tombstones are none
  uint64_t deletes = 0;    // tombstones among them
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  // Bits of SegmentEntryFlag, or bits that a later build added: kept as they are.
  uint64_t flags = 0;
  // Milliseconds since 1970; on disk only with kHasExpiry.
  uint64_t min_expires_at = 0;
  uint64_t max_expires_at = 0;
  // Bounds, as internal keys, of all entries and range tombstones; with kHasRangeDeletes the
  // largest may be an end that is itself outside (kExclusiveTrailer). Any length: what does not fit
  // beside its neighbours goes to pages of its own, and is never truncated.
  std::string smallest;
  std::string largest;
  // Fields of later builds, as they stand on disk: varint tag, length-prefixed value, repeated.
  // Whoever replaces an entry carries them over.
  std::string extensions;

  friend bool operator==(const SegmentEntry&, const SegmentEntry&) = default;
};

enum SegmentEntryFlag : uint64_t {
  kHasExpiry = 1u << 0,  // the expiry range is present
  // Reserved: labels of the probation and main areas, and entries of ghosts.
  kSegmentProbation = 1u << 1,
  kSegmentGhost = 1u << 2,
  kSegmentHasGhostFile = 1u << 3,
  kHasRangeDeletes = 1u << 4,  // the segment has range tombstones
  // Every entry has an expiry (with kHasExpiry): at max_expires_at the points of the segment are
  // gone for everybody. Its range tombstones, if it has any, are not.
  kAllExpire = 1u << 5,
};

// Appends everything but the number.
void EncodeSegmentEntry(const SegmentEntry& entry, std::string* out);
// Reads what EncodeSegmentEntry wrote; all of `body` must be used. Corruption says what is wrong
// with it, without a place.
Status DecodeSegmentEntry(FileNumber number, Slice body, SegmentEntry* entry);
// Whether `extensions` is a sequence of whole fields.
bool ValidExtensions(Slice extensions);

}  // namespace varve

#endif  // VARVE_DB_MANIFEST_ENTRY_H_
