#ifndef VARVE_TOOLS_CRASH_EVICTION_LOG_H_
#define VARVE_TOOLS_CRASH_EVICTION_LOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "tests/support/sim_file_system.h"
#include "tools/crash/cache_oracle.h"
#include "varve/listener.h"

// What a cache tells of what it gives up, with what only the files say: which keys a victim's ghost
// file accepts. It is asked when the eviction is told, before the commit, so the file is there.

namespace varve::crash {

class EvictionLog : public EventListener {
 public:
  // `newest`: the last sequence that has been given out.
  EvictionLog(std::shared_ptr<SimFileSystem> fs, std::string directory, int keys,
              std::function<uint64_t()> newest)
      : fs_(std::move(fs)),
        directory_(std::move(directory)),
        keys_(keys),
        newest_(std::move(newest)) {}

  void OnEviction(const EvictionInfo& info) override;
  void OnCacheReset(const CacheResetInfo&) override;

  // What was told since it was made.
  std::vector<LoggedEviction> evictions() const;
  uint64_t resets() const;
  // Called for each as it is told, without a lock.
  void OnEach(std::function<void(const LoggedEviction&)> call) { call_ = std::move(call); }

 private:
  const std::shared_ptr<SimFileSystem> fs_;
  const std::string directory_;
  const int keys_;
  const std::function<uint64_t()> newest_;
  std::function<void(const LoggedEviction&)> call_;
  mutable std::mutex mutex_;
  std::vector<LoggedEviction> evictions_;
  uint64_t resets_ = 0;
};

// Of the ghost file of segment `number`: which of the keys it accepts. All of them where it cannot
// be read, as then the bounds count alone.
uint64_t KeysOfGhost(FileSystem* files, const std::string& directory, uint64_t number, int keys);

// Numbers of the live segments, ghosts left out.
std::set<uint64_t> LiveSegments(const ManifestState& manifest);
// Reads every ghost file that the manifest names, of live segments too, which nobody else reads
// before they are evicted. "" or what is wrong.
std::string CheckGhostFiles(FileSystem* file_system, const std::string& directory,
                            const ManifestState& manifest);

// The key of this number.
std::string CacheKey(int key);
// Which number a key has; -1: none.
int CacheKeyNumber(Slice key);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_EVICTION_LOG_H_
