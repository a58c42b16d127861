#include "table/index.h"

#include <algorithm>

namespace varve {

// ---- Building ----------------------------------------------------------------------------------

void IndexBuilder::Add(const BlockHandle& handle, uint64_t padding_before, Slice separator_user_key,
                       uint64_t trailer) {
  slots_.push_back(Slot{handle.offset, padding_before, separators_.size(), trailer != 0});
  separators_.append(separator_user_key);
  if (trailer != 0) PutFixed64(&separators_, trailer);
}

Slice IndexBuilder::UserKey(size_t i) const {
  const size_t end = i + 1 < slots_.size() ? slots_[i + 1].separator : separators_.size();
  const Slot& slot = slots_[i];
  return Slice(separators_.data() + slot.separator,
               end - slot.separator - (slot.has_trailer ? kTrailerBytes : 0));
}

void IndexBuilder::Finish(uint64_t data_bytes, std::string* content) const {
  // Separators rise bytewise, so what the first and the last share all share.
  size_t common = 0;
  if (bytewise_ && !slots_.empty()) {
    const Slice first = UserKey(0), last = UserKey(slots_.size() - 1);
    const size_t max = std::min(first.size(), last.size());
    while (common < max && first[common] == last[common]) ++common;
  }
  const uint64_t blocks = slots_.size();
  content->clear();
  content->reserve(kIndexHeaderBytes + blocks * 8 + (blocks + 1) * kIndexSlotBytes + common +
                   separators_.size());
  PutFixed64(content, blocks);
  PutFixed32(content, static_cast<uint32_t>(common));
  PutFixed32(content, bytewise_ ? kIndexHasPrefixes : 0);
  if (bytewise_) {
    for (size_t i = 0; i < blocks; ++i) PutFixed64(content, KeyPrefix(UserKey(i).substr(common)));
  }
  for (size_t i = 0; i < blocks; ++i) {
    const Slot& slot = slots_[i];
    PutFixed64(content, slot.offset | slot.padding << kSlotPaddingShift);
    PutFixed64(content, (slot.separator - i * common) | (slot.has_trailer ? kSlotHasTrailer : 0));
  }
  PutFixed64(content, data_bytes);
  PutFixed64(content, separators_.size() - blocks * common);
  if (blocks > 0) content->append(UserKey(0).substr(0, common));
  for (size_t i = 0; i < blocks; ++i) {
    const size_t end = i + 1 < blocks ? slots_[i + 1].separator : separators_.size();
    content->append(separators_, slots_[i].separator + common, end - slots_[i].separator - common);
  }
}

// ---- Reading -----------------------------------------------------------------------------------

const char* Index::Parse(Slice content, uint64_t data_bytes) {
  *this = Index();
  if (content.size() < kIndexHeaderBytes + kIndexSlotBytes) return "shorter than its header";
  const uint64_t blocks = DecodeFixed64(content.data());
  const uint64_t common_bytes = DecodeFixed32(content.data() + 8);
  const uint32_t flags = DecodeFixed32(content.data() + 12);
  if ((flags & ~kIndexHasPrefixes) != 0) return "unknown flags";
  const bool prefixed = (flags & kIndexHasPrefixes) != 0;
  const uint64_t block_bytes = kIndexSlotBytes + (prefixed ? 8 : 0);
  const uint64_t room = content.size() - kIndexHeaderBytes - kIndexSlotBytes;
  if (blocks > room / block_bytes) return "more blocks than bytes";
  if (common_bytes > room - blocks * block_bytes) return "common prefix longer than the index";

  blocks_ = blocks;
  const char* p = content.data() + kIndexHeaderBytes;
  if (prefixed) {
    prefixes_ = p;
    p += blocks * 8;
  }
  slots_ = p;
  p += (blocks + 1) * kIndexSlotBytes;
  common_ = Slice(p, common_bytes);
  separators_ = p + common_bytes;
  const uint64_t separator_bytes = room - blocks * block_bytes - common_bytes;

  uint64_t end = 0;        // of the block before
  uint64_t separator = 0;  // where this one starts
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t word = SlotWord(i);
    const uint64_t offset = word & kSlotOffsetMask, padding = word >> kSlotPaddingShift;
    if (padding > kBlockPaddingMax || offset != end + padding) {
      return "a block is not behind the one before";
    }
    const uint64_t next = SlotWord(i + 1);
    const uint64_t next_offset = next & kSlotOffsetMask, next_padding = next >> kSlotPaddingShift;
    if (next_offset < offset + next_padding + kBlockTrailerBytes || next_offset > data_bytes) {
      return "a block does not lie in the data";
    }
    end = next_offset - next_padding;

    const uint64_t separator_word = SeparatorWord(i);
    const uint64_t next_separator = SeparatorWord(i + 1) & ~kSlotHasTrailer;
    const uint64_t trailer_bytes = (separator_word & kSlotHasTrailer) != 0 ? kTrailerBytes : 0;
    if ((separator_word & ~kSlotHasTrailer) != separator || next_separator > separator_bytes ||
        next_separator < separator + trailer_bytes) {
      return "a separator does not lie in the index";
    }
    separator = next_separator;
  }
  if (SlotWord(blocks) != data_bytes || end != data_bytes) return "the blocks do not fill the data";
  if (SeparatorWord(blocks) != separator_bytes || separator != separator_bytes) {
    return "the separators do not fill the index";
  }
  return nullptr;
}

