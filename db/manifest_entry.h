#ifndef VARVE_DB_MANIFEST_ENTRY_H_
#define VARVE_DB_MANIFEST_ENTRY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "util/filename.h"
#include "util/internal_key.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// What the manifest knows of a segment, or of the ghost of one that was evicted (db/MANIFEST.md,
// "Entry"). The manifest interprets `number`, and what says which files there are; everything else
// it keeps for the versions that are made of it.
struct SegmentEntry {
  FileNumber number = 0;
  uint32_t level = 0;
  uint64_t epoch = 0;       // place in the order of age (RULES R1)
  uint64_t file_bytes = 0;  // of the segment; of a ghost those of its own file, 0 without one
  uint64_t raw_bytes = 0;   // keys and values before compression
  uint64_t entries = 0;     // all versions, deletes included; range tombstones are none
  uint64_t deletes = 0;     // tombstones among them
  // So many entries, if not more, are hidden by newer values and deletes of the segment itself, and
  // were kept for readers. 0 in entries of builds that did not count them.
  uint64_t hidden = 0;
  // So many entries have an expiry and had not expired when it was written, at this time of the
  // engine's. 0 in entries of builds that did not count them.
  uint64_t expiring = 0;
  uint64_t written_ms = 0;
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
  // What was merged into the segment lacks all that the ghosts of evictions up to this number
  // accept, as far as they are newer (docs/cache.md, "Ghosts"). 0: none was applied.
  uint64_t applied_to = 0;
  // The number of the eviction that made this a ghost; 0 for a segment.
  uint64_t evicted = 0;
  // Of the ghost file beside a segment; 0 without one, and for a ghost (see file_bytes).
  uint64_t ghost_bytes = 0;
  // Fields of later builds, as they stand on disk: varint tag, length-prefixed value, repeated.
  // Whoever replaces an entry carries them over.
  std::string extensions;

  friend bool operator==(const SegmentEntry&, const SegmentEntry&) = default;
};

enum SegmentEntryFlag : uint64_t {
  kHasExpiry = 1u << 0,         // the expiry range is present
  kSegmentProbation = 1u << 1,  // reserved: a label of the probation and main areas
  // A ghost: the segment is gone, and what it had of the keys that the ghost accepts.
  kSegmentGhost = 1u << 2,
  // A ghost file has the number. A ghost without one accepts all within its bounds.
  kSegmentHasGhostFile = 1u << 3,
  kHasRangeDeletes = 1u << 4,  // the segment has range tombstones
  // Every entry has an expiry (with kHasExpiry): at max_expires_at the points of the segment are
  // gone for everybody. Its range tombstones, if it has any, are not.
  kAllExpire = 1u << 5,
};

// Which files there are follows from these alone.
inline constexpr uint64_t kFileFlags = kSegmentGhost | kSegmentHasGhostFile;

// Tags of the extensions that are fields of SegmentEntry; each is a varint, and missing where 0.
enum SegmentEntryExtension : uint64_t {
  kAppliedTo = 1,
  kEvicted = 2,
  kGhostBytes = 3,
  kHidden = 8,
  kExpiring = 9,
  kWritten = 10,
};

// The files of an entry with these flags, ascending: of a segment its own and that of its ghost, if
// there is one; of a ghost the latter alone.
std::vector<NumberedFile> FilesOf(FileNumber number, uint64_t flags);
inline std::vector<NumberedFile> FilesOf(const SegmentEntry& entry) {
  return FilesOf(entry.number, entry.flags);
}
// Of one file of the entry, as the manifest says.
uint64_t BytesOf(const SegmentEntry& entry, FileType type);

// What is wrong with the fields and flags that say which files there are and which ghosts count, or
// null. A ghost without the number of its eviction would retire too early, and uncover what it
// hides.
const char* CheckGhostFields(const SegmentEntry& entry);

// Appends everything but the number.
void EncodeSegmentEntry(const SegmentEntry& entry, std::string* out);
// Reads what EncodeSegmentEntry wrote; all of `body` must be used. Corruption says what is wrong
// with it, without a place.
Status DecodeSegmentEntry(FileNumber number, Slice body, SegmentEntry* entry);
// Whether `extensions` is a sequence of whole fields, none of which SegmentEntry has a name for.
bool ValidExtensions(Slice extensions);

}  // namespace varve

#endif  // VARVE_DB_MANIFEST_ENTRY_H_
