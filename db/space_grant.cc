#include "db/space_grant.h"

namespace varve {

bool SpaceGrant::Grow(uint64_t bytes) {
  MutexLock lock(&mu_);
  return ended_ || ledger_->TryReserve(bytes, &room_);
}

bool SpaceGrant::Grow(uint64_t bytes, uint64_t wait_nanos) {
  // Without the lock: whoever draws meanwhile may be what makes the room.
  SpaceLedger::Reservation more;
  if (!ledger_->Reserve(bytes, wait_nanos, &more)) return false;
  MutexLock lock(&mu_);
  if (!ended_) room_.Add(std::move(more));
  return true;
}

void SpaceGrant::Shrink(uint64_t bytes) {
  MutexLock lock(&mu_);
  room_.Release(bytes);
}

void SpaceGrant::Absorb(SpaceGrant* other) {
  if (other == this) return;
  SpaceLedger::Reservation theirs;
  {
    MutexLock lock(&other->mu_);
    theirs = std::move(other->room_);
  }
  MutexLock lock(&mu_);
  if (!ended_) room_.Add(std::move(theirs));
}

bool SpaceGrant::Draw(uint64_t bytes) {
  MutexLock lock(&mu_);
  if (bytes > room_.bytes() && !ledger_->TryReserve(bytes - room_.bytes(), &room_)) return false;
  room_.Commit(bytes);
  return true;
}

void SpaceGrant::Return(uint64_t bytes) {
  MutexLock lock(&mu_);
  if (ended_) {
    ledger_->Credit(bytes);
  } else {
    // Had it drawn anything it has the ledger; else nothing of it can come back.
    room_.TakeBack(bytes);
  }
}

void SpaceGrant::End() {
  MutexLock lock(&mu_);
  ended_ = true;
  room_.Release();
}

uint64_t SpaceGrant::bytes() const {
  MutexLock lock(&mu_);
  return room_.bytes();
}

}  // namespace varve
