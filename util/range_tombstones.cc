#include "util/range_tombstones.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace varve {

FragmentedRangeTombstones::FragmentedRangeTombstones(const InternalKeyComparator& comparator,
                                                     std::vector<RangeTombstone> tombstones)
    : comparator_(comparator) {
  SetBounds(Joined(std::move(tombstones)));
  Sweep();
  keys_.shrink_to_fit();
  fragments_.shrink_to_fit();
  nodes_.shrink_to_fit();
}

std::vector<RangeTombstone> FragmentedRangeTombstones::Joined(
    std::vector<RangeTombstone> tombstones) const {
  std::erase_if(tombstones, [this](const RangeTombstone& t) {
    return comparator_.CompareUserKeys(t.start, t.end) >= 0;
  });
  std::sort(tombstones.begin(), tombstones.end(),
            [this](const RangeTombstone& a, const RangeTombstone& b) {
              return a.sequence != b.sequence ? a.sequence < b.sequence
                                              : comparator_.CompareUserKeys(a.start, b.start) < 0;
            });
  std::vector<RangeTombstone> joined;
  for (RangeTombstone& t : tombstones) {
    if (joined.empty() || joined.back().sequence != t.sequence ||
        comparator_.CompareUserKeys(joined.back().end, t.start) < 0) {
      joined.push_back(std::move(t));
    } else if (comparator_.CompareUserKeys(joined.back().end, t.end) < 0) {
      joined.back().end = std::move(t.end);
    }
  }
  return joined;
}

// Sets keys_, bound_offsets_ and spans_.
void FragmentedRangeTombstones::SetBounds(const std::vector<RangeTombstone>& tombstones) {
  struct End {
    Slice key;
    uint32_t span;
    bool first;
  };
  std::vector<End> ends;
  ends.reserve(2 * tombstones.size());
  for (const RangeTombstone& t : tombstones) {
    const auto span = static_cast<uint32_t>(spans_.size());
    spans_.push_back({0, 0, t.sequence});
    ends.push_back({t.start, span, true});
    ends.push_back({t.end, span, false});
  }
  std::sort(ends.begin(), ends.end(), [this](const End& a, const End& b) {
    return comparator_.CompareUserKeys(a.key, b.key) < 0;
  });
  bound_offsets_.push_back(0);
  for (size_t i = 0; i < ends.size(); ++i) {
    if (i == 0 || comparator_.CompareUserKeys(ends[i - 1].key, ends[i].key) != 0) {
      keys_.append(ends[i].key);
      bound_offsets_.push_back(keys_.size());
    }
    Span& span = spans_[ends[i].span];
    (ends[i].first ? span.first_bound : span.end_bound) =
        static_cast<uint32_t>(bound_offsets_.size() - 2);
  }
  bound_offsets_.shrink_to_fit();
  std::sort(spans_.begin(), spans_.end(), [](const Span& a, const Span& b) {
    return a.first_bound != b.first_bound ? a.first_bound < b.first_bound : a.sequence > b.sequence;
  });
  for (const Span& span : spans_) {
    if (smallest_sequence_ == 0 || span.sequence < smallest_sequence_) {
      smallest_sequence_ = span.sequence;
    }
    largest_sequence_ = std::max(largest_sequence_, span.sequence);
  }
}

// Sets fragments_ and nodes_.
void FragmentedRangeTombstones::Sweep() {
  std::vector<uint32_t> by_end(spans_.size());
  for (uint32_t i = 0; i < by_end.size(); ++i) by_end[i] = i;
  std::sort(by_end.begin(), by_end.end(),
            [this](uint32_t a, uint32_t b) { return spans_[a].end_bound < spans_[b].end_bound; });
  nodes_.push_back({0, 0, 0});
  uint32_t set = 0;
  size_t opened = 0, closed = 0;
  for (uint32_t bound = 0; bound + 1 < bound_offsets_.size(); ++bound) {
    for (; closed < by_end.size() && spans_[by_end[closed]].end_bound == bound; ++closed) {
      set = Without(set, spans_[by_end[closed]].sequence);
    }
    for (; opened < spans_.size() && spans_[opened].first_bound == bound; ++opened) {
      set = With(set, spans_[opened].sequence);
    }
    if (set != 0) fragments_.push_back({bound, set});
  }
}

size_t FragmentedRangeTombstones::FindFragment(Slice user_key) const {
  const auto found =
      std::partition_point(fragments_.begin(), fragments_.end(), [&](const Fragment& fragment) {
        return comparator_.CompareUserKeys(bound(fragment.bound + 1), user_key) <= 0;
      });
  return static_cast<size_t>(found - fragments_.begin());
}

