#include "varve/merge_operator.h"

namespace varve {

bool AssociativeMergeOperator::FullMerge(Slice key, const Slice* existing,
                                         std::span<const Slice> operands,
                                         std::string* result) const {
  if (existing == nullptr) {
    result->assign(operands[0]);
    operands = operands.subspan(1);
  } else {
    result->assign(*existing);
  }
  for (const Slice operand : operands) {
    if (!Merge(key, operand, result)) return false;
  }
  return true;
}

bool AssociativeMergeOperator::PartialMerge(Slice key, Slice older, Slice newer,
                                            std::string* result) const {
  result->assign(older);
  return Merge(key, newer, result);
}

}  // namespace varve
