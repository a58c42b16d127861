#include "table/segment_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "table/open_segment.h"
#include "table/segment_iterator.h"

// A point lookup: filter, index, block, in-block search.
//
// One block decides. The separators are chosen so that where a block holds no entry at or after
// the target although its separator does not come before it, the first entry of the next block
// has a higher user key: a separator that is the key of the block's last entry comes with that
// entry's trailer if the next block goes on with the same user key, and otherwise lies below the
// next block's first user key.

namespace varve {

namespace {

// Looks for the newest version at or below the key's sequence in the one block that may hold it.
// The block may be moved from if it is not `shared` with other lookups.
void FindInBlock(const OpenSegment& segment, BlockRef* block, bool shared, const LookupKey& key,
                 uint64_t key_hash, PointResult* result) {
  const Block& b = **block;
  const uint32_t i = b.Find(segment.comparator(), key.internal_key(), TagOfHash(key_hash));
  if (i == b.entries()) return;
  const Block::Entry entry = b.entry(i);
  result->found = true;
  result->trailer = entry.trailer;
  if (result->value == nullptr) return;
  if (shared) {
    block->ShareValueWith(entry.value, result->value);
  } else {
    block->MoveValueTo(entry.value, result->value);
  }
}

}  // namespace

SegmentReader::SegmentReader(std::unique_ptr<const OpenSegment> segment,
                             std::shared_ptr<MemoryBudget> memory)
    : segment_(std::move(segment)),
      memory_(std::move(memory), MemoryPart::kSegments, memory_bytes()) {}

SegmentReader::~SegmentReader() = default;

Status SegmentReader::Open(const SegmentReaderOptions& options,
                           std::unique_ptr<RandomAccessFile> file, std::string path,
                           FileNumber number, std::unique_ptr<SegmentReader>* reader) {
  std::unique_ptr<OpenSegment> segment;
  Status s = OpenSegment::Open(options, std::move(file), std::move(path), number, &segment);
  if (s.ok()) reader->reset(new SegmentReader(std::move(segment), options.memory));
  return s;
}

void SegmentReader::PrefetchFilter(uint64_t key_hash) const {
  if (const Filter* filter = segment_->filter()) filter->Prefetch(key_hash);
}

bool SegmentReader::MayContain(uint64_t key_hash) const {
  const Filter* const filter = segment_->filter();
  if (filter == nullptr) return true;
  segment_->Count(Counter::kFilterChecks);
  if (filter->MayContain(key_hash)) return true;
  segment_->Count(Counter::kFilterNegatives);
  return false;
}

bool SegmentReader::MayContainPrefix(uint64_t prefix_hash) const {
  const Filter* const filter = segment_->prefix_filter();
  if (filter == nullptr) return true;
  segment_->Count(Counter::kPrefixChecks);
  if (filter->MayContain(prefix_hash)) return true;
  segment_->Count(Counter::kPrefixSkips);
  return false;
}

Status SegmentReader::Get(const SegmentReadOptions& options, const LookupKey& key,
                          uint64_t key_hash, PointResult* result) const {
  result->found = false;
  if (!MayContain(key_hash)) return Status::OK();
  const OpenSegment& segment = *segment_;
  const uint64_t i = segment.index().Find(segment.comparator(), key.internal_key());
  if (i < segment.index().blocks()) {
    segment.PrefetchBlock(i);
    BlockRef block = segment.LookupBlock(i);
    if (!block) {
      if (Status s = segment.ReadBlock(options, i, &block); !s.ok()) return s;
    }
    FindInBlock(segment, &block, false, key, key_hash, result);
  }
  if (!result->found && segment.filter() != nullptr) {
    segment.Count(Counter::kFilterFalsePositives);
  }
  return Status::OK();
}

void SegmentReader::MultiGet(const SegmentReadOptions& options,
                             std::span<PointRequest* const> requests) const {
  const OpenSegment& segment = *segment_;
  for (const PointRequest* request : requests) PrefetchFilter(request->key_hash);

  // Which block each needs, requests of one block side by side.
  struct Need {
    uint64_t block;
    PointRequest* request;
  };
  std::vector<Need> needs;
  for (PointRequest* request : requests) {
    request->result.found = false;
    request->status = Status::OK();
    if (!MayContain(request->key_hash)) continue;
    const uint64_t i = segment.index().Find(segment.comparator(), request->key->internal_key());
    if (i < segment.index().blocks()) {
      needs.push_back(Need{i, request});
    } else if (segment.filter() != nullptr) {
      segment.Count(Counter::kFilterFalsePositives);
    }
  }
  std::stable_sort(needs.begin(), needs.end(),
                   [](const Need& a, const Need& b) { return a.block < b.block; });
  std::vector<uint64_t> numbers;
  for (const Need& need : needs) {
    if (numbers.empty() || numbers.back() != need.block) numbers.push_back(need.block);
  }

  std::vector<BlockRef> blocks;
  std::vector<Status> statuses;
  segment.FetchBlocks(options, numbers, &blocks, &statuses);
  size_t place = 0;
  for (size_t n = 0; n < needs.size(); ++n) {
    while (numbers[place] != needs[n].block) ++place;
    PointRequest* const request = needs[n].request;
    if (!statuses[place].ok()) {
      request->status = statuses[place];
      continue;
    }
    const bool last = n + 1 == needs.size() || needs[n + 1].block != needs[n].block;
    FindInBlock(segment, &blocks[place], !last, *request->key, request->key_hash, &request->result);
    if (!request->result.found && segment.filter() != nullptr) {
      segment.Count(Counter::kFilterFalsePositives);
    }
  }
}

std::unique_ptr<InternalIterator> SegmentReader::NewIterator(
    const SegmentReadOptions& options) const {
  return std::make_unique<SegmentIterator>(segment_.get(), options);
}

uint64_t SegmentReader::ApproximateOffset(Slice internal_key) const {
  const Index& index = segment_->index();
  const uint64_t i = index.Find(segment_->comparator(), internal_key);
  return i < index.blocks() ? index.handle(i).offset : segment_->properties().file_bytes;
}

const FragmentedRangeTombstones* SegmentReader::range_tombstones() const {
  return segment_->range_tombstones();
}

const SegmentProperties& SegmentReader::properties() const { return segment_->properties(); }

const std::string& SegmentReader::path() const { return segment_->source().path; }

Status SegmentReader::Verify() const { return segment_->Verify(); }

size_t SegmentReader::memory_bytes() const { return sizeof(*this) + segment_->memory_bytes(); }

void SegmentReader::EraseCachedBlocks() const { segment_->EraseCachedBlocks(); }

}  // namespace varve