Index::Separator Index::SeparatorAt(uint64_t i) const {
  const uint64_t word = SeparatorWord(i);
  const char* const start = separators_ + (word & ~kSlotHasTrailer);
  const char* end = separators_ + (SeparatorWord(i + 1) & ~kSlotHasTrailer);
  uint64_t trailer = 0;
  if ((word & kSlotHasTrailer) != 0) {
    end -= kTrailerBytes;
    trailer = DecodeFixed64(end);
  }
  return {Slice(start, end - start), trailer};
}

std::string Index::separator(uint64_t i) const {
  const Separator s = SeparatorAt(i);
  std::string key(common_);
  AppendInternalKey(&key, s.suffix, s.trailer);
  return key;
}

uint64_t Index::Find(const InternalKeyComparator& comparator, Slice target) const {
  const Slice user_key = ExtractUserKey(target);
  const uint64_t trailer = ExtractTrailer(target);
  return prefixes_ != nullptr ? FindBytewise(user_key, trailer)
                              : FindCustom(comparator, user_key, trailer);
}

uint64_t Index::FindBytewise(Slice user_key, uint64_t trailer) const {
  const size_t shared = std::min(common_.size(), user_key.size());
  const int by_common = std::memcmp(user_key.data(), common_.data(), shared);
  if (by_common < 0 || (by_common == 0 && shared < common_.size())) return 0;
  if (by_common > 0 || blocks_ == 0) return blocks_;
  const Slice rest = user_key.substr(shared);
  const uint64_t prefix = KeyPrefix(rest);

  // The first prefix at or above the target's. The only branch is the loop's.
  const char* base = prefixes_;
  for (uint64_t n = blocks_; n > 1;) {
    const uint64_t half = n / 2;
    base = DecodeFixed64(base + 8 * (half - 1)) < prefix ? base + 8 * half : base;
    n -= half;
  }
  uint64_t low = (base - prefixes_) / 8 + (DecodeFixed64(base) < prefix ? 1 : 0);
  if (low == blocks_ || DecodeFixed64(prefixes_ + 8 * low) != prefix) return low;

  // Among equal prefixes: the end of their run by doubling, then a binary search of separators.
  uint64_t high = low + 1;
  for (uint64_t step = 1; high < blocks_ && DecodeFixed64(prefixes_ + 8 * high) == prefix;) {
    high = std::min(blocks_, high + step);
    step *= 2;
  }
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const Separator s = SeparatorAt(middle);
    const int order = s.suffix.compare(rest);
    if (order < 0 || (order == 0 && s.trailer > trailer)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint64_t Index::FindCustom(const InternalKeyComparator& comparator, Slice user_key,
                           uint64_t trailer) const {
  std::string key(common_);
  uint64_t low = 0, high = blocks_;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const Separator s = SeparatorAt(middle);
    key.resize(common_.size());
    key.append(s.suffix);
    const int order = comparator.CompareUserKeys(key, user_key);
    if (order < 0 || (order == 0 && s.trailer > trailer)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace varve
