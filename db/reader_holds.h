#ifndef VARVE_DB_READER_HOLDS_H_
#define VARVE_DB_READER_HOLDS_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <span>

#include "db/version.h"
#include "util/mutex.h"
#include "varve/iterator.h"
#include "varve/status.h"

namespace varve {

// Who holds which version of a cache for longer than a lookup, and how those who do are told that
// it is over: what they hold open may be wanted for room (RULES R6.4). In cache mode a reader's
// pins hold memory, not disk.
//
//  1. An iterator is registered before it takes its view. So whoever has published a version
//     without a segment, and then looks here, sees everyone who may still open it.
//  2. To revoke it sets a flag. The iterator looks at the flag before each step and after it, so a
//     step that met closed files says Aborted, and nothing is shown that came of it. What it stands
//     on stays good until then: blocks and memtables are memory.
//  3. When nobody who is not revoked holds a segment, and the lookups of before are over, its file
//     may be closed and unlinked.
//
// A snapshot is not here: it holds a sequence and no file, and what was evicted is gone for it too.
// Checkpoints are, as holds that are not revoked; they end by themselves.
//
// Thread safety: all of it, but that a Hold's own methods are its owner's.
class ReaderHolds {
 public:
  class Hold {
   public:
    // Before a view is taken, for the first time or anew; what was revoked is no more.
    void Begin();
    // The view has been taken.
    void Took(std::shared_ptr<const Version> version);
    bool revoked() const { return revoked_.load(std::memory_order_acquire); }
    ~Hold();

   private:
    friend class ReaderHolds;
    Hold(std::shared_ptr<ReaderHolds> holds, bool revocable)
        : holds_(std::move(holds)), revocable_(revocable) {}

    const std::shared_ptr<ReaderHolds> holds_;
    const bool revocable_;
    std::atomic<bool> revoked_{false};  // release: what is closed next is closed after it
    // Guarded by the list's mutex.
    bool taking_ = false;                     // a view, which may be any
    std::shared_ptr<const Version> version_;  // null: none, or taking_
    std::list<Hold*>::iterator place_;
  };

  static std::shared_ptr<ReaderHolds> New() {
    return std::shared_ptr<ReaderHolds>(new ReaderHolds());
  }

  static std::unique_ptr<Hold> Register(const std::shared_ptr<ReaderHolds>& holds, bool revocable);

  // Whether anyone who is not revoked holds the segment.
  bool Holds(FileNumber segment) const;
  // Revokes the hold that was begun first of those that have one of the segments. False: none was.
  bool RevokeOldest(std::span<const FileNumber> segments);
  uint64_t revoked() const { return revocations_.load(std::memory_order_relaxed); }

 private:
  ReaderHolds() = default;

  mutable Mutex mu_;
  std::list<Hold*> holds_ GUARDED_BY(mu_);  // in the order in which they were begun
  std::atomic<uint64_t> revocations_{0};    // relaxed: a counter
};

// An iterator of which the view may be revoked.
std::unique_ptr<Iterator> NewRevocableIterator(std::unique_ptr<Iterator> base,
                                               std::shared_ptr<ReaderHolds::Hold> hold);

}  // namespace varve

#endif  // VARVE_DB_READER_HOLDS_H_
