#ifndef VARVE_TESTS_METAMORPHIC_GENERATOR_H_
#define VARVE_TESTS_METAMORPHIC_GENERATOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/metamorphic/operation.h"
#include "util/random.h"

namespace varve::metamorphic {

// Draws a list of operations: the same for a seed and a count. First the shape of the run is drawn
// (how many keys, how large values, which operations are frequent), then operation by operation.
class Generator {
 public:
  explicit Generator(uint64_t seed);
  std::vector<Operation> Generate(uint64_t count);

  static constexpr int kSlots = 4;  // of snapshots, and of cursors

 private:
  struct Choice {
    Kind kind;
    uint64_t weight;
  };

  Operation Draw();
  Operation DrawOfKind(Kind kind);
  // Any write but a batch, of keys with the prefix.
  Operation DrawEntry(const std::string& prefix);
  void DrawBatch(const std::string& prefix, Operation* batch);
  void DrawIngestion(Operation* operation);
  void DrawThreads(Operation* operation);
  void DrawBounds(Operation* operation);
  void DrawPrefixBounds(Operation* cursor);
  void DrawDurability(Operation* operation);

  std::string DrawKey(const std::string& prefix);
  std::string DrawAnyKey();
  Value DrawValue();
  Value DrawOperand();
  int DrawSlot() { return static_cast<int>(random_.Uniform(kSlots)); }
  // Whose state is read: often the newest.
  void DrawView(Operation* read);
  void DrawRange(const std::string& prefix, Operation* entry);

  Random random_;
  uint64_t keys_;
  uint64_t value_bytes_max_;
  OptionMap fixed_options_;
  bool merges_;  // there is a merge operator
  std::vector<Choice> choices_;
  uint64_t weight_sum_ = 0;
  uint64_t values_ = 0;
};

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_GENERATOR_H_
