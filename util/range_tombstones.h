#ifndef VARVE_UTIL_RANGE_TOMBSTONES_H_
#define VARVE_UTIL_RANGE_TOMBSTONES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/internal_key.h"
#include "varve/slice.h"

// Range tombstones, made fit to be asked about.
//
// A tombstone [start, end) @ s hides every entry of the keys it covers whose sequence is below s.
// Any list of them, overlapping and in any order, is cut at all starts and ends into *fragments*:
// ranges that do not overlap, ascending, each covered from end to end by one set of tombstones.
//
//      a     c     e     g     i
//      [-- @4 ----------)              fragments  [a,c) {4}
//            [-- @7 ----------)                   [c,e) {7,4}
//                  [- @2 -----)                   [e,g) {7,2}
//
//  1. Empty ranges go; tombstones of one sequence that overlap or touch become one (a compaction
//     cuts a tombstone between two segments, and joined again it is one).
//  2. All starts and ends are sorted into the array of bounds.
//  3. A sweep over the bounds keeps the set of tombstones open there, as a persistent tree: what
//     two neighbouring sets share is stored once.
//  4. A question for a key is a binary search of the bounds, then a walk down the set's tree.
//
// The sets are big-endian Patricia trees (Okasaki and Gill, "Fast Mergeable Integer Maps", 1998):
// no deeper than the 56 bits of a sequence, whatever sequences a disk holds. A step of the sweep
// adds no more nodes than that, and about the logarithm of the set's size usually. So n tombstones
// take O(n log n) memory; lists of sequences for each fragment would take n^2 / 2 numbers where
// ranges nest, and deleting [0, 1), [0, 2), [0, 3) … is what queues do.

namespace varve {

struct RangeTombstone {
  std::string start;
  std::string end;  // exclusive
  SequenceNumber sequence = 0;

  friend bool operator==(const RangeTombstone&, const RangeTombstone&) = default;
};

// Immutable, so any number of threads may read it.
class FragmentedRangeTombstones {
 public:
  // Sequences are above 0.
  FragmentedRangeTombstones(const InternalKeyComparator& comparator,
                            std::vector<RangeTombstone> tombstones);
  FragmentedRangeTombstones(const FragmentedRangeTombstones&) = delete;
  FragmentedRangeTombstones& operator=(const FragmentedRangeTombstones&) = delete;

  bool empty() const { return fragments_.empty(); }

  // The newest sequence at or below `at` of a tombstone that covers the key; 0: none does. Entries
  // of the key below that sequence are hidden from who reads at `at`. O(log n).
  SequenceNumber MaxCovering(Slice user_key, SequenceNumber at) const {
    if (fragments_.empty() || at < smallest_sequence_) return 0;
    const size_t i = FindFragment(user_key);
    if (i == fragments_.size() || comparator_.CompareUserKeys(user_key, start(i)) < 0) return 0;
    return NewestAt(i, at);
  }

  // ---- The fragments, from 0 to fragments(), ascending ----
  size_t fragments() const { return fragments_.size(); }
  Slice start(size_t i) const { return bound(fragments_[i].bound); }
  Slice end(size_t i) const { return bound(fragments_[i].bound + 1); }
  // The newest sequence at or below `at` in the fragment; 0: none.
  SequenceNumber NewestAt(size_t i, SequenceNumber at) const {
    return Floor(fragments_[i].set, at);
  }
  // Appends all of its sequences, descending.
  void AppendSequences(size_t i, std::vector<SequenceNumber>* out) const;
  // The first fragment that ends after the key, thus the one that covers it if any does;
  // fragments() if there is none.
  size_t FindFragment(Slice user_key) const;

  // ---- The tombstones they were made of ----
  // How many there are, joined as (1) says.
  size_t tombstones() const { return spans_.size(); }
  // All of them, by ascending start, then descending sequence. With bounds only what lies in
  // [lower, upper): tombstones are clipped to it, and those outside left out.
  std::vector<RangeTombstone> Tombstones(std::optional<Slice> lower = std::nullopt,
                                         std::optional<Slice> upper = std::nullopt) const;
  // 0 and 0 if empty.
  SequenceNumber smallest_sequence() const { return smallest_sequence_; }
  SequenceNumber largest_sequence() const { return largest_sequence_; }
  // Of keys in bounds, no two of which are equal.
  size_t key_bytes() const { return keys_.size(); }

  // All it holds, itself included.
  size_t memory_bytes() const;

 private:
  struct Span {  // a tombstone
    uint32_t first_bound, end_bound;
    SequenceNumber sequence;
  };
  struct Fragment {  // from this bound to the next
    uint32_t bound;
    uint32_t set;
  };
  // A leaf, without children, holds a sequence. An inner node's key is the bits that all below it
  // share, then a one at the bit where they part, then zeros: those left are below the key, those
  // right at or above it. Node 0 is the empty set.
  struct Node {
    uint64_t key;
    uint32_t left, right;
  };

  // Indices are 32 bits wide: with more bounds or nodes than that the list would take 64 GiB.
  static bool IsLeaf(const Node& node) { return node.left == 0; }
  Slice bound(size_t i) const {
    return std::string_view(keys_).substr(bound_offsets_[i],
                                          bound_offsets_[i + 1] - bound_offsets_[i]);
  }

  std::vector<RangeTombstone> Joined(std::vector<RangeTombstone> tombstones) const;
  void SetBounds(const std::vector<RangeTombstone>& tombstones);
  void Sweep();

  uint32_t NewNode(uint64_t key, uint32_t left, uint32_t right);
  // The set with `sequence` added, and without it; the set itself stays.
  uint32_t With(uint32_t set, SequenceNumber sequence);
  uint32_t Without(uint32_t set, SequenceNumber sequence);
  uint32_t Join(uint32_t a, uint32_t b);
  // The largest member at or below `at`; 0: none.
  SequenceNumber Floor(uint32_t set, SequenceNumber at) const;

  const InternalKeyComparator comparator_;
  std::string keys_;                     // the bounds, one behind the other
  std::vector<uint64_t> bound_offsets_;  // one more than there are bounds
  std::vector<Span> spans_;
  std::vector<Fragment> fragments_;
  std::vector<Node> nodes_;
  SequenceNumber smallest_sequence_ = 0;
  SequenceNumber largest_sequence_ = 0;
};

}  // namespace varve

#endif  // VARVE_UTIL_RANGE_TOMBSTONES_H_
