#include "db/reset_clock.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "db/cache_reset.h"
#include "db/manifest.h"
#include "util/filename.h"

namespace varve {

namespace {

// The first number that no log there has.
Status PastAllLogs(FileSystem* file_system, const std::string& directory, FileNumber* number) {
  std::vector<std::string> names;
  Status status = file_system->ListDirectory(directory, &names);
  for (const std::string& name : names) {
    FileNumber found;
    FileType type;
    if (ParseFileName(name, &found, &type) && type == FileType::kLog) {
      *number = std::max(*number, found + 1);
    }
  }
  return status;
}

// With what else `edit` says. Whatever the end before it was: nothing of that is there any more, so
// the next open has nothing to judge.
Status EmptyCache(const Env& env, const std::string& directory, const ManifestState& state,
                  ManifestEdit edit, Manifest* manifest) {
  Status status = PastAllLogs(env.file_system.get(), directory, &edit.lowest_log);
  if (!status.ok()) return status;
  edit.retained_sequence = state.next_sequence - 1;
  edit.condemned = false;
  edit.unlogged = false;
  edit.all_synced = true;
  edit.judged = true;
  return ResetCache(manifest, CacheResetReason::kClock, env.clock->WallMillis(), std::move(edit));
}

}  // namespace

Status ResetClock(const Env& env, const std::string& directory, uint64_t now_ms,
                  ClockReset* reset) {
  FileSystem* const file_system = env.file_system.get();
  ManifestState state;
  Status status = Manifest::Inspect(file_system, directory, &state);
  if (!status.ok()) return status;
  std::unique_ptr<FileLock> lock;
  status = file_system->LockFile(LockFileName(directory), &lock);
  if (!status.ok()) return status;

  ManifestOptions options;
  options.file_system = env.file_system;
  options.machine = env.machine;
  options.comparator = state.comparator;
  options.mode_bits = state.mode_bits;
  std::unique_ptr<Manifest> manifest;
  status = Manifest::Open(options, directory, &state, &manifest);
  if (!status.ok()) return status;
  reset->before_ms = state.clock_mark_ms;
  reset->now_ms = now_ms;
  reset->emptied = (state.mode_bits & kCacheMode) != 0;

  ManifestEdit edit;
  edit.sets_clock_mark = true;
  edit.clock_mark_ms = now_ms;
  // No counter is known better than the roots reserve it: what follows is as after a kill.
  if (reset->emptied) return EmptyCache(env, directory, state, std::move(edit), manifest.get());
  status = manifest->Commit(edit);
  return status.ok() ? manifest->Seal() : status;
}

}  // namespace varve
