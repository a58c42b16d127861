#include "util/crash_site.h"

#include <cstddef>

namespace varve {

const char* CrashSiteName(CrashSite site) {
  static constexpr const char* kNames[] = {"other",          "open",           "manifest open",
                                           "manifest pages", "manifest root",  "manifest rewrite",
                                           "log make",       "log append",     "log sync",
                                           "log recycle",    "recovery flush", "flush",
                                           "compaction",     "checkpoint",     "ingestion",
                                           "unlink",         "evict",          "salvage",
                                           "close"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<size_t>(CrashSite::kCount));
  return kNames[static_cast<int>(site)];
}

const char* CrashStepName(CrashStep step) {
  static constexpr const char* kNames[] = {
      "group elected",        "group written",        "group synced",       "group woken",
      "log rotated",          "manifest pages taken", "manifest published", "flush published",
      "compaction published", "recovery replayed",    "recovery committed", "eviction chosen",
      "eviction published",   "eviction sealed",      "salvage published"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<size_t>(CrashStep::kCount));
  return kNames[static_cast<int>(step)];
}

}  // namespace varve
