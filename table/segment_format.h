#ifndef VARVE_TABLE_SEGMENT_FORMAT_H_
#define VARVE_TABLE_SEGMENT_FORMAT_H_

#include <cstddef>
#include <cstdint>

// The constants of a segment file. What they mean, with pictures and a worked example, stands in
// table/FORMAT.md; the two are changed together, and with them the bytes in tests/golden/.

namespace varve {

// ---- The file ----------------------------------------------------------------------------------

// "VARVESEG" as the last eight bytes of the file.
inline constexpr uint64_t kSegmentMagic = 0x4745534556524156;
inline constexpr uint32_t kSegmentFormatVersion = 1;

// Feature bits of the footer that this build knows. An unknown compatible bit changes nothing; an
// unknown read-only-compatible bit forbids to change the file, which nobody does with a segment;
// an unknown incompatible bit makes Open answer NotSupported.
// Between index and properties stands a block of range tombstones.
inline constexpr uint32_t kFeatureRangeTombstones = 1 << 0;
// There are entries of type kValueWithExpiry, kRefused, kEvicted or kExpired.
inline constexpr uint32_t kFeatureExpiry = 1 << 1;
inline constexpr uint32_t kKnownIncompatFeatures = kFeatureRangeTombstones | kFeatureExpiry;

// What a device reads at once, and the most a builder wastes so that a block lies in one of them.
inline constexpr uint64_t kDevicePageBytes = 4096;
inline constexpr uint64_t kBlockPaddingMax = kDevicePageBytes / 8;

// ---- A block as stored -------------------------------------------------------------------------

// After the content: one byte of Compression, fixed32 of the salted checksum.
inline constexpr size_t kBlockTrailerBytes = 5;
// A compressed block may expand to this much, whatever it is stored in, and beyond it to
// kExpansionMax times its stored bytes. So a damaged length cannot ask for unjustified memory.
inline constexpr uint64_t kExpansionFreeBytes = (uint64_t{1} << 20) + (uint64_t{1} << 17);
inline constexpr uint64_t kExpansionMax = 1024;
// Larger blocks (one huge value) are stored uncompressed.
inline constexpr uint64_t kCompressedRawBytesMax = uint64_t{1} << 30;

// ---- Limits ------------------------------------------------------------------------------------

inline constexpr size_t kUserKeyBytesMax = 65536;
inline constexpr uint64_t kValueBytesMax = (uint64_t{1} << 32) - 1;

// ---- The content of a data block ---------------------------------------------------------------

// | fixed64 base trailer | fixed32 entries | fixed32 prefix bytes | u8 trailer width | u8 flags |
// | fixed16 zero | prefix | tags | entry offsets | entries |
inline constexpr size_t kBlockHeaderBytes = 20;
inline constexpr uint8_t kBlockHasTags = 1 << 0;
inline constexpr uint8_t kBlockWideOffsets = 1 << 1;  // fixed32, not fixed16
inline constexpr uint8_t kBlockKnownFlags = kBlockHasTags | kBlockWideOffsets;
// A block of more entries has no tags: binary search is faster than to scan them.
inline constexpr uint32_t kTaggedEntriesMax = 256;
// The tag of a key is one byte of its hash that the filter's line number does not depend on.
inline constexpr uint8_t TagOfHash(uint64_t key_hash) { return static_cast<uint8_t>(key_hash); }

// ---- The content of the index block ------------------------------------------------------------

// | fixed64 blocks | fixed32 common prefix bytes | fixed32 flags | prefixes | slots | common prefix
// | separators |
inline constexpr size_t kIndexHeaderBytes = 16;
inline constexpr uint32_t kIndexHasPrefixes = 1 << 0;
// A slot: fixed64 of where the block starts, fixed64 of where its separator starts.
inline constexpr size_t kIndexSlotBytes = 16;
// In the first word of a slot, above the offset: bytes of padding before the block.
inline constexpr int kSlotPaddingShift = 48;
inline constexpr uint64_t kSlotOffsetMask = (uint64_t{1} << kSlotPaddingShift) - 1;
// In the second word: the separator ends with a trailer.
inline constexpr uint64_t kSlotHasTrailer = uint64_t{1} << 63;

// ---- The content of the filter block -----------------------------------------------------------

// | u8 kind | u8 probes | 6 zero bytes | fixed64 lines | 48 zero bytes | lines of 64 bytes |
inline constexpr size_t kFilterLineBytes = 64;
inline constexpr size_t kFilterHeaderBytes = 64;
inline constexpr uint8_t kFilterKindBlockedBloom = 1;
inline constexpr int kFilterProbesMax = 14;
// Seeds the hash of a prefix, so that it is another than that of a key of the same bytes: "prefix".
inline constexpr uint64_t kPrefixHashSeed = 0x786966657270;

// ---- The footer --------------------------------------------------------------------------------

// Offsets of its fields, all fixed-width. The last 20 bytes mean the same in every version.
inline constexpr size_t kFooterFilterOffset = 0;       // fixed64 offset, fixed64 stored bytes
inline constexpr size_t kFooterIndexOffset = 16;       // the same
inline constexpr size_t kFooterPropertiesOffset = 32;  // the same
inline constexpr size_t kFooterNumber = 48;            // fixed64 segment number
inline constexpr size_t kFooterFileBytes = 56;         // fixed64 size of the whole file
inline constexpr size_t kFooterCompat = 64;            // fixed32
inline constexpr size_t kFooterReadOnlyCompat = 68;    // fixed32
inline constexpr size_t kFooterIncompat = 72;          // fixed32
inline constexpr size_t kFooterSize = 76;              // fixed32 bytes of the footer
inline constexpr size_t kFooterVersion = 80;           // fixed32
inline constexpr size_t kFooterChecksum = 84;          // fixed32 of all before
inline constexpr size_t kFooterMagic = 88;             // fixed64
inline constexpr size_t kFooterBytes = 96;
inline constexpr size_t kFooterTailBytes = kFooterBytes - kFooterSize;
static_assert(kFooterMagic + 8 == kFooterBytes && kFooterTailBytes == 20);

// ---- Properties --------------------------------------------------------------------------------

// Tags of the properties block; never renumbered. Unknown ones are ignored.
enum class PropertyTag : uint32_t {
  kEntries = 1,            // varint
  kDeletes = 2,            // varint
  kRawKeyBytes = 3,        // varint
  kRawValueBytes = 4,      // varint
  kDataBytes = 5,          // varint
  kDataBlocks = 6,         // varint
  kBlockRawBytesMax = 7,   // varint
  kSmallestKey = 8,        // bytes, an internal key
  kLargestKey = 9,         // bytes, an internal key
  kSequenceMin = 10,       // varint
  kSequenceMax = 11,       // varint
  kCompression = 12,       // varint
  kComparator = 13,        // bytes
  kFilterBitsPerKey = 14,  // varint
  kNumber = 15,            // varint
  kCreatedMillis = 16,     // varint, wall clock since 1970
  kCreator = 17,           // bytes, for people
  kUserKeys = 18,          // varint
  // All three where there are entries with an expiry.
  kExpiresAtMin = 19,       // varint, ms since 1970
  kExpiresAtMax = 20,       // varint, the same
  kEntriesWithExpiry = 21,  // varint
  // Reserved: the column family; without it 0.
  kColumnFamily = 22,
  // Each only where it is not 0 or empty.
  kRangeDeletes = 23,   // varint
  kMerges = 24,         // varint
  kMergeOperator = 25,  // bytes, for people
  // Both where the filter holds prefixes.
  kPrefixExtractor = 26,  // bytes, its name
  kPrefixes = 27,         // varint
};

}  // namespace varve

#endif  // VARVE_TABLE_SEGMENT_FORMAT_H_
