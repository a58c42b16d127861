#ifndef VARVE_TESTS_SUPPORT_LEDGER_H_
#define VARVE_TESTS_SUPPORT_LEDGER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "varve/slice.h"

// What a crash test knows of the writes it made, and whether a state found after a crash is legal.
//
// The promise it checks: the state is that after a *prefix* of the writes. One prefix for all
// keys; batches whole; at least everything known durable (after a kill: everything logged that was
// acknowledged); at most everything invoked.
//
// Writers own disjoint sets of keys, so that the order of writes need not be known: each writer's
// batches are in its own order, and a batch that was acknowledged before another was invoked comes
// before it. A state is legal if there is a number of batches for each writer, within its bounds,
// that gives exactly that state, and that is closed: with a batch all that come before it.
//
// Times are *positions*: how many changes the disk had seen (SimFileSystem::op_count()), read
// before a call for its invocation and after it for its return. So an event at position p lies
// before the crash at boundary b iff p <= b.
//
// Sessions. After a crash a new session goes on where recovery left off: it starts from the ledger
// and the bounds of that crash, and once its open has returned with a state (Resolve), the batches
// beyond it must never come back, and those up to it are durable. Until then a power loss may still
// take what a kill before it left in the cache.
//
// A state is compared by a sum of hashes over its entries, kept for every prefix, so that judging
// costs no more than reading. Methods that record may be called from any thread.

namespace varve {

class Ledger {
 public:
  struct Op {
    std::string key;
    std::optional<std::string> value;  // none: deleted
  };
  using BatchNumber = uint32_t;  // counted from 1, for each writer
  using State = std::map<std::string, std::string>;

  // How many batches of each writer must, and may, be there.
  struct Bounds {
    std::vector<BatchNumber> low, high;
    std::string ToString() const;
  };
  struct Verdict {
    bool legal = false;
    std::vector<BatchNumber> prefix;  // if legal: the lowest numbers that explain the state
  };

  explicit Ledger(int writers);
  // A session on what a crash of `before`'s at `position` left.
  Ledger(const std::shared_ptr<const Ledger>& before, uint64_t position, bool kill);

  int writers() const { return static_cast<int>(writers_.size()); }

  // ---- Recording ----------------------------------------------------------------------------
  // Before the call that writes. `logged`: it survives a kill once acknowledged.
  BatchNumber Begin(int writer, std::vector<Op> ops, bool logged, uint64_t position);
  // After the call returned OK.
  void Acknowledge(int writer, BatchNumber batch, bool durable, uint64_t position);
  // (If it failed the batch may be there or not, and its writer must begin no other in this
  // session.) Before a call that makes everything acknowledged so far durable; pass the result to
  // AllDurable() when it returned OK.
  std::vector<BatchNumber> Acknowledged() const;
  void AllDurable(const std::vector<BatchNumber>& acknowledged, uint64_t position);
  // The open of a continuing session found `prefix` (of the ledger before) and returned.
  void Resolve(const std::vector<BatchNumber>& prefix, uint64_t position);

  // ---- Judging; nothing may be recorded meanwhile -------------------------------------------
  // `kill`: the process alone died, and nothing that was cached is lost.
  Bounds At(uint64_t position, bool kill) const;
  // `hashes`: of each writer's part of the state that was found.
  Verdict Judge(const std::vector<uint64_t>& hashes, uint64_t position, const Bounds& bounds) const;
  // A writer's part of a state has the sum of its entries' hashes.
  static uint64_t HashEntry(Slice key, Slice value);

  // The state after `prefix`.
  State StateAt(const std::vector<BatchNumber>& prefix, uint64_t position) const;
  // What is wrong with a state that Judge found illegal: the first contradictions, for people.
  std::string Explain(const State& found, uint64_t position, const Bounds& bounds) const;
  // Every key ever written or deleted, of sessions before too, in order.
  std::vector<std::string> Keys() const;

 private:
  static constexpr uint64_t kNever = UINT64_MAX;
  struct Batch {
    std::vector<Op> ops;
    bool logged = true;
    uint64_t invoked_at = 0, acknowledged_at = kNever, durable_at = kNever;  // positions
    uint64_t invoked_tick = 0, acknowledged_tick = kNever;  // one clock for all writers
    uint64_t hash = 0;  // of the writer's state with this batch and all before it
  };
  struct Writer {
    std::vector<Batch> batches;  // [0] stands for none
    State state;                 // after all of them
  };

  // The ledger that judges a crash at `position`: this one, or the one before.
  const Ledger& JudgeAt(uint64_t position) const;
  // The lowest prefix from `candidates` (ascending, one list a writer) that is closed.
  bool Close(const std::vector<std::vector<BatchNumber>>& candidates,
             std::vector<BatchNumber>* prefix) const;
  // How many batches of `writer` were acknowledged before `batch` of another was invoked.
  BatchNumber Before(int writer, const Batch& batch) const;

  mutable std::mutex mutex_;
  uint64_t tick_ = 0;
  std::vector<Writer> writers_;
  // Of a continuing session: what judges until resolved_at_, and how.
  std::shared_ptr<const Ledger> before_;
  Bounds before_kill_, before_loss_;
  uint64_t resolved_at_ = 0;
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_LEDGER_H_
