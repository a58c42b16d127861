#include "db/space_ledger.h"

#include <algorithm>
#include <utility>

namespace varve {

SpaceLedger::Reservation& SpaceLedger::Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  Release();
  ledger_ = std::exchange(other.ledger_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

void SpaceLedger::Reservation::Commit(uint64_t bytes) {
  const uint64_t covered = std::min(bytes, bytes_);
  bytes_ -= covered;
  if (ledger_ == nullptr) return;
  MutexLock lock(&ledger_->mu_);
  ledger_->reserved_ -= covered;
  ledger_->used_ += bytes;
  ledger_->overrun_ += bytes - covered;
}

void SpaceLedger::Reservation::TakeBack(uint64_t bytes) {
  if (ledger_ == nullptr) return;
  bytes_ += bytes;
  MutexLock lock(&ledger_->mu_);
  // Not through what is free: nobody who waits may take it in between.
  ledger_->used_ -= std::min(bytes, ledger_->used_);
  ledger_->reserved_ += bytes;
}

void SpaceLedger::Reservation::Release(uint64_t bytes) {
  bytes = std::min(bytes, bytes_);
  if (bytes == 0) return;
  bytes_ -= bytes;
  MutexLock lock(&ledger_->mu_);
  ledger_->reserved_ -= bytes;
  ledger_->WakeFirst();
}

void SpaceLedger::Reservation::Add(Reservation other) {
  if (ledger_ == nullptr) ledger_ = other.ledger_;
  bytes_ += std::exchange(other.bytes_, 0);
}

SpaceLedger::Reservation SpaceLedger::Reservation::Split(uint64_t bytes) {
  bytes = std::min(bytes, bytes_);
  bytes_ -= bytes;
  return Reservation(ledger_, bytes);
}

uint64_t SpaceLedger::Free() const {
  const uint64_t taken = used_ + reserved_;
  const uint64_t all = std::min(capacity_, limit_);
  return all > taken ? all - taken : 0;
}

void SpaceLedger::Take(uint64_t bytes, Reservation* reservation) {
  reserved_ += bytes;
  reservation->ledger_ = this;
  reservation->bytes_ += bytes;
}

void SpaceLedger::WakeFirst() {
  if (!waiting_.empty() && waiting_.front() <= Free()) room_.SignalAll();
}

bool SpaceLedger::TryReserve(uint64_t bytes, Reservation* reservation) {
  MutexLock lock(&mu_);
  if (bytes > Free()) return false;
  Take(bytes, reservation);
  return true;
}

bool SpaceLedger::Reserve(uint64_t bytes, uint64_t wait_nanos, Reservation* reservation) {
  MutexLock lock(&mu_);
  if (waiting_.empty() && bytes <= Free()) {
    Take(bytes, reservation);
    return true;
  }
  const uint64_t start = clock_->MonotonicNanos();
  const auto place = waiting_.insert(waiting_.end(), bytes);
  bool granted = false;
  while (bytes <= capacity_) {
    granted = place == waiting_.begin() && bytes <= Free();
    if (granted) break;
    const uint64_t waited = clock_->MonotonicNanos() - start;
    if (waited >= wait_nanos) break;
    room_.WaitFor(&mu_, wait_nanos - waited);
  }
  if (granted) Take(bytes, reservation);
  waiting_.erase(place);
  WakeFirst();  // the next one is first now
  return granted;
}

void SpaceLedger::Charge(uint64_t bytes) {
  MutexLock lock(&mu_);
  used_ += bytes;
}

void SpaceLedger::Credit(uint64_t bytes) {
  MutexLock lock(&mu_);
  // More than is used would be a mistake of ours; to go on below zero would grant everything.
  used_ -= std::min(bytes, used_);
  credited_ += bytes;
  WakeFirst();
}

void SpaceLedger::SetCapacity(uint64_t capacity_bytes) {
  MutexLock lock(&mu_);
  capacity_ = capacity_bytes;
  room_.SignalAll();  // those who ask for more than it go too
}

void SpaceLedger::SetLimit(uint64_t limit_bytes) {
  MutexLock lock(&mu_);
  limit_ = limit_bytes;
  WakeFirst();
}

SpaceLedger::State SpaceLedger::state() const {
  MutexLock lock(&mu_);
  State state;
  state.capacity = capacity_;
  state.used = used_;
  state.reserved = reserved_;
  state.limit = limit_;
  state.free = Free();
  state.overrun = overrun_;
  state.credited = credited_;
  for (const uint64_t bytes : waiting_) state.waiting += bytes;
  const uint64_t needed = used_ + reserved_ + state.waiting;
  const uint64_t all = std::min(capacity_, limit_);
  state.over = used_ + reserved_ > all ? used_ + reserved_ - all : 0;
  state.wanted = needed > all ? needed - all : 0;
  return state;
}

}  // namespace varve
