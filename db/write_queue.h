#ifndef VARVE_DB_WRITE_QUEUE_H_
#define VARVE_DB_WRITE_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "memtable/memtable.h"
#include "util/internal_key.h"
#include "util/mutex.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// Puts concurrent writers in one order and lets the first of them work for those behind it (group
// commit, as LevelDB does).
//
//  1. Join(): a writer puts itself at the newest end of a linked list, by one compare-and-swap.
//     Where the list was empty it leads; otherwise it sleeps until it does, or until a leader has
//     answered it; meanwhile a leader may have it insert its own entries.
//  2. The leader takes a group: itself and those behind it that may share its fate (GroupOf).
//     Writers link to the older one alone, so the leader first adds the links to the newer ones.
//  3. The leader logs the group. It inserts all entries itself, or calls InsertInParallel(), in
//     which each writer of the group inserts its own.
//  4. The leader publishes, then Finish() answers every writer of the group with one status and
//     makes the next one in the list the leader, or empties the list.
//
// Whoever leads is alone: what only leaders touch needs no lock. An `exclusive` writer has no
// entries; it queues to lead alone. A writer that meets nobody takes no lock: two atomic operations
// are all. (The list is that of RocksDB's WriteThread; a mutex around a queue cost a lone put about
// a fifth of its time.)
//
// Thread safety: all of it; the group's methods are the leader's.
class WriteQueue {
 public:
  struct Writer {
    // What the record of the group gathers: the entries, without a batch's header.
    std::span<const Slice> entry_parts;
    size_t entry_bytes = 0;      // of the parts together
    size_t data_bytes = 0;       // of keys and values, at most
    uint32_t count = 0;          // of entries
    uint32_t range_deletes = 0;  // of them, range tombstones
    // Entries get their expiry from the time of the commit: the leader calls SetCommitTime().
    bool needs_time = false;
    bool expires = false;  // some entry has an expiry, be it from that time or its own
    // Then, if the entries do not say it themselves: what stands before them in the record, and
    // whether it would give puts behind them an expiry too (db/write_batch_internal.h).
    Slice time_entry;
    bool puts_expire = false;
    bool sync = false;
    bool sync_is_asked = false;  // by the write itself, not by the mode
    bool disable_wal = false;
    bool exclusive = false;

    SequenceNumber first_sequence = 0;  // set by the leader before inserts
    Status status;                      // of this writer's insert, then of the write

    virtual ~Writer() = default;
    // By the leader, to those that need it, before anything of the group is logged.
    virtual void SetCommitTime(uint64_t /*now_ms*/) {}
    // Adds the entries from first_sequence on; `concurrently` with other writers of the group.
    virtual Status InsertInto(MemTable* memtable, bool concurrently) = 0;

   private:
    friend class WriteQueue;
    enum class State : uint8_t { kWaiting, kLeads, kInserts, kDone };
    State state = State::kWaiting;  // guarded by the queue's mutex once it has to wait
    CondVar* wake = nullptr;        // the same; set while it sleeps
    Writer* older = nullptr;        // constant once in the list; null for the leader
    Writer* newer = nullptr;        // the leader's
  };

  // No group takes more bytes of entries than this, unless its leader alone does. Any time.
  void SetGroupBytesMax(size_t bytes) { group_bytes_max_.store(bytes, std::memory_order_relaxed); }

  // Blocks until `writer` leads (true) or has been answered by another leader (false).
  bool Join(Writer* writer);

  // The writers from the leader on that form one group: same disable_wal, no exclusive one, no
  // syncing one behind a leader that does not sync, and bytes within a limit that keeps a small
  // leader's wait short. group[0] is the leader.
  void GroupOf(Writer* leader, std::vector<Writer*>* group);

  // Every writer of the group inserts its own entries, the leader here, the others where they
  // wait in Join(). Returns when all have, with the first error.
  Status InsertInParallel(const std::vector<Writer*>& group, MemTable* memtable);

  // Gives `status` to every writer of the group and passes the lead on. The next leader may reuse
  // the vector `group` as soon as it leads, before this returns.
  void Finish(const std::vector<Writer*>& group, const Status& status);

 private:
  void SleepUntilChanged(Writer* writer, Writer::State from) REQUIRES(mu_);
  static void Change(Writer* writer, Writer::State to);
  // Completes the links to newer writers, from the oldest one up to `newest`.
  static void LinkNewer(Writer* newest);

  std::atomic<size_t> group_bytes_max_{SIZE_MAX};  // relaxed: for the next group

  // Null: nobody is here. Acquire and release: who reads a writer here may read all it wrote.
  std::atomic<Writer*> newest_{nullptr};

  Mutex mu_;
  size_t inserting_ GUARDED_BY(mu_) = 0;  // writers of the group that still insert
  MemTable* target_ GUARDED_BY(mu_) = nullptr;
  CondVar inserted_;
};

// Queues for the lead alone.
class ExclusiveWriter : public WriteQueue::Writer {
 public:
  ExclusiveWriter() { exclusive = true; }
  Status InsertInto(MemTable*, bool) override { return Status::OK(); }
};

}  // namespace varve

#endif  // VARVE_DB_WRITE_QUEUE_H_
