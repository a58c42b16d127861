#ifndef VARVE_WAL_LOG_FORMAT_H_
#define VARVE_WAL_LOG_FORMAT_H_

#include <cstddef>
#include <cstdint>

// The constants of wal/FORMAT.md. Integers on disk are little-endian.

namespace varve::wal {

// ---- File
// ------------------------------------------------------------------------------------------

// The unit in which the disk may tear what is rewritten: a block that was synced is never written
// again. Also the size of a header page and what the size of a log is a multiple of.
inline constexpr uint64_t kBlockBytes = 4096;
inline constexpr int kHeaderCopies = 2;  // at 0 and kBlockBytes
inline constexpr uint64_t kDataOffset = kHeaderCopies * kBlockBytes;

// Offsets are stored in units, so that 32 bits reach 32 GiB.
inline constexpr uint64_t kUnitBytes = 8;
inline constexpr uint64_t kLogBytesMax = (uint64_t{1} << 35) - kBlockBytes;

// ---- Header page: its first 64 bytes; the rest is zero and not looked at
// -----------------------------
//
//   0        8    12      16      24            32        40      48     56        64
//   | magic  | crc | version | compat | read-only compat | incompat | number | nonce | capacity |

inline constexpr char kMagic[] = "VARVELOG";
inline constexpr size_t kMagicBytes = 8;
static_assert(sizeof(kMagic) == kMagicBytes + 1);
inline constexpr size_t kHeaderCrcOffset = 8;  // CRC32C of the bytes after it, to kHeaderBytes
inline constexpr size_t kHeaderVersionOffset = 12;
inline constexpr size_t kHeaderCompatOffset = 16;
inline constexpr size_t kHeaderReadOnlyCompatOffset = 24;
inline constexpr size_t kHeaderIncompatOffset = 32;
inline constexpr size_t kHeaderNumberOffset = 40;
inline constexpr size_t kHeaderNonceOffset = 48;
inline constexpr size_t kHeaderCapacityOffset = 56;
inline constexpr size_t kHeaderBytes = 64;
static_assert(kHeaderCapacityOffset + 8 == kHeaderBytes);

inline constexpr uint32_t kVersion = 1;

// Compatible features: a reader may ignore those it does not know.
inline constexpr uint64_t kCompatZeroed = 1;  // behind the header pages the file was all zero
inline constexpr uint64_t kReadOnlyCompatKnown = 0;
inline constexpr uint64_t kIncompatKnown = 0;

// ---- Record: a header, the payload, zeros up to a multiple of kUnitBytes
// ------------------------------
//
//   0            4             8               14     15      16            20             24 28 32
//   | header crc | payload crc | payload bytes | type | flags | prev offset | prev distance |
//   durable offset | durable distance |

inline constexpr size_t kRecordHeaderCrcOffset = 0;
inline constexpr size_t kRecordPayloadCrcOffset = 4;
inline constexpr size_t kRecordPayloadBytesOffset = 8;  // 48 bits
inline constexpr size_t kRecordTypeOffset = 14;
inline constexpr size_t kRecordFlagsOffset = 15;
inline constexpr size_t kRecordPrevOffset = 16;     // units; 0: nothing before
inline constexpr size_t kRecordPrevDistance = 20;   // number of this log - number of that log
inline constexpr size_t kRecordDurableOffset = 24;  // units; 0: nothing known
inline constexpr size_t kRecordDurableDistance = 28;
inline constexpr size_t kRecordHeaderBytes = 32;
static_assert(kRecordDurableDistance + 4 == kRecordHeaderBytes);

// What a record is. On disk; an unknown one was written by a newer version. 0 is never written, so
// that zeros are no record.
enum class RecordType : uint8_t {
  kGroup = 1,  // one commit group, opaque to this layer
};

// The largest payload that a log of kLogBytesMax holds.
inline constexpr uint64_t kPayloadBytesMax = kLogBytesMax - kDataOffset - kRecordHeaderBytes;

}  // namespace varve::wal

#endif  // VARVE_WAL_LOG_FORMAT_H_
