#include "db/read_path.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "util/stopwatch.h"

namespace varve {

ReadPath::ReadPath(const Options& options, const std::string& directory)
    : comparator_(options.comparator),
      statistics_(options.statistics),
      clock_(options.env.clock),
      memory_budget_(std::make_shared<MemoryBudget>()),
      blocks_(BlockCache::Create(0)),
      snapshots_(std::make_shared<SnapshotList>()),
      merge_operator_(options.merge_operator),
      prefix_extractor_(options.prefix_extractor),
      holds_(options.cache() ? ReaderHolds::New() : nullptr),
      segments_(options, directory, blocks_.get(), memory_budget_, &epochs_,
                options.cache() ? &damaged_ : nullptr),
      heat_memory_(memory_budget_),
      memory_(PlanMemory(options, MemoryPlan::kUnlimited), memory_budget_.get(), blocks_.get(),
              &segments_, &heat_memory_),
      points_(
          comparator_, merge_operator_.get(), &segments_,
          options.cache() && options.eviction == EvictionPolicy::kLru ? &heat_memory_ : nullptr),
      views_(&epochs_),
      time_(options),
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

Status ReadPath::Get(const ReadOptions& options, Slice key, PinnedValue* value) {
  Stopwatch watch(statistics_.get(), clock_.get(), Latency::kGet);
  EpochGuard inside(&epochs_);
  const ReadView& view = *views_.Borrow();
  SequenceNumber sequence;
  Status status = SequenceFor(options, *view.version, &sequence);
  if (!status.ok()) [[unlikely]]
    return status;
  const LookupKey lookup(key, sequence);
  ReadClock clock(&time_);
  MissReason miss = MissReason::kAbsent;
  const bool in_memory = points_.InMemtables(view, options, lookup, &clock, value, &status, &miss);
  if (!in_memory) status = points_.InSegments(view, options, lookup, &clock, value, &miss);
  if (statistics_ != nullptr) {
    statistics_->Add(Counter::kGets, 1);
    if (in_memory) statistics_->Add(Counter::kMemtableHits, 1);
    if (status.ok()) {
      statistics_->Add(Counter::kGetHits, 1);
      statistics_->Add(Counter::kGetBytes, value->size());
      statistics_->Add(Counter::kGetHitKeyBytes, key.size());
    } else if (status.IsNotFound()) {
      statistics_->Add(Counter::kGetMisses, 1);
      statistics_->Add(CounterOf(miss), 1);
    }
  }
  return status;
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
  std::vector<PointLookup::Request> requests(keys.size());
  std::vector<PointLookup::Request*> in_segments;
  ReadClock clock(&time_);
  uint64_t memtable_hits = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    lookups[i].emplace(keys[i], sequence);
    if (points_.InMemtables(view, options, *lookups[i], &clock, &values[i], &statuses[i],
                            &requests[i].miss)) {
      ++memtable_hits;
      continue;
    }
    requests[i].key = &*lookups[i];
    requests[i].key_hash = lookups[i]->hash();
    requests[i].result.value = &values[i];
    in_segments.push_back(&requests[i]);
  }
  points_.InSegments(view, options, in_segments, &clock);
  uint64_t hits = 0, bytes = 0, key_bytes = 0, misses = 0;
  std::array<uint64_t, kMissReasons> by_reason{};
  for (size_t i = 0; i < keys.size(); ++i) {
    if (requests[i].key != nullptr) statuses[i] = requests[i].status;
    if (statuses[i].ok()) {
      ++hits;
      bytes += values[i].size();
      key_bytes += keys[i].size();
    } else if (statuses[i].IsNotFound()) {
      ++misses;
      ++by_reason[static_cast<size_t>(requests[i].miss)];
    }
  }
  if (statistics_ != nullptr) {
    statistics_->Add(Counter::kGets, keys.size());
    statistics_->Add(Counter::kMemtableHits, memtable_hits);
    statistics_->Add(Counter::kGetHits, hits);
    statistics_->Add(Counter::kGetBytes, bytes);
    statistics_->Add(Counter::kGetHitKeyBytes, key_bytes);
    statistics_->Add(Counter::kGetMisses, misses);
    for (size_t i = 0; i < kMissReasons; ++i) {
      if (by_reason[i] != 0) {
        statistics_->Add(CounterOf(static_cast<MissReason>(i)), by_reason[i]);
      }
    }
  }
}

void ReadPath::SetHiddenRunListener(HiddenRunListener listener) {
  MutexLock lock(&listener_mu_);
  listener_ = std::move(listener);
}

void ReadPath::TellHiddenRun(Slice smallest, Slice largest, uint64_t entries) {
  if (statistics_ != nullptr) {
    statistics_->Add(Counter::kHiddenRuns, 1);
    statistics_->Add(Counter::kHiddenRunEntries, entries);
  }
  if (!listener_mu_.TryLock()) return;  // one is being told of another run
  const uint64_t now = clock_->MonotonicNanos();
  if (listener_ != nullptr && (told_at_nanos_ == 0 || now - told_at_nanos_ >= kTellIntervalNanos)) {
    told_at_nanos_ = now;
    listener_(smallest, largest, entries);
  }
  listener_mu_.Unlock();
}

}  // namespace varve
