#include "wal/log_record.h"

#include <cstdio>
#include <cstring>

namespace varve::wal {

namespace {

std::string Hex(uint64_t value) {
  char text[19];
  std::snprintf(text, sizeof(text), "0x%08llx", static_cast<unsigned long long>(value));
  return text;
}

uint32_t HeaderCrc(const char* bytes) {
  return Crc32c(Slice(bytes + kHeaderVersionOffset, kHeaderBytes - kHeaderVersionOffset));
}

// A position as a header holds it; false if it names a log below number 0 or a place that is no
// end.
bool DecodePosition(const char* bytes, FileNumber number, LogPosition* position) {
  const uint64_t offset = uint64_t{DecodeFixed32(bytes)} * kUnitBytes;
  const uint64_t distance = DecodeFixed32(bytes + 4);
  if (offset == 0) {
    *position = {};
    return distance == 0;
  }
  *position = {number - distance, offset};
  return distance <= number && offset > kDataOffset;
}

}  // namespace

uint32_t LogHeader::Salt() const {
  char bytes[16];
  EncodeFixed64(bytes, number);
  EncodeFixed64(bytes + 8, nonce);
  return Crc32c(Slice(bytes, sizeof(bytes)));
}

std::string EncodeLogHeader(const LogHeader& header) {
  std::string bytes(kHeaderBytes, '\0');
  std::memcpy(bytes.data(), kMagic, kMagicBytes);
  EncodeFixed32(&bytes[kHeaderVersionOffset], header.version);
  EncodeFixed64(&bytes[kHeaderCompatOffset], header.compat);
  EncodeFixed64(&bytes[kHeaderReadOnlyCompatOffset], header.read_only_compat);
  EncodeFixed64(&bytes[kHeaderIncompatOffset], header.incompat);
  EncodeFixed64(&bytes[kHeaderNumberOffset], header.number);
  EncodeFixed64(&bytes[kHeaderNonceOffset], header.nonce);
  EncodeFixed64(&bytes[kHeaderCapacityOffset], header.capacity);
  EncodeFixed32(&bytes[kHeaderCrcOffset], HeaderCrc(bytes.data()));
  return bytes;
}

bool DecodeLogHeader(Slice bytes, LogHeader* header, std::string* why) {
  if (bytes.size() < kHeaderBytes) {
    *why = "expected a log header of " + std::to_string(kHeaderBytes) + " bytes, found " +
           std::to_string(bytes.size());
    return false;
  }
  const char* at = bytes.data();
  if (std::memcmp(at, kMagic, kMagicBytes) != 0) {
    *why = "expected the magic bytes of a log, found " + Hex(DecodeFixed64(at));
    return false;
  }
  const uint32_t expected = HeaderCrc(at), found = DecodeFixed32(at + kHeaderCrcOffset);
  if (expected != found) {
    *why = "expected log header checksum " + Hex(expected) + ", found " + Hex(found);
    return false;
  }
  header->version = DecodeFixed32(at + kHeaderVersionOffset);
  header->compat = DecodeFixed64(at + kHeaderCompatOffset);
  header->read_only_compat = DecodeFixed64(at + kHeaderReadOnlyCompatOffset);
  header->incompat = DecodeFixed64(at + kHeaderIncompatOffset);
  header->number = DecodeFixed64(at + kHeaderNumberOffset);
  header->nonce = DecodeFixed64(at + kHeaderNonceOffset);
  header->capacity = DecodeFixed64(at + kHeaderCapacityOffset);
  return true;
}

bool DecodeRecordHeader(const char* bytes, uint32_t salt, FileNumber number, uint64_t offset,
                        RecordHeader* header) {
  if (!MayStandAt(bytes, offset)) return false;
  if (DecodeFixed32(bytes + kRecordHeaderCrcOffset) != RecordHeaderCrc(bytes, salt)) return false;
  const uint64_t packed = DecodeFixed64(bytes + kRecordPayloadBytesOffset);
  header->payload_crc = DecodeFixed32(bytes + kRecordPayloadCrcOffset);
  header->payload_bytes = packed & ((uint64_t{1} << 48) - 1);
  header->type = static_cast<uint8_t>(packed >> 48);
  header->flags = static_cast<uint8_t>(packed >> 56);
  if (header->type == 0) return false;
  if (!DecodePosition(bytes + kRecordPrevOffset, number, &header->prev)) return false;
  if (!DecodePosition(bytes + kRecordDurableOffset, number, &header->durable)) return false;
  // The first record of a log follows one of an earlier log, any other one of this log.
  return (offset == kDataOffset) == (header->prev.log != number);
}

}  // namespace varve::wal
