#include "cache/admission.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {

constexpr uint64_t kFilterBytesMin = 4 << 10;
constexpr uint64_t kFilterBytesMax = uint64_t{32} << 20;

}  // namespace

std::unique_ptr<Admission> Admission::Create(AdmissionPolicy policy, uint64_t capacity_bytes,
                                             std::shared_ptr<MemoryBudget> memory) {
  if (policy == AdmissionPolicy::kAll) return nullptr;
  return std::unique_ptr<Admission>(new Admission(capacity_bytes, std::move(memory)));
}

Admission::Admission(uint64_t capacity_bytes, std::shared_ptr<MemoryBudget> memory)
    : capacity_bytes_(capacity_bytes),
      turn_bytes_(capacity_bytes / 4),
      current_(0),
      before_(0),
      memory_(std::move(memory), MemoryPart::kAdmission) {}

size_t Admission::FilterBytes() const {
  const uint64_t wanted = std::clamp(capacity_bytes_ / 1024, kFilterBytesMin, kFilterBytesMax);
  return static_cast<size_t>(std::min(wanted, memory_max_.load(std::memory_order_relaxed) / 2));
}

bool Admission::Admit(uint64_t key_hash, uint64_t bytes) {
  MutexLock lock(&mu_);
  const bool in_current = current_.MayContain(key_hash);
  const bool seen = in_current || before_.MayContain(key_hash);
  if (!in_current) {
    if (current_.empty()) current_ = SeenKeys(FilterBytes());
    current_.Add(key_hash);
  }
  current_bytes_ += bytes;
  if (current_bytes_ >= turn_bytes_ || current_.full()) {
    before_ = std::exchange(current_, SeenKeys(0));
    current_bytes_ = 0;
  }
  memory_.Set(current_.memory_bytes() + before_.memory_bytes());
  return seen;
}

size_t Admission::memory_bytes() const {
  MutexLock lock(&mu_);
  return current_.memory_bytes() + before_.memory_bytes();
}

}  // namespace varve
