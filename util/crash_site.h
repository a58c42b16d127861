#ifndef VARVE_UTIL_CRASH_SITE_H_
#define VARVE_UTIL_CRASH_SITE_H_

#include <cstdint>

#include "util/scheduler.h"

// Names for the places at which a process may die, so that a crash test can say where it crashed
// what, and which places it never reached.
//
// A *site* is what a thread is doing while it calls the file system: CrashSiteScope says so for the
// calls within it, and a simulated file system asks CurrentCrashSite() what to file a call under. A
// *step* is a moment between two calls at which something becomes true in memory alone (a group was
// elected, a version published): CrashStepDone() tells the scheduler of a test.
//
// In production a scope costs two stores of a thread local, and a step one load and a predicted
// branch.

namespace varve {

enum class CrashSite : uint8_t {
  kOther = 0,
  kOpen,           // finding a directory, taking its lock
  kManifestOpen,   // the two fresh roots
  kManifestPages,  // overflow pages of a commit
  kManifestRoot,   // and its root
  kManifestRewrite,
  kLogMake,  // a fresh or recycled log up to its first record
  kLogAppend,
  kLogSync,
  kLogRecycle,     // a log that is not needed any more
  kRecoveryFlush,  // replayed entries into segments
  kFlush,
  kCompaction,
  kCheckpoint,
  kIngestion,
  kUnlink,  // files that neither root needs
  kEvict,   // whole segments, their commit and the seal after it included
  kSalvage,
  kClose,
  kCount,
};

enum class CrashStep : uint8_t {
  kGroupElected = 0,
  kGroupWritten,
  kGroupSynced,
  kGroupWoken,
  kLogRotated,
  kManifestPagesTaken,  // places of overflow pages that were free are in use again
  kManifestPublished,
  kFlushPublished,
  kCompactionPublished,
  kRecoveryReplayed,
  kRecoveryCommitted,
  kEvictionChosen,
  kEvictionPublished,
  kEvictionSealed,
  kSalvagePublished,
  kCount,
};

// "flush", "group elected".
const char* CrashSiteName(CrashSite site);
const char* CrashStepName(CrashStep step);

inline CrashSite& CurrentCrashSite() {
  static constinit thread_local CrashSite current = CrashSite::kOther;
  return current;
}

// The calls of this thread are made there; the innermost scope counts. But what an eviction or a
// salvage commits is filed under it: commits are many, and those decide what may be missing.
class CrashSiteScope {
 public:
  explicit CrashSiteScope(CrashSite site) : before_(CurrentCrashSite()) {
    if (!KeepsItsCommits(before_) || !IsCommit(site)) CurrentCrashSite() = site;
  }
  ~CrashSiteScope() { CurrentCrashSite() = before_; }
  CrashSiteScope(const CrashSiteScope&) = delete;
  CrashSiteScope& operator=(const CrashSiteScope&) = delete;

 private:
  static constexpr bool KeepsItsCommits(CrashSite site) {
    return site == CrashSite::kEvict || site == CrashSite::kSalvage;
  }
  static constexpr bool IsCommit(CrashSite site) {
    return site == CrashSite::kManifestPages || site == CrashSite::kManifestRoot;
  }

  const CrashSite before_;
};

inline void CrashStepDone(CrashStep step) {
  if (Scheduler* const scheduler = Scheduler::Current(); scheduler != nullptr) [[unlikely]]
    scheduler->Did(step);
}

}  // namespace varve

#endif  // VARVE_UTIL_CRASH_SITE_H_
