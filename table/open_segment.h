#ifndef VARVE_TABLE_OPEN_SEGMENT_H_
#define VARVE_TABLE_OPEN_SEGMENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "table/block.h"
#include "table/filter.h"
#include "table/footer.h"
#include "table/index.h"
#include "table/segment_properties.h"
#include "table/segment_reader.h"
#include "table/stored_block.h"
#include "util/internal_key.h"
#include "util/range_tombstones.h"
#include "varve/env.h"
#include "varve/pinned_value.h"
#include "varve/statistics.h"
#include "varve/status.h"

// What is in memory of an open segment, and how its data blocks are got. SegmentReader is its
// face; the iterator, Verify and the dump stand on it directly.
//
// Thread safety: immutable after Open.

namespace varve {

// A data block that is in use: pinned in the cache, or owned. Movable.
class BlockRef {
 public:
  BlockRef() = default;
  ~BlockRef() { Reset(); }
  BlockRef(BlockRef&& other) noexcept { *this = std::move(other); }
  BlockRef& operator=(BlockRef&& other) noexcept;
  BlockRef(const BlockRef&) = delete;
  BlockRef& operator=(const BlockRef&) = delete;

  static BlockRef Pinned(BlockCache* cache, BlockCache::Handle* handle);
  static BlockRef Owned(HeldBlock* held);

  void Reset();
  explicit operator bool() const { return held_ != nullptr; }
  const Block* get() const { return &held_->block; }
  const Block& operator*() const { return held_->block; }
  const Block* operator->() const { return &held_->block; }

  // Gives `value`, bytes of this block, to *out: pinned, or copied where the block is owned and
  // much larger than the value. This is empty afterwards.
  void MoveValueTo(Slice value, PinnedValue* out);
  // The same for a block that is still needed: pinned once more, or copied where it is owned.
  void ShareValueWith(Slice value, PinnedValue* out) const;

 private:
  HeldBlock* held_ = nullptr;
  BlockCache* cache_ = nullptr;  // null: owned
  BlockCache::Handle* handle_ = nullptr;
};

class OpenSegment {
 public:
  // See SegmentReader::Open. With a null comparator segments of any comparator open, of which
  // nothing may then be searched: for describing them.
  static Status Open(const SegmentReaderOptions& options, std::unique_ptr<RandomAccessFile> file,
                     std::string path, FileNumber number, std::unique_ptr<OpenSegment>* segment);

  const InternalKeyComparator& comparator() const { return comparator_; }
  const SegmentSource& source() const { return source_; }
  const Footer& footer() const { return footer_; }
  const SegmentProperties& properties() const { return properties_; }
  const Index& index() const { return index_; }
  // Null if there is none, or none that may be used under this comparator.
  const Filter* filter() const { return filtered_ ? &filter_ : nullptr; }
  // The same, if it holds the prefixes of the reader's extractor.
  const Filter* prefix_filter() const { return prefixed_ ? &filter_ : nullptr; }
  const PrefixExtractor& prefix_extractor() const { return *options_.prefix_extractor; }
  // Null if there are none, or where there is no comparator.
  const FragmentedRangeTombstones* range_tombstones() const { return range_tombstones_.get(); }
  // As they stand in their block, read again from the file.
  Status ReadRangeTombstones(std::vector<RangeTombstone>* tombstones) const;
  // True if equal keys are identical, so that blocks have tags and there may be a filter.
  bool identical() const { return identical_; }
  size_t memory_bytes() const;

  void Count(Counter counter, uint64_t amount = 1) const {
    if (options_.statistics != nullptr) options_.statistics->Add(counter, amount);
  }

  // Starts to load what PrefetchBlock(i) will read.
  void PrefetchPlace(uint64_t i) const {
    index_.PrefetchHandle(i);
    if (last_seen_ != nullptr) __builtin_prefetch(&last_seen_[i]);
  }
  // Starts to load what looking up and searching block i will read, if it is in the cache where it
  // was last: the slot of the cache and the head of the block miss the CPU's caches together.
  void PrefetchBlock(uint64_t i) const;
  // Block i from the cache, or an empty reference.
  BlockRef LookupBlock(uint64_t i) const;
  // True if blocks that are read go into the cache.
  bool keeps_blocks(bool fill_cache) const { return options_.cache != nullptr && fill_cache; }
  // Puts a block that was read where it belongs: into the cache, or owned by the reference.
  BlockRef KeepBlock(uint64_t i, HeldBlock* held, bool fill_cache) const;
  // Block i from the file.
  Status ReadBlock(const SegmentReadOptions& options, uint64_t i, BlockRef* block) const;
  // Several blocks, with all that are not cached read at once. statuses and blocks have one place
  // for each of `numbers`.
  void FetchBlocks(const SegmentReadOptions& options, const std::vector<uint64_t>& numbers,
                   std::vector<BlockRef>* blocks, std::vector<Status>* statuses) const;

  // Tells SegmentReaderOptions::errors.
  void TellError(const Status& status) const {
    if (options_.errors != nullptr) options_.errors->OnReadError(source_.number, status);
  }

  void EraseCachedBlocks() const;
  // See SegmentReader::Verify. In segment_verify.cc.
  Status Verify() const;

 private:
  OpenSegment(const SegmentReaderOptions& options, std::shared_ptr<const RandomAccessFile> file,
              std::string path);

  Status Load(FileNumber number);
  // The content of one of the blocks behind the data out of `meta`, the bytes from data_bytes() on.
  Status CheckMetaBlock(Slice meta, const BlockHandle& handle, Slice* content) const;
  Status LoadProperties(Slice content);
  Status LoadIndex(Slice content);
  Status LoadFilter(Slice content);
  Status LoadRangeTombstones(Slice content);
  Status DecodeRanges(Slice content, std::vector<RangeTombstone>* tombstones) const;
  BlockRef Seen(uint64_t i, BlockCache::Handle* handle) const;
  Status ReadBlockOnce(const SegmentReadOptions& options, uint64_t i, BlockRef* block) const;
  // After a read of block i that ended in `status`: the last word.
  Status AfterError(Status status, const SegmentReadOptions& options, uint64_t i,
                    BlockRef* block) const;

  const SegmentReaderOptions options_;
  const InternalKeyComparator comparator_;
  const bool identical_;
  const std::shared_ptr<const RandomAccessFile> file_;
  SegmentSource source_;
  Footer footer_;
  SegmentProperties properties_;
  std::unique_ptr<char[]> index_bytes_;
  size_t index_size_ = 0;
  Index index_;
  // Where each block was in memory when it was last seen in the cache. It may be long gone: the
  // address is only ever prefetched. Null without a cache. Relaxed for that reason.
  std::unique_ptr<std::atomic<const HeldBlock*>[]> last_seen_;
  std::unique_ptr<char[]> filter_bytes_;
  size_t filter_size_ = 0;
  Filter filter_;
  bool filtered_ = false;
  bool prefixed_ = false;
  std::unique_ptr<const FragmentedRangeTombstones> range_tombstones_;
};

}  // namespace varve

#endif  // VARVE_TABLE_OPEN_SEGMENT_H_
