#include "table/stored_block.h"

#include <cstdlib>
#include <new>
#include <utility>

#include "table/compression.h"
#include "table/segment_format.h"
#include "util/coding.h"
#include "util/crc32c.h"
#include "util/hash.h"

namespace varve {

namespace {

std::string Hex32(uint32_t value) {
  char text[11];
  snprintf(text, sizeof(text), "0x%08x", value);
  return text;
}

constexpr std::align_val_t kPageAlignment{kDevicePageBytes};

}  // namespace

uint32_t StoredChecksum(Slice content, Slice tail, uint8_t compression, FileNumber number,
                        uint64_t offset) {
  const char type = static_cast<char>(compression);
  uint32_t crc = Crc32c(content);
  if (!tail.empty()) crc = ExtendCrc32c(crc, tail);
  crc = ExtendCrc32c(crc, Slice(&type, 1));
  return crc ^ static_cast<uint32_t>(Mix64(Mix64(number) + offset));
}

Status SegmentSource::Corrupt(Slice what, uint64_t offset, Slice detail) const {
  std::string message = path;
  message.append(": ").append(what).append(" at offset ").append(std::to_string(offset));
  return Status::Corruption(message.append(": ").append(detail));
}

HeldBlock* HeldBlock::New(size_t content_bytes) {
  const size_t allocated = sizeof(HeldBlock) + content_bytes + Block::kSlackBytes;
  HeldBlock* const held = new (::operator new(allocated)) HeldBlock(allocated);
  // The slack is compared and copied, never used; it is set so that it is not undefined.
  std::memset(held->bytes() + content_bytes, 0, Block::kSlackBytes);
  return held;
}

void HeldBlock::Delete(void* held) {
  static_cast<HeldBlock*>(held)->~HeldBlock();
  ::operator delete(held);
}

RangeRead::RangeRead(const RandomAccessFile& file, uint64_t offset, size_t size)
    : offset_(offset), size_(size) {
  if (file.direct()) {
    const uint64_t start = offset / kDevicePageBytes * kDevicePageBytes;
    const uint64_t pages = (offset + size - start + kDevicePageBytes - 1) / kDevicePageBytes;
    const size_t bytes = pages * kDevicePageBytes;
    aligned_ = static_cast<char*>(::operator new(bytes + kDevicePageBytes, kPageAlignment));
    std::memset(aligned_ + bytes, 0, Block::kSlackBytes);
    request_.offset = start;
    request_.size = bytes;
    request_.buffer = aligned_;
  } else {
    held_ = HeldBlock::New(size);
    request_.offset = offset;
    request_.size = size;
    request_.buffer = held_->bytes();
  }
}

RangeRead::~RangeRead() {
  if (held_ != nullptr) HeldBlock::Delete(held_);
  if (aligned_ != nullptr) ::operator delete(aligned_, kPageAlignment);
}

RangeRead::RangeRead(RangeRead&& other) noexcept
    : offset_(other.offset_),
      size_(other.size_),
      held_(std::exchange(other.held_, nullptr)),
      aligned_(std::exchange(other.aligned_, nullptr)),
      request_(std::move(other.request_)) {}

void RangeRead::Run(const RandomAccessFile& file) {
  request_.status =
      file.Read(request_.offset, request_.size, request_.buffer, &request_.bytes_read);
}

Status RangeRead::Result(const SegmentSource& source, Slice* bytes) const {
  if (!request_.status.ok()) return request_.status;
  const uint64_t before = offset_ - request_.offset;
  const uint64_t found = request_.bytes_read > before ? request_.bytes_read - before : 0;
  if (found < size_) {
    return source.Corrupt("read", offset_,
                          "expected " + std::to_string(size_) + " bytes, found " +
                              std::to_string(found) + " before the end of the file");
  }
  *bytes = Slice(request_.buffer + before, size_);
  return Status::OK();
}

HeldBlock* RangeRead::TakeHeld() {
  if (held_ != nullptr) return std::exchange(held_, nullptr);
  HeldBlock* const held = HeldBlock::New(size_);
  std::memcpy(held->bytes(), aligned_ + (offset_ - request_.offset), size_);
  return held;
}

Status CheckStored(const SegmentSource& source, Slice stored, uint64_t offset, bool verify,
                   Compression* compression) {
  const Slice content = stored.substr(0, stored.size() - kBlockTrailerBytes);
  const uint8_t type = static_cast<uint8_t>(content.data()[content.size()]);
  if (verify) {
    const uint32_t expected = DecodeFixed32(content.data() + content.size() + 1);
    const uint32_t found = StoredChecksum(content, Slice(), type, source.number, offset);
    if (expected != found) {
      return source.Corrupt("checksum of the block of " + std::to_string(stored.size()) + " bytes",
                            offset, "expected " + Hex32(expected) + ", found " + Hex32(found));
    }
  }
  if (!KnownCompression(type)) {
    return source.Corrupt("compression of the block", offset,
                          "expected at most 3, found " + std::to_string(type));
  }
  *compression = static_cast<Compression>(type);
  return Status::OK();
}

namespace {

Status Expand(const SegmentSource& source, Compression compression, Slice content, uint64_t offset,
              uint64_t raw_bytes_max, HeldBlock** held) {
  uint64_t raw_bytes;
  if (!TakeRawSize(&content, &raw_bytes) || raw_bytes > raw_bytes_max) {
    return source.Corrupt(
        "size of the expanded block", offset,
        "expected at most " + std::to_string(raw_bytes_max) + " and what its stored bytes justify");
  }
  *held = HeldBlock::New(raw_bytes);
  if (!Decompress(compression, content, (*held)->bytes(), raw_bytes)) {
    HeldBlock::Delete(std::exchange(*held, nullptr));
    return source.Corrupt("compressed block", offset,
                          std::string("not ") + CompressionName(compression) + " of " +
                              std::to_string(raw_bytes) + " bytes");
  }
  if (const char* wrong = (*held)->block.Parse(Slice((*held)->bytes(), raw_bytes))) {
    HeldBlock::Delete(std::exchange(*held, nullptr));
    return source.Corrupt("content of the block", offset, wrong);
  }
  return Status::OK();
}

// `held` holds stored bytes of which the first content_bytes are the block.
Status ParseHeld(const SegmentSource& source, HeldBlock* stored, size_t content_bytes,
                 uint64_t offset, HeldBlock** held) {
  if (const char* wrong = stored->block.Parse(Slice(stored->bytes(), content_bytes))) {
    HeldBlock::Delete(stored);
    return source.Corrupt("content of the block", offset, wrong);
  }
  *held = stored;
  return Status::OK();
}

}  // namespace

Status MakeBlock(const SegmentSource& source, Slice stored, uint64_t offset, bool verify,
                 uint64_t raw_bytes_max, HeldBlock** held) {
  Compression compression;
  if (Status s = CheckStored(source, stored, offset, verify, &compression); !s.ok()) return s;
  const Slice content = stored.substr(0, stored.size() - kBlockTrailerBytes);
  if (compression != Compression::kNone) {
    return Expand(source, compression, content, offset, raw_bytes_max, held);
  }
  HeldBlock* const copy = HeldBlock::New(content.size());
  std::memcpy(copy->bytes(), content.data(), content.size());
  return ParseHeld(source, copy, content.size(), offset, held);
}

Status MakeBlock(const SegmentSource& source, RangeRead* read, uint64_t offset, bool verify,
                 uint64_t raw_bytes_max, HeldBlock** held) {
  Slice stored;
  if (Status s = read->Result(source, &stored); !s.ok()) return s;
  Compression compression;
  if (Status s = CheckStored(source, stored, offset, verify, &compression); !s.ok()) return s;
  const Slice content = stored.substr(0, stored.size() - kBlockTrailerBytes);
  if (compression != Compression::kNone) {
    return Expand(source, compression, content, offset, raw_bytes_max, held);
  }
  return ParseHeld(source, read->TakeHeld(), content.size(), offset, held);
}

}  // namespace varve
