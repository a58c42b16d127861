#include "tests/never_stale/trail.h"

#include <algorithm>

namespace varve::never_stale {

std::string Trail::ToText(uint32_t key, size_t lines) const {
  std::string text;
  const uint64_t oldest = added_ - std::min<uint64_t>(added_, kStepsMax);
  for (uint64_t i = added_; i > oldest && lines > 0; --i) {
    const Step& step = steps_[(i - 1) % kStepsMax];
    if (step.end != 0 && (key < step.begin || key >= step.end)) continue;
    std::string line = "  " + std::to_string(step.operation) + " " + step.what;
    if (step.end > step.begin + 1) {
      line += " of " + std::to_string(step.begin) + " to " + std::to_string(step.end - 1);
    }
    if (step.order != 0) line += ", order " + std::to_string(step.order);
    if (step.detail != 0) line += ", " + std::to_string(step.detail);
    text = line + "\n" + text;
    --lines;
  }
  return text;
}

}  // namespace varve::never_stale
