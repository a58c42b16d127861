#ifndef VARVE_DB_SPACE_GRANT_H_
#define VARVE_DB_SPACE_GRANT_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "db/space_ledger.h"
#include "util/mutex.h"

namespace varve {

// Room that one job has been given ahead: the files that it makes draw from it, on whatever threads
// they are written (RULES R6.2). What they need beyond it they draw from what is free; where
// nothing is they get none, so a wrong estimate makes a job fail and never the capacity be passed.
//
// While the job lasts, files that it gives up again (a flush that could not be finished) return
// their room to it, and nobody who waits takes it: the next attempt has what the first had. After
// End() such room is free for everybody.
//
// Thread safety: all of it.
class SpaceGrant {
 public:
  explicit SpaceGrant(std::shared_ptr<SpaceLedger> ledger) : ledger_(std::move(ledger)) {}
  SpaceGrant(const SpaceGrant&) = delete;
  SpaceGrant& operator=(const SpaceGrant&) = delete;

  // Adds so much of what is free; false, with nothing changed, if there is not so much.
  [[nodiscard]] bool Grow(uint64_t bytes);
  // The same, after waiting so long at most. By one caller at a time.
  [[nodiscard]] bool Grow(uint64_t bytes, uint64_t wait_nanos);
  // Gives back so much of what was not drawn.
  void Shrink(uint64_t bytes);
  // Takes over what another one has.
  void Absorb(SpaceGrant* other);
  // Files now take so many bytes more: true, and they are in the ledger as used.
  [[nodiscard]] bool Draw(uint64_t bytes);
  // Files that drew so much are gone, or smaller than was thought.
  void Return(uint64_t bytes);
  // Gives back what was not drawn. What is returned or added later is free at once.
  void End();

  uint64_t bytes() const;

 private:
  const std::shared_ptr<SpaceLedger> ledger_;
  mutable Mutex mu_;
  SpaceLedger::Reservation room_ GUARDED_BY(mu_);
  bool ended_ GUARDED_BY(mu_) = false;
};

}  // namespace varve

#endif  // VARVE_DB_SPACE_GRANT_H_
