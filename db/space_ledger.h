#ifndef VARVE_DB_SPACE_LEDGER_H_
#define VARVE_DB_SPACE_LEDGER_H_

#include <cstdint>
#include <list>

#include "util/mutex.h"
#include "util/thread_annotations.h"
#include "varve/env.h"

namespace varve {

// Who may take how much of a directory's capacity (RULES R6).
//
//  1. *Used* is what files take: the larger of size and allocated blocks, unlinked but open ones
//     included. *Reserved* is what may still be allocated. Used and reserved together never pass
//     the capacity, so neither do the files: nothing allocates before it has a reservation for the
//     worst case.
//  2. A reservation becomes use byte by byte as files grow (Commit); what is left of it goes back
//     when it ends. The sum changes by neither but downwards.
//  3. What was used is credited after the unlink and the last close, by whoever does the later one:
//     to everybody, or back to the reservation it came from, if a job has to do its work again.
//  4. TryReserve takes what is free now: for what makes room itself, which must never wait for it.
//     Reserve waits, in the order of arrival, so that a large batch is not passed by small ones for
//     ever; nobody who waits keeps TryReserve from what is free.
//  5. What an open finds in the directory is charged without being asked for, and the capacity may
//     be lowered below what is used. Until enough is credited nothing is granted then.
//
// Rejected: an atomic counter in place of the lock. Reservations are made by the commit group, the
// log and the file, not by the entry; and waiting in order needs the lock anyway.
//
// Thread safety: everything but a Reservation itself, from any thread.
class SpaceLedger {
 public:
  static constexpr uint64_t kUnlimited = UINT64_MAX;

  // Bytes that its holder may allocate. Movable; ends with its life. Not thread-safe, and does not
  // outlive the ledger.
  class Reservation {
   public:
    Reservation() = default;
    ~Reservation() { Release(); }
    Reservation(Reservation&& other) noexcept { *this = static_cast<Reservation&&>(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;

    uint64_t bytes() const { return bytes_; }
    // So many bytes are now used by files. More than it has are charged all the same, as they are
    // there, and counted as overrun: who reserved did not know the worst case.
    void Commit(uint64_t bytes);
    // The opposite: files that used so much are gone, and their room is this one's again.
    void TakeBack(uint64_t bytes);
    // Gives back what it has, or so much of it.
    void Release() { Release(bytes_); }
    void Release(uint64_t bytes);
    // Takes over what another reservation of the same ledger has.
    void Add(Reservation other);
    // Gives so much of it, at most all, to a reservation of its own.
    Reservation Split(uint64_t bytes);

   private:
    friend class SpaceLedger;
    Reservation(SpaceLedger* ledger, uint64_t bytes) : ledger_(ledger), bytes_(bytes) {}

    SpaceLedger* ledger_ = nullptr;  // null: it never had anything
    uint64_t bytes_ = 0;
  };

  // `clock` outlives the ledger.
  SpaceLedger(Clock* clock, uint64_t capacity_bytes) : clock_(clock), capacity_(capacity_bytes) {}
  SpaceLedger(const SpaceLedger&) = delete;
  SpaceLedger& operator=(const SpaceLedger&) = delete;

  // Adds so much to *reservation, which has nothing yet or is of this ledger. False, with nothing
  // changed: there is not so much free.
  [[nodiscard]] bool TryReserve(uint64_t bytes, Reservation* reservation);
  // The same, after waiting for so long at most. At once false if more is asked for than the
  // capacity.
  [[nodiscard]] bool Reserve(uint64_t bytes, uint64_t wait_nanos, Reservation* reservation);

  // Files are there that nobody reserved: at open, before anything is granted.
  void Charge(uint64_t bytes);
  // Files are gone, or shorter.
  void Credit(uint64_t bytes);
  void SetCapacity(uint64_t capacity_bytes);
  // What the file system has, where that is less than the capacity: it counts in its place.
  // kUnlimited: more than enough.
  void SetLimit(uint64_t limit_bytes);

  struct State {
    uint64_t capacity = 0;
    uint64_t limit = 0;  // of the file system; kUnlimited where none is known
    uint64_t used = 0;
    uint64_t reserved = 0;
    uint64_t free = 0;      // what TryReserve would grant
    uint64_t over = 0;      // used and reserved beyond what there is
    uint64_t overrun = 0;   // used beyond its reservation, ever
    uint64_t credited = 0;  // what files gave back, ever
    uint64_t waiting = 0;   // bytes that are waited for, each request on its own
    // What must be credited or released before all who wait go on, and the sum is under the
    // capacity again: 0 if they can.
    uint64_t wanted = 0;
  };
  State state() const;

 private:
  uint64_t Free() const REQUIRES(mu_);
  void Take(uint64_t bytes, Reservation* reservation) REQUIRES(mu_);
  void WakeFirst() REQUIRES(mu_);

  Clock* const clock_;
  mutable Mutex mu_;
  CondVar room_;
  uint64_t capacity_ GUARDED_BY(mu_);
  uint64_t limit_ GUARDED_BY(mu_) = kUnlimited;
  uint64_t used_ GUARDED_BY(mu_) = 0;
  uint64_t reserved_ GUARDED_BY(mu_) = 0;
  uint64_t overrun_ GUARDED_BY(mu_) = 0;
  uint64_t credited_ GUARDED_BY(mu_) = 0;
  std::list<uint64_t> waiting_ GUARDED_BY(mu_);  // what each asks for, in the order of arrival
};

}  // namespace varve

#endif  // VARVE_DB_SPACE_LEDGER_H_
