#ifndef VARVE_TABLE_BLOCK_H_
#define VARVE_TABLE_BLOCK_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "table/segment_format.h"
#include "util/coding.h"
#include "util/internal_key.h"
#include "varve/slice.h"

// A data block in memory, searched and iterated where it lies.
//
// Content (table/FORMAT.md):
//
//   | header, 20 bytes | prefix | tags, 1 byte each | offsets, 2 or 4 bytes each | entries |
//   entry: | varint bytes of suffix | suffix | trailer, `width` bytes | value |
//
// All keys share `prefix`; an entry holds the rest of the user key in one piece, so a search
// compares in place and stepping back costs what stepping forward costs. A trailer is the header's
// base plus `width` bytes. An entry ends where the next begins.
//
//  Point lookup: compare one byte of the key's hash with all tags at once; look only at entries
//    whose tag matches (one in 256 of the others does). That touches the header, tags and offsets,
//    which are adjacent, and the entry.
//  Seek: binary search over the offsets, comparing suffixes in place.
//
// Rejected: deltas against the previous entry with restart points. They save some bytes of long
// keys which compression saves too, and cost decoding in each search, and a walk from the restart
// point in each step back.
//
// Invariants, checked by Parse on any bytes: offsets rise, each entry holds its suffix and trailer,
// no key is longer than kUserKeyBytesMax. So nothing after Parse can leave the block. The order
// of the keys is not checked; a search over keys out of order finds a wrong entry or none.
//
// Thread safety: immutable after Parse.

namespace varve {

class Block {
 public:
  // Bytes that must be readable (not meaningful) after the content.
  static constexpr size_t kSlackBytes = 16;

  Block() = default;

  // Takes `content`, which must outlive the block and be followed by kSlackBytes readable bytes.
  // Null, or what is wrong with it.
  const char* Parse(Slice content);

  uint32_t entries() const { return entries_; }
  Slice content() const { return Slice(content_, content_bytes_); }
  Slice prefix() const { return Slice(prefix_, prefix_bytes_); }
  bool has_tags() const { return tags_ != nullptr; }
  uint8_t tag(uint32_t i) const { return static_cast<uint8_t>(tags_[i]); }

  struct Entry {
    const char* suffix;
    uint32_t suffix_bytes;
    uint64_t trailer;
    Slice value;
  };
  Entry entry(uint32_t i) const {
    const char* p = content_ + Offset(i);
    const char* const end = i + 1 < entries_ ? content_ + Offset(i + 1) : content_ + content_bytes_;
    Entry e;
    p = SuffixAt(p, &e.suffix_bytes);
    e.suffix = p;
    p += e.suffix_bytes;
    e.trailer = TrailerAt(p);
    p += width_;
    e.value = Slice(p, end - p);
    return e;
  }
  void AppendUserKey(uint32_t i, std::string* key) const {
    const Entry e = entry(i);
    key->append(prefix());
    key->append(e.suffix, e.suffix_bytes);
  }

  // The first entry at or after the internal key `target` if it is of the same user key; entries()
  // otherwise. `tag` is TagOfHash of the user key's hash.
  uint32_t Find(const InternalKeyComparator& comparator, Slice target, uint8_t tag) const;

  // The first entry at or after `target`, an internal key; entries() if there is none.
  uint32_t LowerBound(const InternalKeyComparator& comparator, Slice target) const;

  // The same in steps, in bytewise order only: the result is between low and high, and is low when
  // they meet. `target` must outlive the search.
  struct Search {
    Slice rest;            // of the target's user key, behind the block's prefix
    uint64_t rest_prefix;  // KeyPrefix(rest)
    uint64_t trailer;
    uint32_t low;
    uint32_t high;

