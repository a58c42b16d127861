#include "table/block.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>

namespace varve {

const char* Block::Parse(Slice content) {
  *this = Block();
  if (content.size() < kBlockHeaderBytes) return "shorter than its header";
  const char* const start = content.data();
  const uint64_t count = DecodeFixed32(start + 8);
  const uint64_t prefix_bytes = DecodeFixed32(start + 12);
  const uint8_t width = static_cast<uint8_t>(start[16]);
  const uint8_t flags = static_cast<uint8_t>(start[17]);
  if (count == 0) return "no entries";
  if (prefix_bytes > kUserKeyBytesMax) return "prefix over the limit of keys";
  if (width > kTrailerBytes) return "trailer width over 8";
  if ((flags & ~kBlockKnownFlags) != 0) return "unknown flags";

  const bool wide = (flags & kBlockWideOffsets) != 0;
  const bool tagged = (flags & kBlockHasTags) != 0;
  const uint64_t tag_bytes = tagged ? count : 0;
  const uint64_t offset_bytes = count * (wide ? 4 : 2);
  const uint64_t first_entry = kBlockHeaderBytes + prefix_bytes + tag_bytes + offset_bytes;
  // At least the length of its suffix stands in each entry.
  if (first_entry + count > content.size()) return "more entries than bytes";

  content_ = start;
  content_bytes_ = content.size();
  base_ = DecodeFixed64(start);
  trailer_mask_ = width == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * width)) - 1;
  entries_ = static_cast<uint32_t>(count);
  prefix_ = start + kBlockHeaderBytes;
  prefix_bytes_ = static_cast<uint32_t>(prefix_bytes);
  tags_ = tagged ? prefix_ + prefix_bytes : nullptr;
  offsets_ = prefix_ + prefix_bytes + tag_bytes;
  width_ = width;
  wide_ = wide;

  if (Offset(0) != first_entry) return "the first entry is not where it must be";
  const uint64_t suffix_bytes_max = kUserKeyBytesMax - prefix_bytes;
  uint64_t at = first_entry;
  for (uint32_t i = 0; i < entries_; ++i) {
    const uint64_t end = i + 1 < entries_ ? Offset(i + 1) : content_bytes_;
    if (end <= at || end > content_bytes_) return "entry offsets do not rise";
    uint32_t suffix_bytes;
    const char* const suffix = DecodeVarint32(start + at, start + end, &suffix_bytes);
    if (suffix == nullptr || suffix_bytes > suffix_bytes_max ||
        uint64_t{suffix_bytes} + width > static_cast<uint64_t>(start + end - suffix)) {
      return "a key leaves its entry";
    }
    at = end;
  }
  return nullptr;
}

inline bool Block::SameBytes(uint32_t i, Slice user_key) const {
  uint32_t suffix_bytes;
  const char* const suffix = SuffixAt(content_ + Offset(i), &suffix_bytes);
  return user_key.size() == size_t{prefix_bytes_} + suffix_bytes &&
         std::memcmp(user_key.data() + prefix_bytes_, suffix, suffix_bytes) == 0 &&
         std::memcmp(user_key.data(), prefix_, prefix_bytes_) == 0;
}

uint32_t Block::Find(const InternalKeyComparator& comparator, Slice target, uint8_t tag) const {
  const Slice user_key = ExtractUserKey(target);
  // A block has tags only where equal keys are identical.
  if (tags_ != nullptr) return FindByTag(user_key, ExtractTrailer(target), tag);
  const uint32_t i = LowerBound(comparator, target);
  if (i == entries_) return i;
  if (comparator.bytewise()) return SameBytes(i, user_key) ? i : entries_;
  std::string found;
  AppendUserKey(i, &found);
  return comparator.CompareUserKeys(found, user_key) == 0 ? i : entries_;
}

uint32_t Block::FindByTag(Slice user_key, uint64_t trailer, uint8_t tag) const {
  const auto matches = [&](uint32_t i) {
    if (!SameBytes(i, user_key)) return false;
    uint32_t suffix_bytes;
    const char* const suffix = SuffixAt(content_ + Offset(i), &suffix_bytes);
    return TrailerAt(suffix + suffix_bytes) <= trailer;
  };
#if defined(__SSE2__)
  // Sixteen tags at once; those past the last are masked off.
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  for (uint32_t i = 0; i < entries_; i += 16) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags_ + i));
    uint32_t hits = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(some, wanted)));
    if (entries_ - i < 16) hits &= (1u << (entries_ - i)) - 1;
    for (; hits != 0; hits &= hits - 1) {
      const uint32_t candidate = i + static_cast<uint32_t>(__builtin_ctz(hits));
      if (matches(candidate)) return candidate;
    }
  }
#else
  for (const char *p = tags_, *const end = tags_ + entries_; p < end; ++p) {
    p = static_cast<const char*>(std::memchr(p, tag, end - p));
    if (p == nullptr) break;
    const uint32_t candidate = static_cast<uint32_t>(p - tags_);
    if (matches(candidate)) return candidate;
  }
#endif
  return entries_;
}

uint32_t Block::LowerBound(const InternalKeyComparator& comparator, Slice target) const {
  if (!comparator.bytewise()) {
    return LowerBoundCustom(*comparator.user_comparator(), ExtractUserKey(target),
                            ExtractTrailer(target));
  }
  Search search = BeginSearch(target);
  while (!search.done()) StepSearch(&search);
  return search.low;
}

Block::Search Block::BeginSearch(Slice target) const {
  const Slice user_key = ExtractUserKey(target);
  const size_t shared = std::min<size_t>(prefix_bytes_, user_key.size());
  const int by_prefix = std::memcmp(user_key.data(), prefix_, shared);
  const Slice rest = user_key.substr(shared);
  Search search{rest, KeyPrefix(rest), ExtractTrailer(target), 0, entries_};
  if (by_prefix < 0 || (by_prefix == 0 && shared < prefix_bytes_)) {
    search.high = 0;
  } else if (by_prefix > 0) {
    search.low = entries_;
  }
  return search;
}

uint32_t Block::LowerBoundCustom(const Comparator& user, Slice user_key, uint64_t trailer) const {
  std::string key(prefix());
  uint32_t low = 0, high = entries_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const Entry e = entry(middle);
    key.resize(prefix_bytes_);
    key.append(e.suffix, e.suffix_bytes);
    const int order = user.Compare(key, user_key);
    if (order < 0 || (order == 0 && e.trailer > trailer)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void BlockCursor::SetBlock(const Block* block) {
  block_ = block;
  value_ = Slice();
  entries_ = block == nullptr ? 0 : block->entries();
  index_ = entries_;
  key_bytes_ = 0;
  prefix_bytes_ = 0;
  if (block == nullptr) return;
  const Slice prefix = block->prefix();
  prefix_bytes_ = prefix.size();
  if (key_.size() < prefix.size() + 64) key_.resize(prefix.size() + 64);
  std::memcpy(key_.data(), prefix.data(), prefix.size());
}

}  // namespace varve