std::vector<RangeTombstone> FragmentedRangeTombstones::Tombstones(
    std::optional<Slice> lower, std::optional<Slice> upper) const {
  std::vector<RangeTombstone> result;
  for (const Span& span : spans_) {
    Slice start = bound(span.first_bound), end = bound(span.end_bound);
    if (lower.has_value() && comparator_.CompareUserKeys(start, *lower) < 0) start = *lower;
    if (upper.has_value() && comparator_.CompareUserKeys(end, *upper) > 0) end = *upper;
    if (comparator_.CompareUserKeys(start, end) >= 0) continue;
    result.push_back({std::string(start), std::string(end), span.sequence});
  }
  if (lower.has_value()) {  // several may begin there now
    std::stable_sort(result.begin(), result.end(),
                     [this](const RangeTombstone& a, const RangeTombstone& b) {
                       const int order = comparator_.CompareUserKeys(a.start, b.start);
                       return order != 0 ? order < 0 : a.sequence > b.sequence;
                     });
  }
  return result;
}

size_t FragmentedRangeTombstones::memory_bytes() const {
  return sizeof(*this) + keys_.capacity() + bound_offsets_.capacity() * sizeof(uint64_t) +
         spans_.capacity() * sizeof(Span) + fragments_.capacity() * sizeof(Fragment) +
         nodes_.capacity() * sizeof(Node);
}

// ---- Sets of sequences --------------------------------------------------------------------------

uint32_t FragmentedRangeTombstones::NewNode(uint64_t key, uint32_t left, uint32_t right) {
  nodes_.push_back({key, left, right});
  return static_cast<uint32_t>(nodes_.size() - 1);
}

// Of two sets that are not empty, and whose members part above what either shares.
uint32_t FragmentedRangeTombstones::Join(uint32_t a, uint32_t b) {
  const uint64_t x = nodes_[a].key, y = nodes_[b].key;
  const uint64_t bit = std::bit_floor(x ^ y);
  const uint64_t key = (x & ~(2 * bit - 1)) | bit;
  return x < y ? NewNode(key, a, b) : NewNode(key, b, a);
}

uint32_t FragmentedRangeTombstones::With(uint32_t set, SequenceNumber sequence) {
  if (set == 0) return NewNode(sequence, 0, 0);
  const Node node = nodes_[set];  // a copy: the array grows below
  if (IsLeaf(node)) {
    return node.key == sequence ? set : Join(set, NewNode(sequence, 0, 0));
  }
  const uint64_t bit = node.key & -node.key;
  if (sequence < node.key - bit || sequence > node.key + (bit - 1)) {
    return Join(set, NewNode(sequence, 0, 0));
  }
  if (sequence < node.key) {
    const uint32_t left = With(node.left, sequence);
    return NewNode(node.key, left, node.right);
  }
  const uint32_t right = With(node.right, sequence);
  return NewNode(node.key, node.left, right);
}

uint32_t FragmentedRangeTombstones::Without(uint32_t set, SequenceNumber sequence) {
  const Node node = nodes_[set];
  if (IsLeaf(node)) return node.key == sequence ? 0 : set;
  if (sequence < node.key) {
    const uint32_t left = Without(node.left, sequence);
    return left == 0 ? node.right : NewNode(node.key, left, node.right);
  }
  const uint32_t right = Without(node.right, sequence);
  return right == 0 ? node.left : NewNode(node.key, node.left, right);
}

SequenceNumber FragmentedRangeTombstones::Floor(uint32_t set, SequenceNumber at) const {
  // Where the walk went right, all that is left of it is at or below `at`.
  uint32_t below = 0;
  uint32_t i = set;
  while (!IsLeaf(nodes_[i])) {
    const Node& node = nodes_[i];
    if (at < node.key) {
      i = node.left;
    } else {
      below = node.left;
      i = node.right;
    }
  }
  if (nodes_[i].key <= at) return nodes_[i].key;
  if (below == 0) return 0;
  for (i = below; !IsLeaf(nodes_[i]);) i = nodes_[i].right;
  return nodes_[i].key;
}

void FragmentedRangeTombstones::AppendSequences(size_t i, std::vector<SequenceNumber>* out) const {
  std::vector<uint32_t> rest = {fragments_[i].set};
  while (!rest.empty()) {
    const Node& node = nodes_[rest.back()];
    rest.pop_back();
    if (IsLeaf(node)) {
      out->push_back(node.key);
    } else {
      rest.push_back(node.left);
      rest.push_back(node.right);
    }
  }
}

}  // namespace varve
