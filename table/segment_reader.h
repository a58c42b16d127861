#ifndef VARVE_TABLE_SEGMENT_READER_H_
#define VARVE_TABLE_SEGMENT_READER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "table/segment_properties.h"
#include "util/internal_iterator.h"
#include "util/internal_key.h"
#include "util/memory_budget.h"
#include "util/range_tombstones.h"
#include "varve/comparator.h"
#include "varve/env.h"
#include "varve/pinned_value.h"
#include "varve/prefix_extractor.h"
#include "varve/slice.h"
#include "varve/statistics.h"
#include "varve/status.h"

namespace varve {

class BlockCache;
class OpenSegment;

// Hears that a block of an open segment could not be read, or is damaged. By the thread that reads.
class SegmentReadErrors {
 public:
  virtual ~SegmentReadErrors() = default;
  virtual void OnReadError(FileNumber number, const Status& status) = 0;
};

struct SegmentReaderOptions {
  // Must be the one the segment was built with.
  const Comparator* comparator = BytewiseComparator();
  // Holds data blocks, under the segment's number; null: every block is read when it is needed.
  // Must outlive the reader; values pinned in it may outlive both.
  BlockCache* cache = nullptr;
  // May be null. Must outlive the reader.
  Statistics* statistics = nullptr;
  // May be null. Is charged with memory_bytes().
  std::shared_ptr<MemoryBudget> memory;
  // Null, or it outlives the reader: for MayContainPrefix().
  const PrefixExtractor* prefix_extractor = nullptr;
  // Null, or it outlives the reader. Then a read that ends in IOError is tried once more, and what
  // fails for good, or is damaged, is told.
  SegmentReadErrors* errors = nullptr;
};

struct SegmentReadOptions {
  // Verify the checksum of each block that is read from the file. Without it a damaged block may
  // give a wrong answer, but never a wild access.
  bool verify_checksums = true;
  // Keep blocks that had to be read in the cache.
  bool fill_cache = true;
};

// The outcome of a point lookup.
struct PointResult {
  // Where the value goes; null if only the version matters. Left alone if nothing was found.
  PinnedValue* value = nullptr;
  bool found = false;
  // Of the entry that was found: TrailerSequence(), TrailerType().
  uint64_t trailer = 0;
};

// One key of a MultiGet.
struct PointRequest {
  const LookupKey* key = nullptr;
  uint64_t key_hash = 0;  // Hash64(key->user_key())
  PointResult result;
  Status status;
};

// An open segment: index, filter and range tombstones in memory, data blocks from the cache or the
// file.
//
// Errors: Corruption names file, offset, expected and found; a damaged block is never skipped and
// never reported as "not found". Thread safety: any number of threads may call anything at any
// time; nothing changes after Open.
class SegmentReader {
 public:
  // Reads footer, properties, index, filter and range tombstones, and checks them. NotSupported if
  // the file was written by a newer version; InvalidArgument if the comparator is another one;
  // Corruption if it is damaged, cut off, or is not segment `number` (0 accepts any). `path` is for
  // messages.
  static Status Open(const SegmentReaderOptions& options, std::unique_ptr<RandomAccessFile> file,
                     std::string path, FileNumber number, std::unique_ptr<SegmentReader>* reader);
  ~SegmentReader();
  SegmentReader(const SegmentReader&) = delete;
  SegmentReader& operator=(const SegmentReader&) = delete;

  // Starts to load the line of the filter that Get will ask for `key_hash`. Call it for every
  // segment of a lookup before the first Get, and their cache misses overlap.
  void PrefetchFilter(uint64_t key_hash) const;

  // False if no version of a key of this hash is in the segment. Counted as Get counts it.
  bool MayContain(uint64_t key_hash) const;

  // False if no key in the segment has the prefix of this PrefixHash(): counted. True, and not
  // counted, where its filter holds no prefixes of the reader's extractor.
  bool MayContainPrefix(uint64_t prefix_hash) const;

  // Finds the newest version of key.user_key() at or below key.sequence(). `key_hash` is
  // Hash64(key.user_key()). OK with result->found false if there is none. At most one block is
  // read. The value pins the cached block, or is owned where there is none.
  Status Get(const SegmentReadOptions& options, const LookupKey& key, uint64_t key_hash,
             PointResult* result) const;

  // Get for many keys, in any order, with all blocks that are not cached read as one batch
  // (RandomAccessFile::MultiRead) and each block once. Each request has its own status.
  void MultiGet(const SegmentReadOptions& options, std::span<PointRequest* const> requests) const;

  // A cursor over the internal keys. It reads ahead once it sees a scan of blocks that are not
  // cached. The reader must outlive it.
  std::unique_ptr<InternalIterator> NewIterator(const SegmentReadOptions& options) const;

  // About where in the file the entries from `internal_key` on begin; from 0 to file_bytes.
  uint64_t ApproximateOffset(Slice internal_key) const;

  // The segment's range tombstones, or null if it has none. Lives as long as the reader. They are
  // no entries: neither Get nor the iterator looks at them.
  const FragmentedRangeTombstones* range_tombstones() const;

  const SegmentProperties& properties() const;
  const std::string& path() const;

  // Reads the whole file and checks every checksum, every key against its neighbours, the index,
  // the filter, and the counts against the properties. Uses no cache. The first thing wrong.
  Status Verify() const;

  // Bytes of memory held while open: index, filter, range tombstones, properties.
  size_t memory_bytes() const;

  // Removes the segment's blocks from the cache, for when it is deleted.
  void EraseCachedBlocks() const;

 private:
  SegmentReader(std::unique_ptr<const OpenSegment> segment, std::shared_ptr<MemoryBudget> memory);

  std::unique_ptr<const OpenSegment> segment_;
  const MemoryCharge memory_;
};

}  // namespace varve

#endif  // VARVE_TABLE_SEGMENT_READER_H_
