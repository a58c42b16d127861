#include "table/block_builder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "util/coding.h"

namespace varve {

namespace {

uint32_t SharedBytes(Slice a, Slice b, uint32_t max) {
  uint32_t i = 0;
  for (; i + 8 <= max; i += 8) {
    const uint64_t different = DecodeFixed64(a.data() + i) ^ DecodeFixed64(b.data() + i);
    if (different != 0) return i + std::countr_zero(different) / 8;
  }
  while (i < max && a[i] == b[i]) ++i;
  return i;
}

uint8_t WidthOf(uint64_t range) { return static_cast<uint8_t>((std::bit_width(range) + 7) / 8); }

char* EncodeHeader(char* to, uint64_t base, uint32_t entries, uint32_t prefix_bytes, uint8_t width,
                   uint8_t flags) {
  EncodeFixed64(to, base);
  EncodeFixed32(to + 8, entries);
  EncodeFixed32(to + 12, prefix_bytes);
  to[16] = static_cast<char>(width);
  to[17] = static_cast<char>(flags);
  EncodeFixed16(to + 18, 0);
  return to + kBlockHeaderBytes;
}

}  // namespace

BlockBuilder::Shape BlockBuilder::ShapeWith(Slice user_key, uint64_t trailer) const {
  if (entries_.empty()) {
    return Shape{static_cast<uint32_t>(user_key.size()), trailer, trailer};
  }
  const Slice first(buffer_.data() + entries_[0].start, entries_[0].user_key_bytes);
  const uint32_t max = std::min(shape_.prefix_bytes, static_cast<uint32_t>(user_key.size()));
  return Shape{SharedBytes(first, user_key, max), std::min(shape_.trailer_min, trailer),
               std::max(shape_.trailer_max, trailer)};
}

uint64_t BlockBuilder::SizeWith(Slice internal_key, uint64_t value_bytes) const {
  const Slice user_key = ExtractUserKey(internal_key);
  const Shape shape = ShapeWith(user_key, ExtractTrailer(internal_key));
  const uint64_t count = entries_.size() + 1;
  const uint64_t entry_bytes = suffix_length_bytes_ + VarintLength(user_key.size()) +
                               user_key_bytes_ + user_key.size() - count * shape.prefix_bytes +
                               count * WidthOf(shape.trailer_max - shape.trailer_min) +
                               value_bytes_ + value_bytes;
  const uint64_t before =
      kBlockHeaderBytes + shape.prefix_bytes + (tags_ && count <= kTaggedEntriesMax ? count : 0);
  // Offsets are narrow while the last entry starts below 64 KiB.
  const bool wide = before + 2 * count + entry_bytes - value_bytes > UINT16_MAX;
  return before + (wide ? 4 : 2) * count + entry_bytes;
}

void BlockBuilder::Add(Slice internal_key, uint64_t key_hash, Slice value) {
  const Slice user_key = ExtractUserKey(internal_key);
  const uint64_t trailer = ExtractTrailer(internal_key);
  shape_ = ShapeWith(user_key, trailer);
  entries_.push_back(Entry{buffer_.size(), value.size(), trailer,
                           static_cast<uint32_t>(user_key.size()), TagOfHash(key_hash)});
  buffer_.append(user_key);
  buffer_.append(value);
  suffix_length_bytes_ += VarintLength(user_key.size());
  user_key_bytes_ += user_key.size();
  value_bytes_ += value.size();
}

void BlockBuilder::Finish(std::string* content) {
  const size_t count = entries_.size();
  const uint32_t prefix_bytes = shape_.prefix_bytes;
  const uint64_t base = shape_.trailer_min;
  const uint8_t width = WidthOf(shape_.trailer_max - base);
  const bool tagged = tags_ && count <= kTaggedEntriesMax;

  // Exact lengths first: they decide how wide the offsets are.
  uint64_t entry_bytes = user_key_bytes_ - count * prefix_bytes + count * width + value_bytes_;
  if (entries_.empty()) return;
  for (const Entry& e : entries_) entry_bytes += VarintLength(e.user_key_bytes - prefix_bytes);
  const uint64_t before = kBlockHeaderBytes + prefix_bytes + (tagged ? count : 0);
  const Entry& last = entries_.back();
  const uint64_t last_bytes = VarintLength(last.user_key_bytes - prefix_bytes) +
                              last.user_key_bytes - prefix_bytes + width + last.value_bytes;
  const bool wide = before + 2 * count + entry_bytes - last_bytes > UINT16_MAX;
  const uint64_t total = before + (wide ? 4 : 2) * count + entry_bytes;

  // Trailers are stored eight bytes at a time, hence the room behind.
  content->resize(total + kTrailerBytes);
  char* const start = content->data();
  const uint8_t flags = (tagged ? kBlockHasTags : 0) | (wide ? kBlockWideOffsets : 0);
  char* p = EncodeHeader(start, base, static_cast<uint32_t>(count), prefix_bytes, width, flags);
  std::memcpy(p, buffer_.data() + entries_[0].start, prefix_bytes);
  p += prefix_bytes;
  if (tagged) {
    for (const Entry& e : entries_) *p++ = static_cast<char>(e.tag);
  }
  char* offset = p;
  p += (wide ? 4 : 2) * count;
  for (const Entry& e : entries_) {
    const uint64_t at = p - start;
    if (wide) {
      EncodeFixed32(offset, static_cast<uint32_t>(at));
      offset += 4;
    } else {
      EncodeFixed16(offset, static_cast<uint16_t>(at));
      offset += 2;
    }
    const uint32_t suffix_bytes = e.user_key_bytes - prefix_bytes;
    p = EncodeVarint32(p, suffix_bytes);
    const char* const key = buffer_.data() + e.start;
    std::memcpy(p, key + prefix_bytes, suffix_bytes);
    p += suffix_bytes;
    EncodeFixed64(p, e.trailer - base);
    p += width;
    std::memcpy(p, key + e.user_key_bytes, e.value_bytes);
    p += e.value_bytes;
  }
  content->resize(total);

  entries_.clear();
  buffer_.clear();
  suffix_length_bytes_ = user_key_bytes_ = value_bytes_ = 0;
}

void BlockBuilder::EncodeSingle(Slice internal_key, std::string* head) {
  const Slice user_key = ExtractUserKey(internal_key);
  const uint32_t prefix_bytes = static_cast<uint32_t>(user_key.size());
  // The prefix is the whole key. 64 KiB of it would leave the entry beyond a narrow offset.
  const bool wide = kBlockHeaderBytes + prefix_bytes + 2 > UINT16_MAX;
  char header[kBlockHeaderBytes];
  EncodeHeader(header, ExtractTrailer(internal_key), 1, prefix_bytes, 0,
               wide ? kBlockWideOffsets : 0);
  head->assign(header, sizeof(header));
  head->append(user_key);
  const size_t entry_start = head->size() + (wide ? 4 : 2);
  if (wide) {
    PutFixed32(head, static_cast<uint32_t>(entry_start));
  } else {
    const char narrow[2] = {static_cast<char>(entry_start), static_cast<char>(entry_start >> 8)};
    head->append(narrow, sizeof(narrow));
  }
  head->push_back(0);  // the suffix is empty
}

}  // namespace varve
