#include "varve/merge_operator.h"

#include <utility>

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
  std::string merged;
  for (const Slice operand : operands) {
    merged.clear();
    if (!Merge(key, *result, operand, &merged)) return false;
    std::swap(*result, merged);
  }
  return true;
}

}  // namespace varve
