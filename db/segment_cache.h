#ifndef VARVE_DB_SEGMENT_CACHE_H_
#define VARVE_DB_SEGMENT_CACHE_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "db/damaged_segments.h"
#include "db/version.h"
#include "table/segment_reader.h"
#include "util/epoch.h"
#include "util/mutex.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// Opens segments when they are first read. It keeps up to so many of them open, with up to so many
// bytes of indexes and filters together, and closes those that CLOCK finds unused. A closed reader
// goes when no lookup can still be in it (EpochDomain) and no iterator shares it.
//
// Thread safety: all of it. Get() of an open segment takes no lock.
class SegmentCache {
 public:
  // Open segments are charged to `memory`. `damaged` hears of those that cannot be opened or read,
  // in a cache; null in a database.
  SegmentCache(const Options& options, std::string directory, BlockCache* blocks,
               std::shared_ptr<MemoryBudget> memory, EpochDomain* epochs, DamagedSegments* damaged);

  // In a cache: whether a read that ended like this has met a segment that is as good as evicted,
  // so that it answers with a miss, and goes no deeper (RULES R2.3).
  bool IsMiss(const Status& status) const {
    return damaged_ != nullptr && (status.IsCorruption() || status.IsIOError());
  }

  // The reader of `file`, opened if need be. It stays usable while the caller is inside the epoch
  // domain. Corruption if the file is missing; else the errors of SegmentReader::Open. A later call
  // tries again. In a cache Busy, where the manifest's file cannot be opened either: that is no
  // matter of the segment, but of descriptors that are used up, say.
  Status Get(const std::shared_ptr<SegmentFile>& file, SegmentReader** reader) {
    // Sequentially consistent: see EpochDomain.
    *reader = file->reader_.load(std::memory_order_seq_cst);
    if (*reader != nullptr) [[likely]] {
      if (!file->used_.load(std::memory_order_relaxed)) {
        file->used_.store(true, std::memory_order_relaxed);
      }
      return Status::OK();
    }
    std::shared_ptr<SegmentReader> shared;
    const Status status = Share(file, &shared);
    *reader = shared.get();  // `file` owns it too, or it was retired while we are inside
    return status;
  }

  // The reader if it is open, else null. Also inside the epoch domain.
  static const SegmentReader* Peek(const SegmentFile& file) {
    return file.reader_.load(std::memory_order_seq_cst);
  }

  // As Get, owned with others: for iterators, which outlive their stay in the epoch domain.
  Status Share(const std::shared_ptr<SegmentFile>& file, std::shared_ptr<SegmentReader>* reader);

  // Takes the blocks of a segment out of the block cache, if it is open: it is obsolete.
  static void EraseCachedBlocks(const SegmentFile& file, EpochDomain* epochs);

  // In place of Options::open_segments_bytes: from the next segment on that is opened.
  void SetBytesMax(size_t bytes) { open_bytes_max_.store(bytes, std::memory_order_relaxed); }
  size_t bytes_max() const { return open_bytes_max_.load(std::memory_order_relaxed); }

  size_t open_count() const;
  // Indexes, filters and properties of the open segments, and of closed ones that somebody is
  // still in.
  size_t memory_bytes() const { return options_.memory->held(MemoryPart::kSegments); }

 private:
  struct Open {
    std::weak_ptr<SegmentFile> file;  // ends with the last version that holds the segment
    size_t bytes = 0;
  };

  Status OpenFile(const SegmentFile& file, std::unique_ptr<SegmentReader>* reader) const;
  // Closes readers other than that of `keep` while there are too many; returns them, to be retired.
  std::vector<std::shared_ptr<SegmentReader>> MakeRoom(const SegmentFile* keep) REQUIRES(mu_);

  SegmentReaderOptions options_;
  const std::shared_ptr<FileSystem> file_system_;
  const std::shared_ptr<Clock> clock_;
  const std::shared_ptr<Statistics> statistics_;
  const std::shared_ptr<const PrefixExtractor> prefix_extractor_;
  const std::string directory_;
  const bool direct_reads_;
  const size_t open_max_;
  std::atomic<size_t> open_bytes_max_;  // relaxed: a setting
  EpochDomain* const epochs_;
  DamagedSegments* const damaged_;

  mutable Mutex mu_;
  // The files with an open reader, in the order of CLOCK, whose hand is at hand_. Those that no
  // version holds any more leave when the hand comes by.
  std::vector<Open> open_ GUARDED_BY(mu_);
  size_t open_bytes_ GUARDED_BY(mu_) = 0;
  size_t hand_ GUARDED_BY(mu_) = 0;
};

}  // namespace varve

#endif  // VARVE_DB_SEGMENT_CACHE_H_
