#include "db/read_path.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "db/counting_iterator.h"
#include "db/db_iter.h"
#include "db/merging_iterator.h"
#include "db/run_iterator.h"
#include "util/hash.h"
#include "util/stopwatch.h"

namespace varve {

namespace {

SegmentReadOptions SegmentOptions(const ReadOptions& options) {
  return {.verify_checksums = options.verify_checksums, .fill_cache = options.fill_cache};
}

// What the deciding entry of a key means to a reader.
Status Answer(uint64_t trailer) {
  switch (TrailerType(trailer)) {
    case ValueType::kValue:
      return Status::OK();
    case ValueType::kDelete:
      return Status::NotFound();
    default:
      return Status::NotSupported("an entry of type " + std::to_string(trailer & 0xff) +
                                  " needs a later version of this library");
  }
}

}  // namespace

ReadPath::ReadPath(const Options& options, const std::string& directory)
    : comparator_(options.comparator),
      statistics_(options.statistics),
      clock_(options.env.clock),
      blocks_(BlockCache::Create(options.block_cache_bytes)),
      snapshots_(std::make_shared<SnapshotList>()),
      segments_(options, directory, blocks_.get(), &epochs_),
      views_(&epochs_),
      history_(clock_.get(), HistoryRetention(options)) {}

ReadSequences ReadPath::ReadersFromNowOn() {
  // Before the snapshots are listed: one taken meanwhile is at or above it.
  const SequenceNumber floor = history_.Floor(published());
  const SequenceNumber retained = views_.Share()->version->retained_sequence();
  return ReadSequences(snapshots_->Sequences(), std::max(floor, retained));
}

Status ReadPath::ExplicitSequence(const ReadOptions& options, const Version& version,
                                  SequenceNumber* sequence) const {
  *sequence = *options.at_sequence;
  if (options.snapshot != nullptr) {
    return Status::InvalidArgument("ReadOptions: snapshot and at_sequence are both set");
  }
  if (const SequenceNumber newest = published(); *sequence > newest) {
    return Status::InvalidArgument("ReadOptions: at_sequence = " + std::to_string(*sequence) +
                                   ", but the last sequence is " + std::to_string(newest));
  }
  if (const SequenceNumber retained = version.retained_sequence(); *sequence < retained) {
    return Status::TooOld("ReadOptions: at_sequence = " + std::to_string(*sequence) +
                          ", but history is retained from " + std::to_string(retained) + " on");
  }
  return Status::OK();
}

bool ReadPath::GetFromMemtables(const ReadView& view, const LookupKey& key, PinnedValue* value,
                                Status* status) {
  Slice found;
  uint64_t trailer = 0;
  bool hit = view.memtable->Get(key, &found, &trailer);
  for (size_t i = 0; !hit && i < view.immutables.size(); ++i) {
    hit = view.immutables[i]->Get(key, &found, &trailer);
  }
  if (!hit) return false;
  *status = Answer(trailer);
  if (status->ok()) value->Assign(found);
  return true;
}

Status ReadPath::GetFromSegments(const Version& version, const ReadOptions& options,
                                 const LookupKey& key, PinnedValue* value) {
  const uint64_t hash = Hash64(key.user_key());
  const uint64_t prefix = comparator_.bytewise() ? KeyPrefix(key.user_key()) : 0;
  const SegmentReadOptions segment_options = SegmentOptions(options);
  for (const auto& run : version.runs()) {
    const std::shared_ptr<SegmentFile>* const file = run->Find(key.user_key(), prefix);
    if (file == nullptr) continue;
    const SegmentReader* open = SegmentCache::Peek(**file);
    if (open != nullptr) open->PrefetchFilter(hash);
  }
  PointResult result;
  result.value = value;
  for (const auto& run : version.runs()) {
    const std::shared_ptr<SegmentFile>* const file = run->Find(key.user_key(), prefix);
    if (file == nullptr) continue;
    SegmentReader* reader;
    Status status = segments_.Get(*file, &reader);
    if (status.ok()) status = reader->Get(segment_options, key, hash, &result);
    if (!status.ok()) return status;
    if (result.found) return Answer(result.trailer);
  }
  return Status::NotFound();
}

Status ReadPath::Get(const ReadOptions& options, Slice key, PinnedValue* value) {
  Stopwatch watch(statistics_.get(), clock_.get(), Latency::kGet);
  EpochGuard inside(&epochs_);
  const ReadView& view = *views_.Borrow();
  SequenceNumber sequence;
  Status status = SequenceFor(options, *view.version, &sequence);
  if (!status.ok()) [[unlikely]]
    return status;
  const LookupKey lookup(key, sequence);
  const bool in_memory = GetFromMemtables(view, lookup, value, &status);
  if (!in_memory) status = GetFromSegments(*view.version, options, lookup, value);
  if (statistics_ != nullptr) {
    statistics_->Add(Counter::kGets, 1);
    if (in_memory) statistics_->Add(Counter::kMemtableHits, 1);
    if (status.ok()) {
      statistics_->Add(Counter::kGetHits, 1);
      statistics_->Add(Counter::kGetBytes, value->size());
    }
  }
  return status;
}

void ReadPath::MultiGetFromSegments(const Version& version, const ReadOptions& options,
                                    std::vector<PointRequest*>* pending) {
  const SegmentReadOptions segment_options = SegmentOptions(options);
  // Of one run: each request with the segment that may have its key.
  std::vector<std::pair<const std::shared_ptr<SegmentFile>*, PointRequest*>> found;
  std::vector<PointRequest*> here;
  for (const auto& run : version.runs()) {
    if (pending->empty()) return;
    found.clear();
    for (PointRequest* request : *pending) {
      const Slice key = request->key->user_key();
      const auto* const file = run->Find(key, comparator_.bytewise() ? KeyPrefix(key) : 0);
      if (file != nullptr) found.emplace_back(file, request);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::less<>()(a.first, b.first);  // places in one array: the order of the keys
    });
    for (size_t i = 0; i < found.size();) {
      const std::shared_ptr<SegmentFile>& file = *found[i].first;
      here.clear();
      for (; i < found.size() && *found[i].first == file; ++i) here.push_back(found[i].second);
      SegmentReader* reader;
      if (Status status = segments_.Get(file, &reader); status.ok()) {
        reader->MultiGet(segment_options, here);
      } else {
        for (PointRequest* request : here) request->status = status;
      }
    }
    std::erase_if(*pending, [](const PointRequest* request) {
      return request->result.found || !request->status.ok();
    });
  }
}

