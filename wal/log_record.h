#ifndef VARVE_WAL_LOG_RECORD_H_
#define VARVE_WAL_LOG_RECORD_H_

#include <cstdint>
#include <string>

#include "util/coding.h"
#include "util/crc32c.h"
#include "util/internal_key.h"
#include "varve/slice.h"
#include "wal/log_format.h"
#include "wal/log_position.h"

// Header pages and record headers as values and as bytes (wal/FORMAT.md). Pure functions.

namespace varve::wal {

struct LogHeader {
  uint32_t version = kVersion;
  uint64_t compat = 0;
  uint64_t read_only_compat = 0;
  uint64_t incompat = 0;
  FileNumber number = 0;
  uint64_t nonce = 0;
  uint64_t capacity = 0;

  friend bool operator==(const LogHeader&, const LogHeader&) = default;

  // What the checksums of the log's records continue.
  uint32_t Salt() const;
};

// The kHeaderBytes of `header`.
std::string EncodeLogHeader(const LogHeader& header);
// False if `bytes` are no log header or damaged; *why then says how, with expected and found.
bool DecodeLogHeader(Slice bytes, LogHeader* header, std::string* why);

struct RecordHeader {
  uint32_t payload_crc = 0;
  uint64_t payload_bytes = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  LogPosition prev = {};     // {0, 0}: nothing before
  LogPosition durable = {};  // {0, 0}: nothing known
};

// Bytes a record with such a payload takes.
inline uint64_t RecordBytes(uint64_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
}
inline uint64_t RoundUpToBlock(uint64_t offset) {
  return (offset + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// Writes the kRecordHeaderBytes of a record of log `number`. Both positions are in this log or, by
// less than 2^32, earlier ones.
inline void EncodeRecordHeader(const RecordHeader& header, uint32_t salt, FileNumber number,
                               char* to) {
  EncodeFixed32(to + kRecordPayloadCrcOffset, header.payload_crc);
  EncodeFixed64(to + kRecordPayloadBytesOffset,
                header.payload_bytes | uint64_t{header.type} << 48 | uint64_t{header.flags} << 56);
  const auto position = [number, to](LogPosition p, size_t at) {
    EncodeFixed32(to + at, static_cast<uint32_t>(p.offset / kUnitBytes));
    EncodeFixed32(to + at + 4, p.offset == 0 ? 0 : static_cast<uint32_t>(number - p.log));
  };
  position(header.prev, kRecordPrevOffset);
  position(header.durable, kRecordDurableOffset);
  EncodeFixed32(to + kRecordHeaderCrcOffset,
                ExtendCrc32c(salt, Slice(to + kRecordPayloadCrcOffset,
                                         kRecordHeaderBytes - kRecordPayloadCrcOffset)));
}

// Whether a record may stand at `offset` by what its bytes (kRecordHeaderBytes) say of the one
// before it. Cheap; almost no bytes that are no header pass.
inline bool MayStandAt(const char* bytes, uint64_t offset) {
  const uint64_t prev = uint64_t{DecodeFixed32(bytes + kRecordPrevOffset)} * kUnitBytes;
  if (offset == kDataOffset) return true;
  return (offset == prev || offset == RoundUpToBlock(prev)) && prev > kDataOffset &&
         DecodeFixed32(bytes + kRecordPrevDistance) == 0;
}

// The checksum a header with these bytes must have.
inline uint32_t RecordHeaderCrc(const char* bytes, uint32_t salt) {
  return ExtendCrc32c(
      salt, Slice(bytes + kRecordPayloadCrcOffset, kRecordHeaderBytes - kRecordPayloadCrcOffset));
}

// False if the bytes are no header of a record at `offset` of log `number`: the checksum is wrong,
// it stands where *previous* does not allow it, or its type is 0. Type and flags may be unknown
// ones.
bool DecodeRecordHeader(const char* bytes, uint32_t salt, FileNumber number, uint64_t offset,
                        RecordHeader* header);

}  // namespace varve::wal

#endif  // VARVE_WAL_LOG_RECORD_H_
