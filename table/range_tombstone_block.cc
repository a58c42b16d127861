#include "table/range_tombstone_block.h"

#include "table/segment_format.h"
#include "util/coding.h"

namespace varve {

void EncodeRangeTombstones(const std::vector<RangeTombstone>& tombstones, std::string* out) {
  for (const RangeTombstone& t : tombstones) {
    PutLengthPrefixed(out, t.start);
    PutLengthPrefixed(out, t.end);
    PutVarint64(out, t.sequence);
  }
}

const char* DecodeRangeTombstones(Slice content, std::vector<RangeTombstone>* tombstones) {
  while (!content.empty()) {
    Slice start, end;
    uint64_t sequence;
    if (!GetLengthPrefixed(&content, &start) || !GetLengthPrefixed(&content, &end) ||
        !GetVarint64(&content, &sequence)) {
      return "a range tombstone is cut off";
    }
    if (start.size() > kUserKeyBytesMax || end.size() > kUserKeyBytesMax) {
      return "a key of a range tombstone is too long";
    }
    if (sequence == 0 || sequence > kMaxSequence) return "a sequence is out of range";
    tombstones->push_back({std::string(start), std::string(end), sequence});
  }
  return nullptr;
}

const char* CheckRangeTombstones(const InternalKeyComparator& comparator,
                                 const std::vector<RangeTombstone>& tombstones) {
  const RangeTombstone* before = nullptr;
  for (const RangeTombstone& t : tombstones) {
    if (comparator.CompareUserKeys(t.start, t.end) >= 0) return "a range tombstone is empty";
    if (before != nullptr) {
      const int order = comparator.CompareUserKeys(before->start, t.start);
      if (order > 0 || (order == 0 && before->sequence <= t.sequence)) {
        return "range tombstones are out of order";
      }
    }
    before = &t;
  }
  return nullptr;
}

}  // namespace varve
