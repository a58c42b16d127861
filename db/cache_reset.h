#ifndef VARVE_DB_CACHE_RESET_H_
#define VARVE_DB_CACHE_RESET_H_

#include <cstdint>
#include <string>

#include "db/manifest.h"
#include "varve/listener.h"
#include "varve/status.h"

namespace varve {

// Empties a cache: what is in it could be older than what was acknowledged, or is out of date by
// other reasons (RULES R5.7, R7, R8).
//
//  1. One commit removes every entry, segments and ghosts alike, passes every log (edit.lowest_log
//     lies above all of them), and notes the reset in the root. It carries what else `edit` says:
//     that the directory is no longer condemned, for one.
//  2. A seal, so that neither root names what was.
//  3. Then, and only then, may files go. Numbers and sequences go on: none is used again.
//
// A crash before (1) is durable leaves the evidence by which the next open resets; between (1) and
// (2) the newest root is the empty one, and if just that is lost, the evidence again.
//
// The caller owns the manifest alone: nothing is being flushed, merged or evicted. Whoever has
// versions of what goes tells them before (db/obsolete_segments.h). Errors of Commit() and Seal().
Status ResetCache(Manifest* manifest, CacheResetReason reason, uint64_t wall_ms, ManifestEdit edit);

// For people: "power loss, at 1700000000000 ms since 1970, 12 segments; 3 resets in all".
std::string DescribeReset(const CacheResetInfo& info);

}  // namespace varve

#endif  // VARVE_DB_CACHE_RESET_H_
