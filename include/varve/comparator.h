#ifndef VARVE_INCLUDE_VARVE_COMPARATOR_H_
#define VARVE_INCLUDE_VARVE_COMPARATOR_H_

#include <string>

#include "varve/slice.h"

namespace varve {

// A total order over user keys. Called from many threads at once; must be pure. The name is
// recorded in the database: opening with a comparator of another name is InvalidArgument.
class Comparator {
 public:
  virtual ~Comparator() = default;

  // Below, equal or above zero as a comes before, with or after b.
  virtual int Compare(Slice a, Slice b) const = 0;

  // Recorded on disk, at most 256 bytes. Change it whenever the order changes.
  virtual const char* Name() const = 0;

  // True if keys that compare equal are always the same bytes. Filters, hash indexes and the cache
  // mode need that; without it they are not built and cache mode is refused.
  virtual bool EqualMeansIdentical() const { return false; }

  // If *start < limit, may change *start to a shorter key k with *start <= k < limit.
  virtual void FindShortestSeparator(std::string* start, Slice limit) const {
    (void)start, (void)limit;
  }
  // May change *key to a shorter key k with k >= *key.
  virtual void FindShortSuccessor(std::string* key) const { (void)key; }
};

// Lexicographic order of unsigned bytes, "varve.BytewiseComparator"; the default, and the one with
// fast paths. Lives for the life of the process.
const Comparator* BytewiseComparator();

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_COMPARATOR_H_
