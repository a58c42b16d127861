#include "db/memory_shares.h"

#include <algorithm>

namespace varve {

MemoryShares::MemoryShares(const MemoryPlan& plan, MemoryBudget* budget, BlockCache* blocks,
                           SegmentCache* segments, HeatMemory* heat)
    : budget_(budget), blocks_(blocks), segments_(segments), heat_(heat), plan_(plan) {
  budget_->SetListener([this] { Divide(); });
  SetPlan(plan);
}

void MemoryShares::SetPlan(const MemoryPlan& plan) {
  {
    MutexLock lock(&mu_);
    plan_ = plan;
  }
  budget_->SetLimit(plan.limited() ? plan.budget : MemoryBudget::kUnlimited);  // calls Divide()
}

MemoryPlan MemoryShares::plan() const {
  MutexLock lock(&mu_);
  return plan_;
}

uint64_t MemoryShares::Used() const {
  return budget_->held() + blocks_->usage() + blocks_->unused_slot_bytes();
}

void MemoryShares::Divide() {
  const MemoryPlan plan = this->plan();
  heat_->SetBytesMax(plan.heat_max);
  const uint64_t slow_parts = budget_->held(MemoryPart::kGhosts) +
                              budget_->held(MemoryPart::kHeat) +
                              budget_->held(MemoryPart::kAdmission);
  segments_->SetBytesMax(plan.SegmentsBytes(slow_parts));
  uint64_t bytes = plan.BlockCacheBytes(budget_->held());
  // The slots that its tables have in stock take room as well, where it is short.
  if (plan.limited()) bytes -= std::min(bytes, blocks_->unused_slot_bytes());
  blocks_->SetCapacity(bytes);
}

}  // namespace varve
