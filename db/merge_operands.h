#ifndef VARVE_DB_MERGE_OPERANDS_H_
#define VARVE_DB_MERGE_OPERANDS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "varve/merge_operator.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// The merge operands of one key, as a reader or a compaction meets them, and what they make.
//
//  1. Begin() with the order in which they will come.
//  2. Add() each; the bytes are copied, or borrowed where they live long enough.
//  3. FullMerge() over what is beneath them, once that is known: a value, or nothing (a delete, a
//     range tombstone, the end of the versions). Or PartialMerge() where it is not.
//
// Begin() keeps the memory, so one object serves key after key. Not thread-safe.
class MergeOperands {
 public:
  enum class Order : uint8_t { kNewestFirst, kOldestFirst };

  void Begin(Order order) {
    order_ = order;
    parts_.clear();
    copies_.clear();
  }
  void Add(Slice operand) {
    parts_.push_back({nullptr, copies_.size(), operand.size()});
    copies_.append(operand);
  }
  // The bytes must live until the next Begin().
  void AddBorrowed(Slice operand) { parts_.push_back({operand.data(), 0, operand.size()}); }

  bool empty() const { return parts_.empty(); }
  size_t size() const { return parts_.size(); }

  // The key's value; `base` is null if there is none beneath. NotSupported without an operator;
  // Corruption, naming the key, if the operator cannot make sense of them. Not of none.
  Status FullMerge(const MergeOperator* merge_operator, Slice user_key, const Slice* base,
                   std::string* value) const;

  // Some successive operands as one.
  struct Joined {
    size_t newest = 0;  // which Add() gave the newest of them, from 0
    std::string operand;
  };
  // Neighbours joined as far as the operator can, newest first: at most as many as there were. No
  // error: who cannot join them keeps them as they are.
  std::vector<Joined> PartialMerge(const MergeOperator& merge_operator, Slice user_key) const;

 private:
  struct Part {
    const char* borrowed;  // null: at `offset` of copies_
    size_t offset;
    size_t size;
  };

  Slice operand(size_t i) const {
    const Part& part = parts_[i];
    return {part.borrowed != nullptr ? part.borrowed : copies_.data() + part.offset, part.size};
  }
  // The index of the i-th oldest.
  size_t Oldest(size_t i) const {
    return order_ == Order::kOldestFirst ? i : parts_.size() - 1 - i;
  }

  Order order_ = Order::kNewestFirst;
  std::vector<Part> parts_;
  std::string copies_;
  mutable std::vector<Slice> oldest_first_;  // of FullMerge() alone
};

}  // namespace varve

#endif  // VARVE_DB_MERGE_OPERANDS_H_
