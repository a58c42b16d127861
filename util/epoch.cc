#include "util/epoch.h"

#include <algorithm>
#include <utility>

namespace varve {

EpochDomain::EpochDomain() = default;

EpochDomain::~EpochDomain() {
  std::vector<Retired> rest;
  {
    MutexLock lock(&mu_);
    rest.swap(retired_);
  }
  for (Retired& r : rest) r.destroy();
  for (auto& chunk : chunks_) delete chunk.load(std::memory_order_relaxed);
}

EpochDomain::Chunk* EpochDomain::AddChunk(size_t which) {
  auto fresh = std::make_unique<Chunk>();
  Chunk* expected = nullptr;
  if (chunks_[which].compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel)) {
    return fresh.release();
  }
  return expected;
}

void EpochDomain::EnterOverflow() { overflow_readers_.fetch_add(1, std::memory_order_seq_cst); }
void EpochDomain::LeaveOverflow() { overflow_readers_.fetch_sub(1, std::memory_order_release); }

uint64_t EpochDomain::OldestReader() const {
  if (overflow_readers_.load(std::memory_order_seq_cst) != 0) return 0;
  uint64_t oldest = UINT64_MAX;
  for (const auto& pointer : chunks_) {
    const Chunk* chunk = pointer.load(std::memory_order_seq_cst);
    if (chunk == nullptr) continue;
    for (const Slot& slot : chunk->slots) {
      const uint64_t epoch = slot.epoch.load(std::memory_order_seq_cst);
      if (epoch != kOutside) oldest = std::min(oldest, epoch);
    }
  }
  return oldest;
}

void EpochDomain::RetireLater(std::function<void()> destroy) {
  MutexLock lock(&mu_);
  // A reader that enters from here on stores a later epoch, and finds the object out of sight.
  const uint64_t stamp = epoch_.fetch_add(1, std::memory_order_seq_cst);
  retired_.push_back({stamp, std::move(destroy)});
}

void EpochDomain::Retire(std::function<void()> destroy) {
  RetireLater(std::move(destroy));
  Collect();
}

size_t EpochDomain::Collect() {
  std::vector<Retired> ready;
  size_t waiting;
  {
    MutexLock lock(&mu_);
    if (retired_.empty()) return 0;
    const uint64_t oldest = OldestReader();
    const auto keep = std::partition(retired_.begin(), retired_.end(),
                                     [&](const Retired& r) { return r.epoch >= oldest; });
    for (auto it = keep; it != retired_.end(); ++it) ready.push_back(std::move(*it));
    retired_.erase(keep, retired_.end());
    waiting = retired_.size();
  }
  for (Retired& r : ready) r.destroy();
  return waiting;
}

void EpochDomain::WaitForReaders() {
  const uint64_t before = epoch_.fetch_add(1, std::memory_order_seq_cst);
  SpinWait spin;
  while (OldestReader() <= before) spin.Once();
}

}  // namespace varve
