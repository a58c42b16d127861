#include "db/merge_operands.h"

#include <algorithm>
#include <utility>

#include "util/printable.h"
#include "varve/write_batch.h"

namespace varve {

Status MergeOperands::FullMerge(const MergeOperator* merge_operator, Slice user_key,
                                const Slice* base, std::string* value) const {
  if (merge_operator == nullptr) {
    return Status::NotSupported("key " + Printable(user_key) +
                                " has merge operands, and Options::merge_operator is not set");
  }
  oldest_first_.clear();
  for (size_t i = 0; i < parts_.size(); ++i) oldest_first_.push_back(operand(Oldest(i)));
  value->clear();
  if (merge_operator->FullMerge(user_key, base, oldest_first_, value)) return Status::OK();
  return Status::Corruption(std::string(merge_operator->Name()) + " cannot merge the " +
                            std::to_string(parts_.size()) + " operands of key " +
                            Printable(user_key));
}

// Pairs of neighbours, in rounds until one joins nothing: where operands grow when they are joined
// (lists), each byte is copied once a round, not once for each operand.
std::vector<MergeOperands::Joined> MergeOperands::PartialMerge(const MergeOperator& merge_operator,
                                                               Slice user_key) const {
  std::vector<Joined> list;  // oldest first
  for (size_t i = 0; i < parts_.size(); ++i) {
    list.push_back({Oldest(i), std::string(operand(Oldest(i)))});
  }
  for (bool joined = true; joined;) {
    joined = false;
    size_t kept = 0;
    for (size_t i = 0; i < list.size(); ++i, ++kept) {
      if (i + 1 < list.size()) {
        std::string both;
        if (merge_operator.PartialMerge(user_key, list[i].operand, list[i + 1].operand, &both) &&
            both.size() <= WriteBatch::kValueBytesMax) {
          list[kept] = {list[i + 1].newest, std::move(both)};
          ++i;
          joined = true;
          continue;
        }
      }
      if (kept != i) list[kept] = std::move(list[i]);
    }
    list.resize(kept);
  }
  std::reverse(list.begin(), list.end());
  return list;
}

}  // namespace varve
