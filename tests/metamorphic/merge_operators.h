#ifndef VARVE_TESTS_METAMORPHIC_MERGE_OPERATORS_H_
#define VARVE_TESTS_METAMORPHIC_MERGE_OPERATORS_H_

#include <memory>
#include <optional>
#include <string>

#include "varve/merge_operator.h"
#include "varve/slice.h"

// What Merge means in a run: one definition that the model applies, and that the operators of both
// engines are made of. Losing, doubling or exchanging operands gives another value.

namespace varve::metamorphic {

enum class MergeKind {
  kNone,    // Merge is refused
  kAppend,  // "value|operand|operand"; a full operator that combines no operands
  kAdd,     // little-endian 64-bit numbers, associative; other lengths count as 0
};

// "append", "add"; kNone for anything else.
MergeKind MergeKindOf(const std::string& name);

// The value after one operand.
std::string MergeOne(MergeKind kind, const std::optional<Slice>& existing, Slice operand);

// Null for kNone.
std::shared_ptr<const MergeOperator> NewMergeOperator(MergeKind kind);

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_MERGE_OPERATORS_H_
