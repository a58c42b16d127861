#ifndef VARVE_DB_PREFIX_BOUNDS_H_
#define VARVE_DB_PREFIX_BOUNDS_H_

#include <optional>

#include "util/internal_key.h"
#include "varve/options.h"
#include "varve/prefix_extractor.h"
#include "varve/slice.h"

namespace varve {

// The prefix that every key in [lower_bound, upper_bound) of `options` has; nothing where that is
// not certain. A source without a key of it then has nothing within the bounds. `extractor` may be
// null; the slice lives as long as it and the bounds.
//
// It is certain where lower_bound has a prefix p, and
//  1. upper_bound has it too: the keys of a prefix stand together. Or
//  2. the keys with prefix p are those that begin with p, and upper_bound is not after all of them:
//     under the bytewise order, not above the least key above all that begin with p (p without its
//     last bytes 0xff, the byte before them raised by one; where p has no other byte, there is no
//     such key).
std::optional<Slice> PrefixOfBounds(const PrefixExtractor* extractor,
                                    const InternalKeyComparator& comparator,
                                    const ReadOptions& options);

}  // namespace varve

#endif  // VARVE_DB_PREFIX_BOUNDS_H_