void ReadPath::MultiGet(const ReadOptions& options, std::span<const Slice> keys,
                        std::span<PinnedValue> values, std::span<Status> statuses) {
  Stopwatch watch(statistics_.get(), clock_.get(), Latency::kGet);
  EpochGuard inside(&epochs_);
  const ReadView& view = *views_.Borrow();
  SequenceNumber sequence;
  if (Status status = SequenceFor(options, *view.version, &sequence); !status.ok()) {
    std::fill(statuses.begin(), statuses.end(), status);
    return;
  }
  std::vector<std::optional<LookupKey>> lookups(keys.size());
  std::vector<PointRequest> requests(keys.size());
  std::vector<PointRequest*> pending;
  uint64_t memtable_hits = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    lookups[i].emplace(keys[i], sequence);
    if (GetFromMemtables(view, *lookups[i], &values[i], &statuses[i])) {
      ++memtable_hits;
      continue;
    }
    requests[i].key = &*lookups[i];
    requests[i].key_hash = Hash64(keys[i]);
    requests[i].result.value = &values[i];
    pending.push_back(&requests[i]);
  }
  MultiGetFromSegments(*view.version, options, &pending);
  uint64_t hits = 0, bytes = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (requests[i].key != nullptr) {
      const PointRequest& request = requests[i];
      statuses[i] = !request.status.ok()   ? request.status
                    : request.result.found ? Answer(request.result.trailer)
                                           : Status::NotFound();
    }
    if (statuses[i].ok()) {
      ++hits;
      bytes += values[i].size();
    }
  }
  if (statistics_ != nullptr) {
    statistics_->Add(Counter::kGets, keys.size());
    statistics_->Add(Counter::kMemtableHits, memtable_hits);
    statistics_->Add(Counter::kGetHits, hits);
    statistics_->Add(Counter::kGetBytes, bytes);
  }
}

// Gives an iterator its view, and holds what the view is made of.
class ReadPath::IteratorSource : public DbIterSource {
 public:
  IteratorSource(std::shared_ptr<ReadPath> reads, const ReadOptions& options)
      : reads_(std::move(reads)), options_(options) {
    reads_->live_iterators_.fetch_add(1, std::memory_order_relaxed);
  }
  ~IteratorSource() override {
    readers_.clear();
    view_.reset();
    // Release: whoever sees the count at zero finds the pins gone.
    reads_->live_iterators_.fetch_sub(1, std::memory_order_release);
  }

  Status Renew(std::unique_ptr<InternalIterator>* iterator, SequenceNumber* sequence) override {
    readers_.clear();
    view_ = reads_->views_.Share();  // before the sequence: see the head of ReadPath
    Status status = reads_->SequenceFor(options_, *view_->version, sequence);
    if (!status.ok()) return status;
    const SegmentReadOptions segment_options = SegmentOptions(options_);
    std::vector<std::unique_ptr<InternalIterator>> children;
    children.push_back(view_->memtable->NewIterator());
    for (const auto& memtable : view_->immutables) children.push_back(memtable->NewIterator());
    for (const auto& run : view_->version->runs()) {
      const SegmentList& segments = run->segments();
      if (segments.size() > 1) {
        if (InBounds(*segments.front(), *segments.back())) {
          children.push_back(NewRunIterator(run.get(), &reads_->segments_, segment_options));
        }
        continue;
      }
      if (!InBounds(*segments.front(), *segments.front())) continue;
      std::shared_ptr<SegmentReader> reader;
      status = reads_->segments_.Share(segments.front(), &reader);
      if (!status.ok()) return status;
      children.push_back(reader->NewIterator(segment_options));
      readers_.push_back(std::move(reader));
    }
    *iterator = NewMergingIterator(reads_->comparator_, std::move(children));
    return Status::OK();
  }

 private:
  bool InBounds(const SegmentFile& first, const SegmentFile& last) const {
    const InternalKeyComparator& comparator = reads_->comparator_;
    if (options_.lower_bound.has_value() && last.IsBefore(comparator, lower_bound_)) return false;
    return !options_.upper_bound.has_value() ||
           comparator.CompareUserKeys(first.smallest_user_key(), upper_bound_) < 0;
  }

  const std::shared_ptr<ReadPath> reads_;
  const ReadOptions options_;
  // Copies: the caller's bounds are borrowed only while the iterator is made.
  const std::string lower_bound_{options_.lower_bound.value_or(Slice())};
  const std::string upper_bound_{options_.upper_bound.value_or(Slice())};
  std::shared_ptr<const ReadView> view_;
  std::vector<std::shared_ptr<SegmentReader>> readers_;
};

std::unique_ptr<Iterator> ReadPath::NewIterator(const ReadOptions& options) {
  auto iterator = NewDbIterator(comparator_, options,
                                std::make_unique<IteratorSource>(shared_from_this(), options));
  if (statistics_ == nullptr) return iterator;
  return std::make_unique<CountingIterator>(std::move(iterator), statistics_, clock_);
}

}  // namespace varve
