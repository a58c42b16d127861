#ifndef VARVE_TESTS_NEVER_STALE_TRAIL_H_
#define VARVE_TESTS_NEVER_STALE_TRAIL_H_

#include <cstdint>
#include <string>
#include <vector>

namespace varve::never_stale {

// One thing that was done, as far as it helps to understand a wrong answer.
struct Step {
  uint64_t operation = 0;
  const char* what = "";
  // Keys [begin, end) it concerns; with `end` 0 it concerns all.
  uint32_t begin = 0;
  uint32_t end = 0;
  uint64_t order = 0;   // of a write, or the view of a read
  uint64_t detail = 0;  // by `what`
};

// The last things that were done.
class Trail {
 public:
  Trail() : steps_(kStepsMax) {}
  void Add(const Step& step) { steps_[added_++ % kStepsMax] = step; }
  // Those that concern the key, and those that concern all; the last `lines`.
  std::string ToText(uint32_t key, size_t lines) const;

 private:
  static constexpr size_t kStepsMax = 1 << 14;
  std::vector<Step> steps_;
  uint64_t added_ = 0;
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_TRAIL_H_
