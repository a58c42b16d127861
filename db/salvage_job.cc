#include "db/salvage_job.h"

#include <algorithm>
#include <utility>

#include "db/ghost.h"
#include "db/merging_iterator.h"
#include "util/hash.h"
#include "util/planted.h"
#include "varve/pinned_value.h"

namespace varve {

namespace {

constexpr uint64_t kEntriesPerCheck = 256;

}  // namespace

SalvageJob::SalvageJob(const SalvageTools& tools, std::shared_ptr<const ReadView> view,
                       SegmentList victims, SalvageLimits limits)
    : tools_(tools),
      view_(std::move(view)),
      victims_(std::move(victims)),
      limits_(std::move(limits)),
      comparator_(tools.options->comparator) {
  for (const auto& run : view_->version->runs()) {
    output_epoch_ = std::max(output_epoch_, run->epoch());
  }
}

SalvageJob::~SalvageJob() = default;

Status SalvageJob::Run() {
  SegmentList hit;
  for (const auto& victim : victims_) {
    const SegmentEntry& entry = victim->entry();
    if (victim->heat().AnyHit() && entry.level == 0 && entry.epoch < output_epoch_) {
      hit.push_back(victim);
    }
  }
  if (hit.empty() || limits_.bytes_max == 0) return Status::OK();
  std::sort(hit.begin(), hit.end(),
            [](const auto& a, const auto& b) { return a->entry().epoch > b->entry().epoch; });
  Status status = SaveFrom(hit);
  if (status.ok() && output_ != nullptr) {
    SegmentEntry entry;
    status = output_->Finish(&entry);
    if (status.ok()) outputs_.push_back(std::move(entry));
  }
  output_.reset();
  readers_.clear();
  return status;
}

Status SalvageJob::SaveFrom(const SegmentList& victims) {
  SegmentReadOptions reading;
  reading.fill_cache = false;
  std::vector<std::unique_ptr<InternalIterator>> children;
  for (const auto& victim : victims) {
    std::shared_ptr<SegmentReader>& reader = readers_[victim->number()];
    if (Status status = tools_.segments->Share(victim, &reader); !status.ok()) return status;
    children.push_back(reader->NewIterator(reading));
  }
  MergingIterator* merging = nullptr;
  const auto entries = NewMergingIterator(comparator_, std::move(children), &merging);
  std::string user_key;
  bool any = false;
  uint64_t read = 0;
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    if (++read % kEntriesPerCheck == 0 && Cancelled()) {
      return Status::Aborted("a salvage was cancelled");
    }
    const Slice internal_key = entries->key();
    if (internal_key.size() < kTrailerBytes) {
      return Status::Corruption("an internal key of " + std::to_string(internal_key.size()) +
                                " bytes");
    }
    const Slice key = ExtractUserKey(internal_key);
    if (any && key == user_key) continue;  // an older version
    any = true;
    user_key.assign(key);
    const SegmentFile& victim = *victims[merging == nullptr ? 0 : merging->child()];
    Status status = Consider(victim, internal_key, entries->value());
    if (!status.ok()) return status;
  }
  return entries->status();
}

Status SalvageJob::Consider(const SegmentFile& victim, Slice internal_key, Slice value) {
  const LookupKey key(ExtractUserKey(internal_key), kMaxSequence);
  if (!victim.heat().WasHit(key.hash())) return Status::OK();
  ++stats_.entries_hit;
  const uint64_t trailer = ExtractTrailer(internal_key);
  if (!IsWorthSaving(trailer, value)) {
    ++stats_.entries_expiring;
    return Status::OK();
  }
  if (stats_.bytes_saved + internal_key.size() + value.size() > limits_.bytes_max) {
    ++stats_.entries_over;
    return Status::OK();
  }
  if (!VARVE_PLANTED("saved over newer") && HeldElsewhere(victim, key, TrailerSequence(trailer))) {
    ++stats_.entries_held;
    return Status::OK();
  }
  return Save(internal_key, value);
}