    bool done() const { return low == high; }
  };
  Search BeginSearch(Slice target) const;
  // Not for a search that is done.
  void StepSearch(Search* search) const {
    const uint32_t middle = search->low + (search->high - search->low) / 2;
    uint32_t suffix_bytes;
    const char* const suffix = SuffixAt(content_ + Offset(middle), &suffix_bytes);
    const uint64_t prefix = SuffixPrefix(suffix, suffix_bytes);
    bool before = prefix < search->rest_prefix;
    if (prefix == search->rest_prefix) {
      const int order = Slice(suffix, suffix_bytes).compare(search->rest);
      // An entry of the same key with a higher trailer comes before the target.
      before = order < 0 || (order == 0 && TrailerAt(suffix + suffix_bytes) > search->trailer);
    }
    if (before) {
      search->low = middle + 1;
    } else {
      search->high = middle;
    }
  }
  // Starts to load what the next step reads, and, of a search that is done, the entry it found.
  void PrefetchStep(const Search& search) const {
    const uint32_t middle = search.low + (search.high - search.low) / 2;
    if (middle < entries_) __builtin_prefetch(content_ + Offset(middle));
  }

 private:
  uint32_t Offset(uint32_t i) const {
    return wide_ ? DecodeFixed32(offsets_ + size_t{4} * i)
                 : DecodeFixed16(offsets_ + size_t{2} * i);
  }
  // For entries that Parse has checked.
  static const char* SuffixAt(const char* p, uint32_t* bytes) {
    const uint8_t first = static_cast<uint8_t>(*p);
    if (first < 0x80) {
      *bytes = first;
      return p + 1;
    }
    *bytes = 0;
    return DecodeVarint32(p, p + kVarint32BytesMax, bytes);
  }
  // KeyPrefix() of a suffix, which is followed by kSlackBytes at least.
  static uint64_t SuffixPrefix(const char* suffix, uint32_t bytes) {
    const uint64_t prefix = __builtin_bswap64(DecodeFixed64(suffix));
    if (bytes >= 8) return prefix;
    return bytes == 0 ? 0 : prefix >> (64 - 8 * bytes) << (64 - 8 * bytes);
  }
  uint64_t TrailerAt(const char* p) const { return base_ + (DecodeFixed64(p) & trailer_mask_); }
  bool SameBytes(uint32_t i, Slice user_key) const;
  uint32_t FindByTag(Slice user_key, uint64_t trailer, uint8_t tag) const;
  uint32_t LowerBoundCustom(const Comparator& user, Slice user_key, uint64_t trailer) const;

  const char* content_ = nullptr;
  const char* prefix_ = nullptr;
  const char* tags_ = nullptr;
  const char* offsets_ = nullptr;
  uint64_t content_bytes_ = 0;
  uint64_t base_ = 0;
  uint64_t trailer_mask_ = 0;
  uint32_t entries_ = 0;
  uint32_t prefix_bytes_ = 0;
  uint8_t width_ = 0;
  bool wide_ = false;
};

// Steps over the entries of one block, assembling internal keys. Holds the block by pointer.
class BlockCursor {
 public:
  // Invalid afterwards.
  void SetBlock(const Block* block);

  const Block* block() const { return block_; }
  uint32_t entries() const { return entries_; }
  bool valid() const { return index_ < entries_; }
  uint32_t index() const { return index_; }
  // Any position; one at or past the end makes it invalid.
  void MoveTo(uint32_t index) {
    index_ = index;
    if (index < entries_) Load();
  }
  // The bytes live until the cursor moves.
  Slice key() const { return Slice(key_.data(), key_bytes_); }
  Slice value() const { return value_; }

 private:
  void Load() {
    const Block::Entry e = block_->entry(index_);
    const size_t user_bytes = prefix_bytes_ + e.suffix_bytes;
    key_bytes_ = user_bytes + kTrailerBytes;
    if (key_bytes_ + kCopySlack > key_.size()) [[unlikely]]
      key_.resize(2 * key_bytes_ + kCopySlack);
    char* const to = key_.data() + prefix_bytes_;
    if (e.suffix_bytes <= kCopySlack) {
      // Slack on both sides: a fixed-size copy, without a call.
      std::memcpy(to, e.suffix, kCopySlack);
    } else {
      std::memcpy(to, e.suffix, e.suffix_bytes);
    }
    EncodeFixed64(to + e.suffix_bytes, e.trailer);
    value_ = e.value;
  }

  static constexpr size_t kCopySlack = Block::kSlackBytes;

  const Block* block_ = nullptr;
  uint32_t entries_ = 0;
  uint32_t index_ = 0;
  size_t prefix_bytes_ = 0;
  size_t key_bytes_ = 0;
  Slice value_;
  std::string key_;
};

}  // namespace varve

#endif  // VARVE_TABLE_BLOCK_H_
