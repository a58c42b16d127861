#ifndef VARVE_DB_MANIFEST_FORMAT_H_
#define VARVE_DB_MANIFEST_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

// Constants of the manifest's format; db/MANIFEST.md describes it. Integers are little-endian.

namespace varve::manifest {

inline constexpr size_t kPageBytes = 4096;
inline constexpr uint32_t kRoots = 2;  // pages 0 and 1

// The header of every page, by offset.
inline constexpr size_t kChecksumAt = 0;      // fixed64: XXH3-64 of bytes 8 … 4095
inline constexpr size_t kPageNumberAt = 8;    // fixed32
inline constexpr size_t kTypeAt = 12;         // PageType
inline constexpr size_t kLevelAt = 13;        // inner: 1 above leaves and so on; else 0
inline constexpr size_t kItemsAt = 14;        // fixed16: cells of a root or leaf, links of an inner
inline constexpr size_t kGenerationAt = 16;   // fixed64: of the commit that wrote the page
inline constexpr size_t kPayloadSizeAt = 24;  // fixed16: bytes in use behind the header
inline constexpr size_t kHeaderBytes = 32;    // bytes 26 … 31 are reserved, zero
inline constexpr size_t kPayloadBytesMax = kPageBytes - kHeaderBytes;

enum class PageType : uint8_t {
  kRoot = 1,
  kLeaf = 2,
  kInner = 3,
  kSpill = 4,
};

// A root's payload: the fixed fields, by offset in the page …
inline constexpr size_t kMagicAt = 32;
inline constexpr std::string_view kMagic{"varve-mf", 8};
inline constexpr size_t kVersionAt = 40;             // fixed32
inline constexpr size_t kCompatibleAt = 44;          // fixed32, feature bits
inline constexpr size_t kReadOnlyCompatibleAt = 48;  // fixed32
inline constexpr size_t kIncompatibleAt = 52;        // fixed32
inline constexpr size_t kDatabaseIdAt = 56;          // 2 × fixed64: high, low
inline constexpr size_t kNextFileNumberAt = 72;      // fixed64, all to kSegmentCountAt
inline constexpr size_t kNextSequenceAt = 80;
inline constexpr size_t kLowestLogAt = 88;
inline constexpr size_t kDurableLogAt = 96;
inline constexpr size_t kDurableOffsetAt = 104;
inline constexpr size_t kRetainedSequenceAt = 112;
inline constexpr size_t kClockMarkAt = 120;
inline constexpr size_t kSegmentCountAt = 128;
inline constexpr size_t kModeBitsAt = 136;   // fixed32
inline constexpr size_t kStateBitsAt = 140;  // fixed32, StateBit
inline constexpr size_t kHeightAt = 144;     // fixed8
inline constexpr size_t kLinksAt = 146;      // fixed16; byte 145 is zero
inline constexpr size_t kRootFixedEnd = 148;
// … then, one behind the other: comparator, boot id, extensions (length-prefixed), links, cells.

enum StateBit : uint32_t {
  kCleanClose = 1u << 0,
  kCondemned = 1u << 1,  // this and the next ones in caches alone
  kUnlogged = 1u << 2,
  kAllSynced = 1u << 3,
};

// Tags of root extensions. Not those of entries' fields, which no build takes there.
enum RootExtension : uint64_t {
  kLastReset = 16,  // | reason: varint | wall ms: varint | segments: varint | resets: varint |
};

inline constexpr uint32_t kFormatVersion = 1;
// There may be ghosts: a build that overlooks one serves what it hides. Every cache has the bit.
inline constexpr uint32_t kFeatureGhosts = 1u << 0;
// Feature bits that this build knows.
inline constexpr uint32_t kKnownReadOnlyCompatible = 0;
inline constexpr uint32_t kKnownIncompatible = kFeatureGhosts;

// A link to a page is | page: fixed32 | generation: fixed64 | checksum: fixed64 |; to a child of
// the tree its first number (fixed64) stands before it.
inline constexpr size_t kPageLinkBytes = 20;
inline constexpr size_t kChildLinkBytes = 8 + kPageLinkBytes;
inline constexpr size_t kInnerChildrenMax = kPayloadBytesMax / kChildLinkBytes;
// A root holds few enough links to leave most of the page to recent changes.
inline constexpr size_t kRootLinksMax = 32;
inline constexpr uint8_t kHeightMax = 8;

// A cell is | number: varint64 | CellKind | … |.
enum class CellKind : uint8_t {
  kInline = 0,   // | length: varint | body |
  kSpilled = 1,  // | length: varint | link to the first spill page |
  kRemoved = 2,  // nothing more; in roots only
};
// A longer body is spilled, so a leaf has room for four cells, a root for two.
inline constexpr size_t kInlineBodyBytesMax = 960;
inline constexpr size_t kCellBytesMax = 10 + 1 + 2 + kInlineBodyBytesMax;

// A spill page's payload is a link to the next one (zeros in the last) and data; all but the last
// are full.
inline constexpr size_t kSpillBytesMax = kPayloadBytesMax - kPageLinkBytes;
// Of one entry: two keys of 64 KiB with room for what may come. What is longer is refused.
inline constexpr size_t kBodyBytesMax = 1 << 20;

inline constexpr size_t kComparatorBytesMax = 256;
inline constexpr size_t kBootIdBytesMax = 64;
inline constexpr size_t kRootExtensionBytesMax = 512;

// What is left in a root of the largest size for cells: at least two of the longest.
static_assert(kPageBytes - kRootFixedEnd - (2 + kComparatorBytesMax) - (1 + kBootIdBytesMax) -
                  (2 + kRootExtensionBytesMax) - kRootLinksMax * kChildLinkBytes >=
              2 * kCellBytesMax);
static_assert(kPayloadBytesMax >= 4 * kCellBytesMax);

}  // namespace varve::manifest

#endif  // VARVE_DB_MANIFEST_FORMAT_H_
