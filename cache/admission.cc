#include "cache/admission.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {

constexpr uint64_t kFilterBytesMin = 4 << 10;
constexpr uint64_t kFilterBytesMax = uint64_t{32} << 20;

size_t FilterBytes(uint64_t capacity_bytes) {
  return static_cast<size_t>(std::clamp(capacity_bytes / 1024, kFilterBytesMin, kFilterBytesMax));
}

}  // namespace

std::unique_ptr<Admission> Admission::Create(AdmissionPolicy policy, uint64_t capacity_bytes) {
  if (policy == AdmissionPolicy::kAll) return nullptr;
  return std::unique_ptr<Admission>(new Admission(capacity_bytes));
}

Admission::Admission(uint64_t capacity_bytes)
    : turn_bytes_(capacity_bytes / 4),
      current_(FilterBytes(capacity_bytes)),
      before_(FilterBytes(capacity_bytes)) {}

bool Admission::Admit(uint64_t key_hash, uint64_t bytes) {
  MutexLock lock(&mu_);
  const bool in_current = current_.MayContain(key_hash);
  const bool seen = in_current || before_.MayContain(key_hash);
  if (!in_current) current_.Add(key_hash);
  current_bytes_ += bytes;
  if (current_bytes_ >= turn_bytes_ || current_.full()) {
    current_.SwapWith(&before_);
    current_.Clear();
    current_bytes_ = 0;
  }
  return seen;
}

size_t Admission::memory_bytes() const {
  MutexLock lock(&mu_);
  return current_.memory_bytes() + before_.memory_bytes();
}

}  // namespace varve
