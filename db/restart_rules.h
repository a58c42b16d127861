#ifndef VARVE_DB_RESTART_RULES_H_
#define VARVE_DB_RESTART_RULES_H_

#include <optional>
#include <string>

#include "db/manifest.h"
#include "db/manifest_format.h"
#include "varve/listener.h"
#include "varve/options.h"

namespace varve {

// Whether what is in a cache's directory may be older than what was acknowledged, so that it must
// be emptied before anything of it is served (RULES R5.7, R8; docs/cache.md, "Restart"). Pure: from
// what the newest root says, and the boot id of the machine that opens it now ("": unknown).
//
//  1. Condemned: what was acknowledged last was in memory alone, whoever ended how.
//  2. Closed cleanly: everything is there.
//  3. Unlogged writes: they were lost with the process, and what they replaced was not.
//  4. The same boot: the process died, and the page cache has all that it logged.
//  5. All was synced before it was acknowledged: the machine died, and the disk has it. It is the
//     run that ended so which counts, not the one that opens: the root says it.
//  6. Else the log has a prefix of what was acknowledged. What stands behind it is lost, and what
//     that replaced may be in a segment.
//
// A log that is damaged below what is known durable is found later, by who reads it.
inline std::optional<CacheResetReason> ResetAtOpen(const ManifestState& state,
                                                   const std::string& boot_id,
                                                   AfterPowerLoss after_power_loss) {
  if (state.condemned) return CacheResetReason::kIoFailure;
  if (state.clean_close) return std::nullopt;
  if (state.unlogged) return CacheResetReason::kUnloggedWrites;
  const Slice boot = Slice(boot_id).substr(0, manifest::kBootIdBytesMax);  // as roots keep it
  if (!boot.empty() && boot == state.boot_id) return std::nullopt;
  if (state.all_synced) return std::nullopt;
  if (after_power_loss == AfterPowerLoss::kKeepPrefix) return std::nullopt;
  return CacheResetReason::kPowerLoss;
}

}  // namespace varve

#endif  // VARVE_DB_RESTART_RULES_H_
