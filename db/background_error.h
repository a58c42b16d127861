#ifndef VARVE_DB_BACKGROUND_ERROR_H_
#define VARVE_DB_BACKGROUND_ERROR_H_

#include <array>
#include <cstddef>

#include "db/event_dispatch.h"
#include "varve/listener.h"
#include "varve/status.h"

namespace varve {

// Whether work that failed like this is worth trying again by itself: what failed may be over by
// then (a full disk, an interrupted call, a device that was away), and nothing was changed. A
// flush or a compaction that finds damage, or is refused, would find the same again; but not a
// compaction of one that `quarantines`, a cache: the next finds what is damaged taken out.
bool IsTransient(BackgroundErrorSource source, const Status& status, bool quarantines = false);

// Which errors the background has met and not got over. Two kinds:
//
//  - *transient*: the work is tried again by its owner, with back-off, and nobody else need do
//    anything (Checklist C11, C12). One at a time for each source, until that source succeeds.
//  - *read-only*: going on could lose or mix up what was acknowledged, so writes and background
//    work end, and reads go on. The first such error is kept and given to all who ask. DB::Resume()
//    leads out of it, unless WhyNotResumable() says otherwise.
//
// Listeners hear of each change of state once: when a source begins to fail, when the database
// becomes read-only, and when either is over.
//
// Thread safety: none; guarded by DBImpl::mu_.
class BackgroundErrors {
 public:
  // `quarantines`: as IsTransient().
  explicit BackgroundErrors(EventDispatch* events, bool quarantines = false)
      : events_(events), quarantines_(quarantines) {}

  // Takes note. True if the database is read-only from now on, and was not before. `for_good`: it
  // has been tried often enough, and is no longer taken for what may pass.
  bool Failed(BackgroundErrorSource source, const Status& status, bool for_good = false);
  // Work of the source has succeeded.
  void Succeeded(BackgroundErrorSource source);
  // Nothing is in the way of writes any more.
  void Resumed();

  // OK, or why the database is read-only.
  const Status& read_only() const { return read_only_.status; }
  // OK, or what the source fails with and tries again.
  const Status& transient(BackgroundErrorSource source) const { return transient_[Index(source)]; }

  // OK if Resume() may lead out of the read-only state. Otherwise the error that forbids it, which
  // need not be the first one:
  //  - the manifest is poisoned: which of its roots a crash would leave is unknown until it is
  //    opened again (RULES R4.1);
  //  - a logged group is in the memtable in part. It was never published and never must be, but a
  //    flush would take it along (RULES R5.1).
  Status WhyNotResumable() const;

 private:
  static constexpr size_t kSources = 5;
  static size_t Index(BackgroundErrorSource source) { return static_cast<size_t>(source); }

  EventDispatch* const events_;
  const bool quarantines_;
  BackgroundErrorInfo read_only_;
  BackgroundErrorInfo unresumable_;
  std::array<Status, kSources> transient_;
};

}  // namespace varve

#endif  // VARVE_DB_BACKGROUND_ERROR_H_
