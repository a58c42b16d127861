#ifndef VARVE_DB_SALVAGE_JOB_H_
#define VARVE_DB_SALVAGE_JOB_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "db/read_view.h"
#include "db/segment_cache.h"
#include "db/segment_output.h"
#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// What a salvage works with; all of it outlives the job.
struct SalvageTools {
  const Options* options = nullptr;
  std::string directory;
  Manifest* manifest = nullptr;
  SegmentCache* segments = nullptr;
  uint64_t applied_to = 0;                       // of the output: see SegmentEntry
  uint64_t now_ms = 0;                           // the same
  const std::atomic<bool>* cancelled = nullptr;  // once set, it ends soon, with Aborted
};

// What it may write, and what of it is worth writing.
struct SalvageLimits {
  uint64_t bytes_max = 0;                                    // of the segment it makes
  std::function<bool(uint64_t expires_at_ms)> worth_saving;  // for entries that expire
};

// Saves what was hit of segments that are about to be evicted: writes it into one that stands at
// epoch b, that of the newest segment, and so is among the last to be evicted. The victims stay as
// they are; their owner commits the output, and then evicts them.
//
//  1. Of a key that was hit in a victim of epoch a (cache/segment_heat.h) the newest version rises
//     to b, if it is a value that nobody has deleted, that has not expired and that is worth it.
//     Sequence and expiry are kept.
//  2. It rises only if no other source at or above a, up to the memtables, holds the key (RULES
//     R1.4): segments are asked by their filters, and where those say maybe by a read; range
//     tombstones that cover it count, the victim's own above it too (R1.7, H37); and so does a
//     ghost that accepts it. Judged key by key: bounds of hashed keys always meet (H36). What
//     cannot be read may hold it.
//  3. Nothing else is written. What is left behind goes with the victim, whose ghost goes on hiding
//     what is older, its range tombstones with it; where nothing is older, there is nothing to
//     hide. Older versions that snapshots see are left behind too: to them they are evicted (H38).
//
// As only the newest version of a key ever rises, over sources that do not have it, whatever else
// is done meanwhile finds it where it may be: what is flushed is newer than b, and merges and
// evictions of others bring no key to where it was not. Until the victims are evicted an entry is
// in two places, as the same version; a crash in between leaves that.
//
// Rejected: tombstones in place of what is left behind, in a segment at epoch a. They would write,
// for each entry evicted, what the ghost has in two bytes.
//
// Thread safety: Run() once, by one thread.
class SalvageJob {
 public:
  struct Stats {
    uint64_t entries_hit = 0;  // keys of the victim that were hit
    uint64_t entries_saved = 0;
    uint64_t bytes_saved = 0;       // of their keys and values
    uint64_t entries_held = 0;      // of those hit: another source may hold the key
    uint64_t entries_expiring = 0;  // gone, or not worth it
    uint64_t entries_over = 0;      // beyond the limit
  };

  // `view` has the victims, which are the caller's to evict: no other job has them in hand.
  SalvageJob(const SalvageTools& tools, std::shared_ptr<const ReadView> view, SegmentList victims,
             SalvageLimits limits);
  ~SalvageJob();
  SalvageJob(const SalvageJob&) = delete;
  SalvageJob& operator=(const SalvageJob&) = delete;

  // Reads the victims, writes the output. On an error nothing is left behind, as far as the file
  // system lets it.
  Status Run();

  // One, or none where nothing is saved. Until it is committed, who gives the job up removes it.
  const std::vector<SegmentEntry>& outputs() const { return outputs_; }
  void RemoveOutputs();
  const Stats& stats() const { return stats_; }

 private:
  // Goes through the victims that there is anything to save of.
  Status SaveFrom(const SegmentList& victims);
  // The newest version of a key, in `victim`, where it was hit.
  Status Consider(const SegmentFile& victim, Slice internal_key, Slice value);
  bool IsWorthSaving(uint64_t trailer, Slice value) const;
  bool HeldElsewhere(const SegmentFile& victim, const LookupKey& key, SequenceNumber sequence);
  bool HeldInMemory(const LookupKey& key) const;
  bool HeldBy(const std::shared_ptr<SegmentFile>& file, const LookupKey& key,
              bool range_tombstones);
  Status Save(Slice internal_key, Slice value);
  bool Cancelled() const {
    return tools_.cancelled != nullptr && tools_.cancelled->load(std::memory_order_relaxed);
  }

  const SalvageTools tools_;
  const std::shared_ptr<const ReadView> view_;
  const SegmentList victims_;
  const SalvageLimits limits_;
  const InternalKeyComparator comparator_;
  uint64_t output_epoch_ = 0;

  // Of all segments that were asked, so that they stay open.
  std::map<FileNumber, std::shared_ptr<SegmentReader>> readers_;
  std::unique_ptr<SegmentOutput> output_;
  std::vector<SegmentEntry> outputs_;
  Stats stats_;
};

}  // namespace varve

#endif  // VARVE_DB_SALVAGE_JOB_H_
