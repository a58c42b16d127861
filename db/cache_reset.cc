#include "db/cache_reset.h"

namespace varve {

Status ResetCache(Manifest* manifest, CacheResetReason reason, uint64_t wall_ms,
                  ManifestEdit edit) {
  edit.reset.emplace();
  edit.reset->reason = reason;
  edit.reset->wall_ms = wall_ms;
  Status status = manifest->Commit(edit);
  return status.ok() ? manifest->Seal() : status;
}

std::string DescribeReset(const CacheResetInfo& info) {
  return std::string(CacheResetReasonName(info.reason)) + ", at " + std::to_string(info.wall_ms) +
         " ms since 1970, " + std::to_string(info.segments) + " segments; " +
         std::to_string(info.resets) + (info.resets == 1 ? " reset" : " resets") + " in all";
}

}  // namespace varve