bool SalvageJob::IsWorthSaving(uint64_t trailer, Slice value) const {
  switch (TrailerType(trailer)) {
    case ValueType::kValue:
      return true;
    case ValueType::kValueWithExpiry:
      return value.size() >= kExpiresAtBytes && limits_.worth_saving != nullptr &&
             limits_.worth_saving(ExpiresAtOf(value));
    default:
      return false;
  }
}

bool SalvageJob::HeldElsewhere(const SegmentFile& victim, const LookupKey& key,
                               SequenceNumber sequence) {
  if (HeldInMemory(key)) return true;
  const FragmentedRangeTombstones* const own = readers_[victim.number()]->range_tombstones();
  if (own != nullptr && own->MaxCovering(key.user_key(), kMaxSequence) > sequence) return true;
  const uint64_t prefix = comparator_.bytewise() ? KeyPrefix(key.user_key()) : 0;
  // Those above the output too: it has applied them.
  for (const auto& ghost : view_->version->ghosts()) {
    if (ghost->place() < AgePlace::Of(victim) &&
        ghost->Accepts(comparator_, key.user_key(), prefix, key.hash())) {
      return true;
    }
  }
  for (const auto& run : view_->version->runs()) {
    if (run->level() != 0 || run->epoch() < victim.entry().epoch) break;
    const std::shared_ptr<SegmentFile>* const file = run->Find(key.user_key(), prefix);
    if (file == nullptr || file->get() == &victim) continue;
    if (HeldBy(*file, key, run->epoch() > victim.entry().epoch)) return true;
  }
  return false;
}

bool SalvageJob::HeldInMemory(const LookupKey& key) const {
  const auto holds = [&](const MemTable& memtable) {
    Slice value;
    uint64_t trailer;
    return memtable.Get(key, &value, &trailer) ||
           memtable.MaxCoveringTombstone(key.user_key(), key.sequence()) != 0;
  };
  return holds(*view_->memtable) ||
         std::any_of(view_->immutables.begin(), view_->immutables.end(),
                     [&](const auto& memtable) { return holds(*memtable); });
}

bool SalvageJob::HeldBy(const std::shared_ptr<SegmentFile>& file, const LookupKey& key,
                        bool range_tombstones) {
  std::shared_ptr<SegmentReader>& reader = readers_[file->number()];
  if (reader == nullptr && !tools_.segments->Share(file, &reader).ok()) return true;
  const FragmentedRangeTombstones* const ranges = reader->range_tombstones();
  if (range_tombstones && ranges != nullptr &&
      ranges->MaxCovering(key.user_key(), kMaxSequence) != 0) {
    return true;
  }
  SegmentReadOptions reading;
  reading.fill_cache = false;
  PinnedValue value;
  PointResult result;
  result.value = &value;
  return !reader->Get(reading, key, key.hash(), &result).ok() || result.found;
}

Status SalvageJob::Save(Slice internal_key, Slice value) {
  if (output_ == nullptr) {
    SegmentOutputOptions output;
    output.options = tools_.options;
    output.directory = tools_.directory;
    output.epoch = output_epoch_ + (VARVE_PLANTED("saved on top") ? 100 : 0);
    output.applied_to = tools_.applied_to;
    output.creator = "salvage";
    output.now_ms = tools_.now_ms;
    if (Status status = tools_.manifest->NewFileNumber(&output.number); !status.ok()) return status;
    output_ = std::make_unique<SegmentOutput>(output);
    if (Status status = output_->Open(limits_.bytes_max); !status.ok()) return status;
  }
  ++stats_.entries_saved;
  stats_.bytes_saved += internal_key.size() + value.size();
  return output_->Add(internal_key, value);
}

void SalvageJob::RemoveOutputs() {
  RemoveSegments(tools_.options->env.file_system.get(), tools_.directory, outputs_);
  outputs_.clear();
}

}  // namespace varve
