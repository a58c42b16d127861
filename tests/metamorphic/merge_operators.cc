#include "tests/metamorphic/merge_operators.h"

#include "util/coding.h"

namespace varve::metamorphic {
namespace {

uint64_t Number(Slice bytes) { return bytes.size() == 8 ? DecodeFixed64(bytes.data()) : 0; }

class Append : public MergeOperator {
 public:
  const char* Name() const override { return "append"; }
  bool FullMerge(Slice, const Slice* existing, std::span<const Slice> operands,
                 std::string* result) const override {
    std::optional<Slice> value;
    if (existing != nullptr) value = *existing;
    for (const Slice operand : operands) {
      *result = MergeOne(MergeKind::kAppend, value, operand);
      value = *result;
    }
    return true;
  }
};

class Add : public AssociativeMergeOperator {
 public:
  const char* Name() const override { return "add"; }
  bool Merge(Slice, Slice newer, std::string* value) const override {
    *value = MergeOne(MergeKind::kAdd, Slice(*value), newer);
    return true;
  }
};

}  // namespace

MergeKind MergeKindOf(const std::string& name) {
  if (name == "append") return MergeKind::kAppend;
  return name == "add" ? MergeKind::kAdd : MergeKind::kNone;
}

std::string MergeOne(MergeKind kind, const std::optional<Slice>& existing, Slice operand) {
  if (!existing) return std::string(operand);
  if (kind == MergeKind::kAppend) return std::string(*existing) + "|" + std::string(operand);
  std::string sum;
  PutFixed64(&sum, Number(*existing) + Number(operand));
  return sum;
}

std::shared_ptr<const MergeOperator> NewMergeOperator(MergeKind kind) {
  if (kind == MergeKind::kAppend) return std::make_shared<Append>();
  if (kind == MergeKind::kAdd) return std::make_shared<Add>();
  return nullptr;
}

}  // namespace varve::metamorphic
