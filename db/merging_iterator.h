#ifndef VARVE_DB_MERGING_ITERATOR_H_
#define VARVE_DB_MERGING_ITERATOR_H_

#include <memory>
#include <vector>

#include "util/internal_iterator.h"
#include "util/internal_key.h"

namespace varve {

// One cursor over the entries of all `children`, in the order of internal keys. No child comes back
// as an empty iterator, one child as itself. Children are listed newest source first: should two
// ever hold the same internal key, both entries appear, the earlier child's first going forward.
//
// An error of any child stops the whole: invalid, with that child's status (of the first such
// child), until a seek. So a source that cannot be read never lets an older version through.
std::unique_ptr<InternalIterator> NewMergingIterator(
    const InternalKeyComparator& comparator,
    std::vector<std::unique_ptr<InternalIterator>> children);

}  // namespace varve

#endif  // VARVE_DB_MERGING_ITERATOR_H_
