#ifndef VARVE_DB_CHECKPOINT_H_
#define VARVE_DB_CHECKPOINT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "db/version.h"
#include "util/rate_limiter.h"
#include "varve/options.h"
#include "varve/status.h"

// Makes a database of its own from one version of another.
//
//  1. In a directory of a temporary name beside the wanted one, under its LOCK: a hard link to each
//     file of a segment or a ghost, or a copy where the file system will not link. (Without the
//     ghosts it would serve what they hide.) The caller's version keeps them from being unlinked
//     meanwhile; that they are shared afterwards does no harm, since an installed segment is never
//     modified (RULES R2.1).
//  2. The names are synced, then a manifest is made that has all segments from its first moment
//     (Manifest::Create), and closed. Up to here there is no manifest, so what a crash leaves under
//     the temporary name is no database; the next checkpoint to the same place removes it.
//  3. The directory is renamed and its parent synced: now it is there, whole.
//
// Segments keep their numbers, which salt their checksums. The manifest has an id of its own, and
// names no logs. What is made of a cache is a cache.

namespace varve {

struct CheckpointSource {
  const Options* options = nullptr;  // completed
  std::string directory;
  std::shared_ptr<const Version> version;
  RateLimiter* limiter = nullptr;  // for copies; may be null
  uint64_t clock_mark_ms = 0;      // what has expired stays expired in the copy; 0: nothing has
};

struct CheckpointResult {
  uint64_t files_linked = 0;
  uint64_t files_copied = 0;
  uint64_t bytes_copied = 0;
};

// `directory` must not exist, or be empty; its parent exists. On an error nothing is left behind,
// as far as the file system lets it. InvalidArgument: `directory` holds something. Busy: another
// checkpoint to the same place is being made.
Status MakeCheckpoint(const CheckpointSource& source, const std::string& directory,
                      CheckpointResult* result);

}  // namespace varve

#endif  // VARVE_DB_CHECKPOINT_H_
