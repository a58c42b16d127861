#include "cache/segment_heat.h"

namespace varve {

SegmentHeat::Word* SegmentHeat::Allocate(const HeatMemory& memory) {
  const uint64_t bytes = words_ * sizeof(Word);
  if (!memory.MayTake(bytes)) return nullptr;
  Word* const fresh = new Word[words_]();
  Word* there = nullptr;
  // Release: whoever finds the bits finds them cleared (Checklist E2).
  if (bits_.compare_exchange_strong(there, fresh, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
    charge_ = memory.Charge(bytes);
    return fresh;
  }
  delete[] fresh;
  return there;
}

}  // namespace varve
