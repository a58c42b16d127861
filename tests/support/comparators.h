#ifndef VARVE_TESTS_SUPPORT_COMPARATORS_H_
#define VARVE_TESTS_SUPPORT_COMPARATORS_H_

#include "varve/comparator.h"

// Orders other than the default one. They live for the life of the process.

namespace varve {

// Bytewise, from the last key to the first: "test.Reverse".
const Comparator* ReverseComparator();
// "a" and "A" are equal without being identical: "test.CaseInsensitive".
const Comparator* CaseInsensitiveComparator();

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_COMPARATORS_H_
