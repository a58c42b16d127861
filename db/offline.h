#ifndef VARVE_DB_OFFLINE_H_
#define VARVE_DB_OFFLINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "db/read_path.h"
#include "db/read_view.h"
#include "varve/listener.h"
#include "varve/options.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// A directory that is looked at and not opened: no lock, no recovery, nothing written. It is what
// an open would find, its logs replayed into memory; of one that is in use, what is on disk just
// then, and files may go meanwhile, which is then an error.
//
// One thread.
class OfflineDatabase {
 public:
  // Requires options.env. InvalidArgument: another comparator. Else as Manifest::Inspect() says.
  // Damage of logs and segments is told where they are asked.
  static Status Open(const Options& options, const std::string& directory,
                     std::unique_ptr<OfflineDatabase>* database);

  const ManifestState& state() const { return state_; }
  bool cache() const { return (state_.mode_bits & kCacheMode) != 0; }
  // By which expiries are judged: the wall clock, or the manifest's mark where that is ahead.
  uint64_t now_ms() const { return now_ms_; }

  // Why the next open empties the cache, as it is now and on this machine (db/restart_rules.h):
  // what is on disk is then no answer to anything. Unset if it does not.
  std::optional<CacheResetReason> NextReset() const;

  // What became of a key: db/why.h. Before that, in a line that begins with reset, that it is gone
  // with the next open; with error, that the logs cannot be read.
  std::string Why(Slice key);

  // What can be known without a process that counts, in lines for people. `capacity_bytes`: what
  // its owner gives it, which the directory does not record; 0: unknown.
  Status Describe(uint64_t capacity_bytes, std::string* text);

 private:
  OfflineDatabase(const Options& options, const std::string& directory);
  Status ReadSources();
  Status CreatedMillis(const std::shared_ptr<SegmentFile>& file, uint64_t* created_ms);

  const Options options_;
  const std::string directory_;
  const std::shared_ptr<ReadPath> reads_;
  ManifestState state_;
  uint64_t now_ms_ = 0;
  SequenceNumber last_sequence_ = 0;
  Status log_status_;  // why the logs say less than they should
  uint64_t log_records_ = 0;
  std::vector<std::string> memtable_names_;  // of the logs they were made of
};

}  // namespace varve

#endif  // VARVE_DB_OFFLINE_H_
