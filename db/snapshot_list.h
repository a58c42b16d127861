#ifndef VARVE_DB_SNAPSHOT_LIST_H_
#define VARVE_DB_SNAPSHOT_LIST_H_

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "util/internal_key.h"
#include "util/mutex.h"
#include "varve/snapshot.h"

namespace varve {

// The sequences that live snapshots pin. A snapshot keeps the list alive, so it may be destroyed
// after its database.
//
// Thread safety: all of it.
class SnapshotList : public std::enable_shared_from_this<SnapshotList> {
 public:
  // Pins the newest published sequence. It is read under the list's lock, so that whoever calls
  // Sequences() afterwards either sees the snapshot or asks about entries that are all older.
  std::unique_ptr<Snapshot> Take(const std::atomic<SequenceNumber>& published);

  // Told of each sequence that was the oldest pinned one and is pinned no more: by the thread that
  // released it, which holds no lock but the listener's own. So that the call returns only when no
  // listener that was set before runs any more, it waits for one that does. Null: nobody is told.
  using ReleaseListener = std::function<void(SequenceNumber released)>;
  void SetReleaseListener(ReleaseListener listener) EXCLUDES(listener_mu_);

  // Ascending, each once.
  std::vector<SequenceNumber> Sequences() const;
  size_t count() const;
  // The lowest pinned sequence, or `otherwise`.
  SequenceNumber OldestOr(SequenceNumber otherwise) const;

 private:
  class Pin;

  void Release(SequenceNumber sequence) EXCLUDES(listener_mu_, mu_);

  Mutex listener_mu_;  // before all locks of the engine
  ReleaseListener listener_ GUARDED_BY(listener_mu_);
  mutable Mutex mu_;
  std::multiset<SequenceNumber> pinned_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_SNAPSHOT_LIST_H_
