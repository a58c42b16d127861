#ifndef VARVE_INCLUDE_VARVE_MERGE_OPERATOR_H_
#define VARVE_INCLUDE_VARVE_MERGE_OPERATOR_H_

#include <span>
#include <string>

#include "varve/slice.h"

namespace varve {

// What DB::Merge() means: how operands written to a key change its value. A read, or a compaction,
// that meets operands folds them over the value beneath them. So a read-modify-write costs one
// write and no read, and is atomic, as the order of the writes is the order of the operands.
//
// Called from many threads at once, with data that may be old; must be pure: the same arguments
// give the same result, in this process and in every later one. Slices live during the call alone.
// False means that the operands do not fit the value or each other: the read fails with Corruption
// (a compaction keeps the operands as they are), and so does every later one until the key is
// overwritten.
class MergeOperator {
 public:
  virtual ~MergeOperator() = default;

  // For people: logs, properties and the segments that hold operands show it.
  virtual const char* Name() const = 0;

  // The key's value: `operands`, oldest first and at least one, applied to `existing`, which is
  // null where there is no value (never written, deleted). *result is empty at the call.
  virtual bool FullMerge(Slice key, const Slice* existing, std::span<const Slice> operands,
                         std::string* result) const = 0;

  // Two successive operands made one, without knowing what is beneath, so that operands nobody
  // reads between need not pile up: for every value, applying *result must do what applying
  // `older` and then `newer` does. False leaves them apart, which is no error. *result is empty at
  // the call.
  virtual bool PartialMerge(Slice key, Slice older, Slice newer, std::string* result) const {
    (void)key, (void)older, (void)newer, (void)result;
    return false;
  }
};

// For operands that are values themselves, and a merge that is associative: counters, sets, maxima,
// lists. Where nothing is beneath, the oldest operand is the value.
//
//   class Append : public AssociativeMergeOperator {
//     …
//     bool Merge(Slice key, Slice newer, std::string* value) const override {
//       value->append(newer);
//       return true;
//     }
//   };
class AssociativeMergeOperator : public MergeOperator {
 public:
  // Makes of *value, which is a value or an operand, what the operand `newer` makes of it. *value
  // is changed in place, so that a long list of operands costs no more than the sum of its steps:
  // one that appends copies each operand once. After false, *value is not looked at.
  virtual bool Merge(Slice key, Slice newer, std::string* value) const = 0;

  bool FullMerge(Slice key, const Slice* existing, std::span<const Slice> operands,
                 std::string* result) const final;
  bool PartialMerge(Slice key, Slice older, Slice newer, std::string* result) const final;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_MERGE_OPERATOR_H_
