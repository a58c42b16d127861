#ifndef VARVE_TESTS_DB_DESTROY_ROOT_H_
#define VARVE_TESTS_DB_DESTROY_ROOT_H_

#include <string>

#include "db/manifest.h"
#include "db/manifest_format.h"
#include "tests/support/sim_file_system.h"
#include "util/filename.h"

namespace varve {

// Makes the newest root of a database's manifest unreadable. False, with nothing changed, where
// there are no two valid ones.
inline bool DestroyNewestRoot(const std::string& directory, SimDisk* disk) {
  ManifestState state, rest;
  if (!Manifest::Inspect(SimFileSystem::New({}, *disk).get(), directory, &state).ok()) return false;
  if (state.valid_roots != 2) return false;
  for (uint32_t slot = 0; slot < manifest::kRoots; ++slot) {
    SimDisk damaged = *disk;
    damaged.Damage(damaged.Find(ManifestFileName(directory)), slot * manifest::kPageBytes,
                   "destroyed");
    if (!Manifest::Inspect(SimFileSystem::New({}, damaged).get(), directory, &rest).ok())
      return false;
    if (rest.generation == state.generation) continue;
    *disk = damaged;
    return true;
  }
  return false;
}

}  // namespace varve

#endif  // VARVE_TESTS_DB_DESTROY_ROOT_H_
