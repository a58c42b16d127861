#include "varve/comparator.h"

#include <algorithm>
#include <cstdint>

namespace varve {

namespace {

class BytewiseComparatorImpl final : public Comparator {
 public:
  int Compare(Slice a, Slice b) const override { return a.compare(b); }
  const char* Name() const override { return "varve.BytewiseComparator"; }
  bool EqualMeansIdentical() const override { return true; }

  // Cuts *start after its first byte that can be raised by one and still leave it below `limit`.
  void FindShortestSeparator(std::string* start, Slice limit) const override {
    const size_t common = std::min(start->size(), limit.size());
    size_t i = 0;
    while (i < common && (*start)[i] == limit[i]) ++i;
    if (i == common) return;  // one is a prefix of the other: no shorter key lies between
    const uint8_t low = (*start)[i], high = limit[i];
    if (low > high) return;
    // At i itself: the raised byte must stay below limit's, or equal it with more of limit to come.
    if (low + 1 < high || (low + 1 == high && i + 1 < limit.size())) {
      Raise(start, i);
      return;
    }
    // Past i *start is below `limit` whatever follows: raise the first byte that can be.
    for (++i; i < start->size(); ++i) {
      if (static_cast<uint8_t>((*start)[i]) != 0xff) {
        Raise(start, i);
        return;
      }
    }
  }

  void FindShortSuccessor(std::string* key) const override {
    for (size_t i = 0; i < key->size(); ++i) {
      if (static_cast<uint8_t>((*key)[i]) != 0xff) {
        Raise(key, i);
        return;
      }
    }
  }

 private:
  // Raises byte i and drops what follows, unless that would not make the key shorter.
  static void Raise(std::string* key, size_t i) {
    if (i + 1 == key->size()) return;
    ++(*key)[i];
    key->resize(i + 1);
  }
};

}  // namespace

const Comparator* BytewiseComparator() {
  static const BytewiseComparatorImpl* const comparator = new BytewiseComparatorImpl;
  return comparator;
}

}  // namespace varve
