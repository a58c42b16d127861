#ifndef VARVE_TESTS_SUPPORT_CONCATENATION_H_
#define VARVE_TESTS_SUPPORT_CONCATENATION_H_

#include <string>

#include "varve/merge_operator.h"

namespace varve {

// Puts operands one behind the other: the simplest merge by which their order shows.
class Concatenation final : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "test.Concatenation"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    value->append(newer);
    return true;
  }
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_CONCATENATION_H_
