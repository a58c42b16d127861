#include "table/open_segment.h"

#include <algorithm>
#include <utility>

#include "table/range_tombstone_block.h"
#include "table/segment_format.h"

namespace varve {

namespace {

// Read at once from the end of the file: footer and properties, and for a small segment all else.
constexpr uint64_t kTailBytes = 16 * 1024;
// Blocks whose reads are under way at once in a batch.
constexpr size_t kBatchBlocksMax = 128;

// An owned block is pinned for a value of at least this part of it, else the value is copied.
constexpr size_t kPinnedPart = 4;

}  // namespace

// ---- BlockRef ----------------------------------------------------------------------------------

BlockRef& BlockRef::operator=(BlockRef&& other) noexcept {
  if (this == &other) return *this;
  Reset();
  held_ = std::exchange(other.held_, nullptr);
  cache_ = std::exchange(other.cache_, nullptr);
  handle_ = std::exchange(other.handle_, nullptr);
  return *this;
}

BlockRef BlockRef::Pinned(BlockCache* cache, BlockCache::Handle* handle) {
  BlockRef ref;
  ref.held_ = static_cast<HeldBlock*>(BlockCache::Value(handle));
  ref.cache_ = cache;
  ref.handle_ = handle;
  return ref;
}

BlockRef BlockRef::Owned(HeldBlock* held) {
  BlockRef ref;
  ref.held_ = held;
  return ref;
}

void BlockRef::Reset() {
  if (handle_ != nullptr) {
    BlockCache::Release(handle_);
  } else if (held_ != nullptr) {
    HeldBlock::Delete(held_);
  }
  held_ = nullptr;
  cache_ = nullptr;
  handle_ = nullptr;
}

void BlockRef::MoveValueTo(Slice value, PinnedValue* out) {
  if (value.empty()) {
    out->Reset();
    Reset();
  } else if (handle_ != nullptr) {
    out->Pin(value, &BlockCache::ReleaseFor, cache_, handle_);
    held_ = nullptr;
    handle_ = nullptr;
  } else if (value.size() >= held_->charge() / kPinnedPart) {
    out->Pin(
        value, [](void*, void* held) { HeldBlock::Delete(held); }, nullptr,
        std::exchange(held_, nullptr));
  } else {
    out->Assign(value);
    Reset();
  }
}

void BlockRef::ShareValueWith(Slice value, PinnedValue* out) const {
  if (value.empty()) {
    out->Reset();
  } else if (handle_ != nullptr) {
    BlockCache::Ref(handle_);
    out->Pin(value, &BlockCache::ReleaseFor, cache_, handle_);
  } else {
    out->Assign(value);
  }
}

// ---- Opening -----------------------------------------------------------------------------------

OpenSegment::OpenSegment(const SegmentReaderOptions& options,
                         std::shared_ptr<const RandomAccessFile> file, std::string path)
    : options_(options),
      comparator_(options.comparator != nullptr ? options.comparator : BytewiseComparator()),
      identical_(options.comparator != nullptr && options.comparator->EqualMeansIdentical()),
      file_(std::move(file)) {
  source_.file = file_.get();
  source_.path = std::move(path);
}

Status OpenSegment::Open(const SegmentReaderOptions& options,
                         std::unique_ptr<RandomAccessFile> file, std::string path,
                         FileNumber number, std::unique_ptr<OpenSegment>* segment) {
  std::unique_ptr<OpenSegment> opened(new OpenSegment(options, std::move(file), std::move(path)));
  if (Status s = opened->Load(number); !s.ok()) return s;
  *segment = std::move(opened);
  return Status::OK();
}

Status OpenSegment::Load(FileNumber number) {
  uint64_t file_bytes;
  if (Status s = file_->Size(&file_bytes); !s.ok()) return s;
  if (file_bytes < kFooterBytes) {
    return source_.Corrupt("size of the segment", 0,
                           "expected at least " + std::to_string(kFooterBytes) + ", found " +
                               std::to_string(file_bytes));
  }
  const uint64_t tail_bytes = std::min(file_bytes, kTailBytes);
  RangeRead tail_read(*file_, file_bytes - tail_bytes, tail_bytes);
  tail_read.Run(*file_);
  Count(Counter::kSegmentBytesRead, tail_bytes);
  Slice tail;
  if (Status s = tail_read.Result(source_, &tail); !s.ok()) return s;

  if (Status s = Footer::Decode(tail, file_bytes, &footer_); !s.ok()) {
    return s.WithContext(source_.path);
  }
  source_.number = footer_.number;
  if (number != 0 && footer_.number != number) {
    return source_.Corrupt(
        "segment number", file_bytes - kFooterBytes + kFooterNumber,
        "expected " + std::to_string(number) + ", found " + std::to_string(footer_.number));
  }

  const uint64_t meta_bytes = file_bytes - footer_.data_bytes();
  const bool in_tail = meta_bytes <= tail_bytes;
  RangeRead meta_read(*file_, footer_.data_bytes(), in_tail ? 0 : meta_bytes);
  Slice meta = tail.substr(in_tail ? tail_bytes - meta_bytes : 0);
  if (!in_tail) {
    meta_read.Run(*file_);
    Count(Counter::kSegmentBytesRead, meta_bytes);
    if (Status s = meta_read.Result(source_, &meta); !s.ok()) return s;
  }
  Slice properties, index, filter, ranges;
  Status s = CheckMetaBlock(meta, footer_.properties, &properties);
  if (s.ok()) s = LoadProperties(properties);
  if (s.ok()) s = CheckMetaBlock(meta, footer_.index, &index);
  if (s.ok()) s = LoadIndex(index);
  if (s.ok() && footer_.filter.size != 0) {
    s = CheckMetaBlock(meta, footer_.filter, &filter);
    if (s.ok()) s = LoadFilter(filter);
  }
  if (s.ok() && footer_.range_tombstones.size != 0) {
    s = CheckMetaBlock(meta, footer_.range_tombstones, &ranges);
    if (s.ok()) s = LoadRangeTombstones(ranges);
  }
  return s;
}

Status OpenSegment::CheckMetaBlock(Slice meta, const BlockHandle& handle, Slice* content) const {
  const Slice stored = meta.substr(handle.offset - footer_.data_bytes(), handle.size);
  Compression compression;
  if (Status s = CheckStored(source_, stored, handle.offset, true, &compression); !s.ok()) return s;
  if (compression != Compression::kNone) {
    return source_.Corrupt("compression of a block behind the data", handle.offset,
                           "expected 0, found " + std::to_string(static_cast<int>(compression)));
  }
  *content = stored.substr(0, stored.size() - kBlockTrailerBytes);
  return Status::OK();
}

Status OpenSegment::LoadProperties(Slice content) {
  const uint64_t at = footer_.properties.offset;
  SegmentProperties& p = properties_;
  if (Status s = SegmentProperties::Decode(content, &p); !s.ok()) {
    return source_.Corrupt("properties", at, s.message());
  }
  p.file_bytes = footer_.file_bytes;
  if (p.number != footer_.number || p.data_bytes != footer_.data_bytes() ||
      (p.range_deletes != 0) != (footer_.range_tombstones.size != 0)) {
    return source_.Corrupt("properties", at, "do not agree with the footer");
  }
  if (options_.comparator != nullptr && p.comparator != options_.comparator->Name()) {
    return Status::InvalidArgument(source_.path + ": comparator is " + options_.comparator->Name() +
                                   ", but the segment was built with " + p.comparator);
  }
  return Status::OK();
}

Status OpenSegment::LoadIndex(Slice content) {
  const uint64_t at = footer_.index.offset;
  index_size_ = content.size();
  index_bytes_.reset(new char[index_size_]);
  std::copy(content.begin(), content.end(), index_bytes_.get());
  if (const char* wrong =
          index_.Parse(Slice(index_bytes_.get(), index_size_), footer_.data_bytes())) {
    return source_.Corrupt("index", at, wrong);
  }
  if (index_.blocks() != properties_.data_blocks) {
    return source_.Corrupt("blocks in the index", at,
                           "expected " + std::to_string(properties_.data_blocks) + ", found " +
                               std::to_string(index_.blocks()));
  }
  if (options_.cache != nullptr && index_.blocks() > 0) {
    last_seen_.reset(new std::atomic<const HeldBlock*>[index_.blocks()]());
  }
  if (index_.has_prefixes() && properties_.comparator != BytewiseComparator()->Name()) {
    return source_.Corrupt("index", at, "has prefixes under another than the bytewise order");
  }
  return Status::OK();
}

Status OpenSegment::LoadFilter(Slice content) {
  // Lines are aligned to the CPU's, so that each probe touches one of them.
  filter_size_ = content.size() + kFilterLineBytes;
  filter_bytes_.reset(new char[filter_size_]);
  const uintptr_t address = reinterpret_cast<uintptr_t>(filter_bytes_.get());
  char* const aligned = filter_bytes_.get() + (-address % kFilterLineBytes);
  std::copy(content.begin(), content.end(), aligned);
  if (const char* wrong = filter_.Parse(Slice(aligned, content.size()))) {
    return source_.Corrupt("filter", footer_.filter.offset, wrong);
  }
  filtered_ = identical_;
  prefixed_ = filtered_ && options_.prefix_extractor != nullptr &&
              properties_.prefix_extractor == options_.prefix_extractor->Name();
  return Status::OK();
}

Status OpenSegment::DecodeRanges(Slice content, std::vector<RangeTombstone>* tombstones) const {
  const uint64_t at = footer_.range_tombstones.offset;
  if (const char* wrong = DecodeRangeTombstones(content, tombstones)) {
    return source_.Corrupt("range tombstones", at, wrong);
  }
  if (tombstones->size() != properties_.range_deletes) {
    return source_.Corrupt("range tombstones", at,
                           "expected " + std::to_string(properties_.range_deletes) + ", found " +
                               std::to_string(tombstones->size()));
  }
  return Status::OK();
}

Status OpenSegment::LoadRangeTombstones(Slice content) {
  std::vector<RangeTombstone> tombstones;
  Status s = DecodeRanges(content, &tombstones);
  if (!s.ok() || options_.comparator == nullptr) return s;
  if (const char* wrong = CheckRangeTombstones(comparator_, tombstones)) {
    return source_.Corrupt("range tombstones", footer_.range_tombstones.offset, wrong);
  }
  range_tombstones_ =
      std::make_unique<const FragmentedRangeTombstones>(comparator_, std::move(tombstones));
  return Status::OK();
}

Status OpenSegment::ReadRangeTombstones(std::vector<RangeTombstone>* tombstones) const {
  const BlockHandle handle = footer_.range_tombstones;
  if (handle.size == 0) return Status::OK();
  RangeRead read(*file_, handle.offset, handle.size);
  read.Run(*file_);
  Slice stored;
  Compression compression;
  Status s = read.Result(source_, &stored);
  if (s.ok()) s = CheckStored(source_, stored, handle.offset, true, &compression);
  if (!s.ok()) return s;
  return DecodeRanges(stored.substr(0, stored.size() - kBlockTrailerBytes), tombstones);
}

size_t OpenSegment::memory_bytes() const {
  const size_t last_seen_bytes =
      last_seen_ != nullptr ? index_.blocks() * sizeof(last_seen_[0]) : 0;
  return sizeof(*this) + index_size_ + last_seen_bytes + filter_size_ + source_.path.capacity() +
         properties_.smallest_key.capacity() + properties_.largest_key.capacity() +
         properties_.comparator.capacity() + properties_.creator.capacity() +
         properties_.merge_operator.capacity() + properties_.prefix_extractor.capacity() +
         (range_tombstones_ != nullptr ? range_tombstones_->memory_bytes() : 0);
}

// ---- Data blocks -------------------------------------------------------------------------------

void OpenSegment::PrefetchBlock(uint64_t i) const {
  if (last_seen_ == nullptr) return;
  if (const HeldBlock* seen = last_seen_[i].load(std::memory_order_relaxed)) seen->Prefetch();
  options_.cache->Prefetch(BlockKey{source_.number, index_.handle(i).offset});
}

BlockRef OpenSegment::Seen(uint64_t i, BlockCache::Handle* handle) const {
  const auto* held = static_cast<const HeldBlock*>(BlockCache::Value(handle));
  // Only a change is written, so that readers do not take the line from each other.
  if (last_seen_[i].load(std::memory_order_relaxed) != held) {
    last_seen_[i].store(held, std::memory_order_relaxed);
    held->Prefetch();
  }
  return BlockRef::Pinned(options_.cache, handle);
}

BlockRef OpenSegment::LookupBlock(uint64_t i) const {
  if (options_.cache == nullptr) return BlockRef();
  BlockCache::Handle* const handle =
      options_.cache->Lookup(BlockKey{source_.number, index_.handle(i).offset});
  Count(handle != nullptr ? Counter::kBlockCacheHits : Counter::kBlockCacheMisses);
  return handle != nullptr ? Seen(i, handle) : BlockRef();
}

BlockRef OpenSegment::KeepBlock(uint64_t i, HeldBlock* held, bool fill_cache) const {
  if (!keeps_blocks(fill_cache)) return BlockRef::Owned(held);
  Count(Counter::kBlockCacheInserts);
  return Seen(i, options_.cache->Insert(BlockKey{source_.number, index_.handle(i).offset}, held,
                                        &HeldBlock::Delete, held->charge()));
}

Status OpenSegment::ReadBlock(const SegmentReadOptions& options, uint64_t i,
                              BlockRef* block) const {
  Status s = ReadBlockOnce(options, i, block);
  return s.ok() ? s : AfterError(std::move(s), options, i, block);
}

Status OpenSegment::AfterError(Status status, const SegmentReadOptions& options, uint64_t i,
                               BlockRef* block) const {
  if (options_.errors == nullptr) return status;
  if (status.IsIOError()) status = ReadBlockOnce(options, i, block);
  if (!status.ok()) TellError(status);
  return status;
}

Status OpenSegment::ReadBlockOnce(const SegmentReadOptions& options, uint64_t i,
                                  BlockRef* block) const {
  const BlockHandle handle = index_.handle(i);
  RangeRead read(*file_, handle.offset, handle.size);
  read.Run(*file_);
  Count(Counter::kSegmentBytesRead, handle.size);
  HeldBlock* held;
  Status s = MakeBlock(source_, &read, handle.offset, options.verify_checksums,
                       properties_.block_raw_bytes_max, &held);
  if (s.ok()) *block = KeepBlock(i, held, options.fill_cache);
  return s;
}

void OpenSegment::FetchBlocks(const SegmentReadOptions& options,
                              const std::vector<uint64_t>& numbers, std::vector<BlockRef>* blocks,
                              std::vector<Status>* statuses) const {
  blocks->clear();
  blocks->resize(numbers.size());
  statuses->assign(numbers.size(), Status::OK());
  for (const uint64_t i : numbers) PrefetchBlock(i);
  std::vector<size_t> missing;
  for (size_t n = 0; n < numbers.size(); ++n) {
    (*blocks)[n] = LookupBlock(numbers[n]);
    if (!(*blocks)[n]) missing.push_back(n);
  }
  for (size_t first = 0; first < missing.size(); first += kBatchBlocksMax) {
    const size_t count = std::min(missing.size() - first, kBatchBlocksMax);
    std::vector<RangeRead> reads;
    std::vector<ReadRequest> requests;
    reads.reserve(count);
    requests.reserve(count);
    for (size_t n = first; n < first + count; ++n) {
      const BlockHandle handle = index_.handle(numbers[missing[n]]);
      reads.emplace_back(*file_, handle.offset, handle.size);
      requests.push_back(*reads.back().request());
      Count(Counter::kSegmentBytesRead, handle.size);
    }
    file_->MultiRead(requests.data(), count);
    for (size_t n = 0; n < count; ++n) {
      const size_t place = missing[first + n];
      const BlockHandle handle = index_.handle(numbers[place]);
      *reads[n].request() = std::move(requests[n]);
      HeldBlock* held;
      Status s = MakeBlock(source_, &reads[n], handle.offset, options.verify_checksums,
                           properties_.block_raw_bytes_max, &held);
      if (s.ok()) {
        (*blocks)[place] = KeepBlock(numbers[place], held, options.fill_cache);
      } else {
        s = AfterError(std::move(s), options, numbers[place], &(*blocks)[place]);
      }
      (*statuses)[place] = std::move(s);
    }
  }
}

void OpenSegment::EraseCachedBlocks() const {
  if (options_.cache == nullptr) return;
  for (uint64_t i = 0; i < index_.blocks(); ++i) {
    options_.cache->Erase(BlockKey{source_.number, index_.handle(i).offset});
  }
}

}  // namespace varve
