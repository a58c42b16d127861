// How a read-only database is brought back without closing it, and how background work is paused.
//
// Resume, after a log that could not be written or synced, or a job that found damage:
//
//  1. Lead the write queue alone: no group is half-way, and none begins. Wait until the flush that
//     may be under way has ended; no other begins while the database is read-only.
//  2. Refuse where memory or manifest are not what they should be (BackgroundErrors).
//  3. The active memtable becomes immutable; *all* memtables are written into one segment.
//  4. One commit names it and passes *every* log ever used.
//  5. Seal.
//  6. Forget the logs, their files and the latch (Wal::Restart()).
//  7. Accept writes again. The next one begins a new log, whose first record follows nothing, as
//     after an open.
//
// Why this loses nothing and brings nothing back (RULES R4, R5):
//
//  - The commit of any other flush follows the sync of every log up to the last it covers
//    (R4.2), for a power loss could otherwise take an earlier memtable's log from under a later
//    one's segment. Here the logs cannot be synced. They need not be: there is no memtable that the
//    commit leaves out, so nothing that it makes durable rests on a log. Were it two commits, of
//    the older memtables first, a crash in between would do no harm either, but of the newer ones
//    first it would; one commit leaves nothing to order.
//  - A crash before the commit finds roots and logs as the latch left them: a prefix, to be
//    replayed as ever. One after it finds everything that was published.
//  - The group whose log failed was not published. It may be in the log, whole or in part, and a
//    crash before the commit may bring it back, as its writer was told ("may or may not be there
//    after the next Open, but not before it"). After the commit it never comes back: that passes
//    its log too, even where the active memtable is empty because the failed group was the log's
//    first.
//  - Its sequences are used again by the writes that follow. No replay ever meets both: before the
//    first of them both roots pass the failed log (4 and 5). Were one enough, the loss of the newer
//    root would leave the older one with the failed log and the new one behind it, in which the
//    same sequences say something else (R4.1, Checklist N8).
//  - Entries that no log ever held (`disable_wal`) are in the segment too, and in both roots.
//  - The failed log is not written again, nor reused under another number: an fsync of it proves
//    nothing (Checklist W2). Its file goes after the seal, when neither root needs it.
//
// Alternatives that were rejected: to switch to a new log and keep the memtables would leave them
// behind a log that cannot be synced; to copy the failed log's records into a new one is a second
// recovery, with the first log's torn end in the middle of the chain.

#include <utility>

#include "db/db_impl.h"

namespace varve {

Status DBImpl::Resume() {
  if (Status status = CheckRunning(); !status.ok()) return status;
  ExclusiveWriter lead;
  queue_.Join(&lead);
  Status status = CheckOpen();
  if (status.ok()) status = ResumeWrites();
  queue_.Finish({&lead}, status);
  events_.Deliver();
  return status;
}

Status DBImpl::ResumeWrites() {
  {
    MutexLock lock(&mu_);
    retry_at_ = 0;  // what waits to be tried again is tried now
    changed_.SignalAll();
    ScheduleCompactions();
    if (errors_.read_only().ok()) return Status::OK();
    while (flush_running_) changed_.Wait(&mu_);
    if (in_memory_only_.load(std::memory_order_relaxed)) {
      mu_.Unlock();
      const Status returned = ReturnToDirectory();
      mu_.Lock();
      return returned;
    }
    if (Status refused = errors_.WhyNotResumable(); !refused.ok()) return refused;
  }
  if (Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
    return poisoned;
  }
  Status status = active_.memtable->empty() ? Status::OK() : ReplaceActive();
  if (status.ok()) status = FlushEverything();
  if (status.ok()) status = options_.cache() ? MarkUnlogged(false) : Seal();
  if (status.ok()) status = wal_->Restart();
  if (!status.ok()) return status.WithContext("cannot resume yet");
  AcceptWritesAgain();
  return Status::OK();
}

void DBImpl::AcceptWritesAgain() {
  active_.log = 0;
  active_.log_end = {};
  active_.unlogged = false;
  unlogged_in_memory_ = unlogged_marked_ = false;
  {
    MutexLock lock(&mu_);
    events_.PostDegraded({Degradation::kNone, errors_.read_only()});
    errors_.Resumed();
    error_told_ = false;
    not_condemned_ = Status::OK();
    flush_io_errors_ = 0;
    flush_error_ = Status::OK();
    has_background_error_.store(false, std::memory_order_release);
    ScheduleCompactions();
    UpdateStall();
    changed_.SignalAll();
  }
  options_.logger->Log(LogLevel::kInfo, path_ + ": resumed, writes are accepted again");
}

Status DBImpl::FlushEverything() {
  std::vector<Table> tables;
  {
    MutexLock lock(&mu_);
    tables.assign(immutables_.begin(), immutables_.end());
    stall_.FlushBegan(tables.size(), 0);
  }
  if (!tables.empty()) return FlushTables(tables, FlushLogs::kPassAll);
  // A resume that failed later than here has flushed them, or there never was anything but the
  // failed group.
  ManifestEdit edit;
  edit.lowest_log = wal_->current() + 1;
  edit.next_sequence = reads_->published() + 1;
  Status status = manifest_->Commit(edit);
  if (Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  return status;
}

Status DBImpl::PauseBackgroundWork() {
  if (Status status = CheckOpen(); !status.ok()) return status;
  MutexLock lock(&mu_);
  ++pauses_;
  changed_.SignalAll();  // a flush that waits to try again ends
  while (pauses_ > 0 && (flush_running_ || !compactions_.empty()) && !closing_) {
    changed_.Wait(&mu_);
  }
  return closing_ ? Status::Aborted(path_ + ": closed") : Status::OK();
}

Status DBImpl::ContinueBackgroundWork() {
  if (Status status = CheckOpen(); !status.ok()) return status;
  MutexLock lock(&mu_);
  if (pauses_ == 0) return Status::InvalidArgument("background work is not paused");
  --pauses_;
  ScheduleFlush();
  ScheduleCompactions();
  changed_.SignalAll();  // manual compactions
  return Status::OK();
}

}  // namespace varve
