#ifndef VARVE_TESTS_METAMORPHIC_RUNNER_H_
#define VARVE_TESTS_METAMORPHIC_RUNNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/metamorphic/operation.h"
#include "tests/metamorphic/store.h"

namespace varve::metamorphic {

struct Difference {
  size_t index = 0;  // of the operation
  std::string text;  // the operation and both answers, as far as they differ
};

// Puts the operations to all stores and compares each answer with the first store's; at the end
// closes them. None if they always agreed.
//
// What an operation asks of what came before it is seen to here, so that any part of a list is a
// list: what names a cursor or snapshot that is not there is skipped (a read of one reads the
// newest state), cursors go before their snapshot, a slot is free before it is taken.
std::optional<Difference> FindDifference(const std::vector<Operation>& operations,
                                         std::span<Store* const> stores);

// A short list that still fails, by leaving out ever smaller pieces until `is_over()`. Never leaves
// out the first operation, which opens.
std::vector<Operation> Shrink(std::vector<Operation> operations,
                              const std::function<bool(const std::vector<Operation>&)>& fails,
                              const std::function<bool()>& is_over);

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_RUNNER_H_
