#ifndef VARVE_DB_COMPACTION_JOB_H_
#define VARVE_DB_COMPACTION_JOB_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db/compaction_iterator.h"
#include "db/compaction_plan.h"
#include "db/manifest.h"
#include "db/older_sources.h"
#include "db/read_sequences.h"
#include "db/segment_cache.h"
#include "util/mutex.h"
#include "util/rate_limiter.h"
#include "util/thread_pool.h"
#include "varve/options.h"

namespace varve {

// What a compaction works with; all of it outlives the job.
struct CompactionTools {
  const Options* options = nullptr;
  std::string directory;
  Manifest* manifest = nullptr;
  SegmentCache* segments = nullptr;
  RateLimiter* limiter = nullptr;
  ThreadPool* pool = nullptr;                    // lends threads to the parts of a large compaction
  const std::atomic<bool>* cancelled = nullptr;  // once set, it ends soon, with Aborted
  std::atomic<uint64_t>* entries_done = nullptr;  // counts those of the inputs it has read
  uint64_t applied_to = 0;                        // of the outputs (SegmentEntry)
  uint64_t now_ms = 0;  // by which it is judged what has expired, ms since 1970; 0: nothing has
};

// Carries a plan out: reads the inputs, writes the outputs. It installs nothing: the database is as
// it was until its owner commits outputs() in place of the inputs.
//
//  1. A large plan is split at user keys into *parts* of about equal bytes, which run side by side
//     on whatever threads the pool has free; the thread that runs the job takes parts as well, so
//     it never waits for a thread to come.
//  2. Each part merges its stretch of all inputs (one cursor a run), lets CompactionIterator judge
//     what stays, and CompactionOutputs write it.
//     What ghosts of the version hide of an input is dropped: those that are newer than it.
//  3. Where any part fails, the others end soon, and the outputs of all are removed.
//
// Thread safety: Run() once, by one thread.
class CompactionJob {
 public:
  // `version` is the one the plan was made from. `readers` are taken after it, so that whatever
  // hides an entry of the inputs was published before.
  CompactionJob(const CompactionTools& tools, CompactionPlan plan,
                std::shared_ptr<const Version> version, ReadSequences readers, int parts_max);
  ~CompactionJob();

  Status Run();

  const CompactionPlan& plan() const { return plan_; }
  // In the place of the inputs. Until they are committed, who gives the job up removes their files.
  const std::vector<SegmentEntry>& outputs() const { return outputs_; }
  void RemoveOutputs();

  const CompactionIterator::Stats& stats() const { return stats_; }
  uint64_t bytes_read() const { return plan_.trivial_move ? 0 : plan_.input_bytes(); }
  uint64_t bytes_written() const;        // of segments
  uint64_t ghost_bytes_written() const;  // of their ghost files
  size_t parts() const { return parts_.size(); }

 private:
  struct Part {
    const std::string* begin = nullptr;  // user keys, null: unbounded
    const std::string* end = nullptr;
    std::vector<SegmentEntry> made;
    CompactionIterator::Stats stats;
    Status status;
  };
  class Crew;  // the threads that take parts

  void Move();
  Status OpenInputs();
  void Split();
  void RunPart(Part* part);
  Status WritePart(Part* part);
  Status RunParts();
  bool Cancelled() const;

  const CompactionTools tools_;
  const CompactionPlan plan_;
  const std::shared_ptr<const Version> version_;
  const ReadSequences readers_;
  const InternalKeyComparator comparator_;
  const OlderSources older_;
  const size_t parts_max_;

  std::vector<std::unique_ptr<const SortedRun>> runs_;  // the inputs, newest first
  std::unique_ptr<const FragmentedRangeTombstones> tombstones_;
  std::vector<std::string> splits_;  // the user keys at which parts begin, but the first
  std::vector<Part> parts_;
  std::atomic<bool> part_failed_{false};  // relaxed: only a hint to the other parts
  std::vector<SegmentEntry> outputs_;
  CompactionIterator::Stats stats_;
};

}  // namespace varve

#endif  // VARVE_DB_COMPACTION_JOB_H_
