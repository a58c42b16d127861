#ifndef VARVE_TABLE_INDEX_H_
#define VARVE_TABLE_INDEX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "table/segment_format.h"
#include "util/coding.h"
#include "util/internal_key.h"
#include "varve/slice.h"

// The index: for each data block where it lies, and a separator: a key at or after its last one
// and before the first one of the next block. Searched where it lies in memory, without decoding.
//
//   | header, 16 bytes | prefixes: fixed64 each | slots: 16 bytes each, one more than blocks |
//   | common prefix | separators |
//
//  1. All separators share a common prefix. The target is compared with it once.
//  2. `prefixes` hold the next eight bytes of each separator as a number that orders as the bytes
//     do (KeyPrefix). A branchless binary search finds the first that is not below the target's.
//  3. Only where it equals the target's are separators themselves compared, among the equals.
//  Under another than the bytewise comparator there are no prefixes, and separators are whole last
//  keys, compared by the comparator in a plain binary search.
//
// A separator is a user key, and a trailer where the next block begins with the same user key.
// Blocks lie one behind the other, so a slot says where the block starts and how much padding
// stands before it; the block ends where the padding of the next begins.
//
// Invariants, checked by Parse on any bytes: blocks rise, do not overlap, lie in the data area and
// hold at least a trailer; separators lie in the index. Order of the separators is not checked; a
// search over separators out of order finds a wrong block of the same segment.

namespace varve {

// Where a block lies: its stored bytes, trailer included.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// Not thread-safe.
class IndexBuilder {
 public:
  explicit IndexBuilder(bool bytewise) : bytewise_(bytewise) {}

  // Appends a block. `trailer` 0: the separator is the user key with all its versions.
  void Add(const BlockHandle& handle, uint64_t padding_before, Slice separator_user_key,
           uint64_t trailer);
  // Replaces *content by the index. `data_bytes` is the end of the last block.
  void Finish(uint64_t data_bytes, std::string* content) const;

  uint64_t EstimatedBytes() const {
    return kIndexHeaderBytes + (slots_.size() + 1) * (kIndexSlotBytes + 8) + separators_.size();
  }

 private:
  struct Slot {
    uint64_t offset;
    uint64_t padding;
    uint64_t separator;  // where it starts in separators_
    bool has_trailer;
  };
  Slice UserKey(size_t i) const;

  const bool bytewise_;
  std::vector<Slot> slots_;
  std::string separators_;
};

// Thread safety: immutable after Parse.
class Index {
 public:
  // Takes the index; `content` must outlive it. `data_bytes` bounds the blocks. Null, or what is
  // wrong with it.
  const char* Parse(Slice content, uint64_t data_bytes);

  uint64_t blocks() const { return blocks_; }
  bool has_prefixes() const { return prefixes_ != nullptr; }
  BlockHandle handle(uint64_t i) const {
    const uint64_t offset = SlotWord(i) & kSlotOffsetMask;
    const uint64_t next = SlotWord(i + 1);
    return {offset, (next & kSlotOffsetMask) - (next >> kSlotPaddingShift) - offset};
  }
  // Starts to load what handle(i) reads.
  void PrefetchHandle(uint64_t i) const { __builtin_prefetch(slots_ + i * kIndexSlotBytes); }
  uint64_t padding_before(uint64_t i) const { return SlotWord(i) >> kSlotPaddingShift; }
  // An internal key.
  std::string separator(uint64_t i) const;

  // The one block that may hold the first entry at or after the internal key `target`; if that
  // block ends before it, the entry is the first of the next. blocks() if all entries are before.
  uint64_t Find(const InternalKeyComparator& comparator, Slice target) const;

 private:
  // The separator behind the common prefix.
  struct Separator {
    Slice suffix;
    uint64_t trailer;
  };
  uint64_t SlotWord(uint64_t i) const { return DecodeFixed64(slots_ + i * kIndexSlotBytes); }
  uint64_t SeparatorWord(uint64_t i) const {
    return DecodeFixed64(slots_ + i * kIndexSlotBytes + 8);
  }
  Separator SeparatorAt(uint64_t i) const;
  uint64_t FindBytewise(Slice user_key, uint64_t trailer) const;
  uint64_t FindCustom(const InternalKeyComparator& comparator, Slice user_key,
                      uint64_t trailer) const;

  const char* prefixes_ = nullptr;
  const char* slots_ = nullptr;
  const char* separators_ = nullptr;
  uint64_t blocks_ = 0;
  Slice common_;
};

}  // namespace varve

#endif  // VARVE_TABLE_INDEX_H_
