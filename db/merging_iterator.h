#ifndef VARVE_DB_MERGING_ITERATOR_H_
#define VARVE_DB_MERGING_ITERATOR_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "util/internal_iterator.h"
#include "util/internal_key.h"

namespace varve {

// What can be done with a cursor over several children, besides.
class MergingIterator : public InternalIterator {
 public:
  // The number of the child that the current entry is of. Requires Valid().
  virtual size_t child() const = 0;

  // For who knows that nothing counts which the children from number `first` on hold of the keys
  // from the current one to `user_key` (forward: that key excluded; backward: included): puts those
  // of them that stand there behind it, by a seek each. The current entry may change. False, with
  // nothing done, if none stands there or the last move went the other way.
  virtual bool SkipForward(size_t first, Slice user_key) = 0;
  virtual bool SkipBackward(size_t first, Slice user_key) = 0;
};

// One cursor over the entries of all `children`, in the order of internal keys. No child comes back
// as an empty iterator, one child as itself. Children are listed newest source first: should two
// ever hold the same internal key, both entries appear, the earlier child's first going forward.
//
// An error of any child stops the whole: invalid, with that child's status (of the first such
// child), until a seek. So a source that cannot be read never lets an older version through.
//
// `*merging`, if asked for, is what is returned, or null where there are less than two children.
std::unique_ptr<InternalIterator> NewMergingIterator(
    const InternalKeyComparator& comparator,
    std::vector<std::unique_ptr<InternalIterator>> children, MergingIterator** merging = nullptr);

}  // namespace varve

#endif  // VARVE_DB_MERGING_ITERATOR_H_
