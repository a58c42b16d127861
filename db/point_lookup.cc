#include "db/point_lookup.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "db/ghost.h"
#include "db/merge_operands.h"
#include "db/segment_read_options.h"
#include "db/visibility.h"
#include "util/planted.h"

namespace varve {

namespace {

MissReason ReasonOf(const Ghost& ghost) {
  return ghost.wide() ? MissReason::kQuarantined : MissReason::kGhost;
}

size_t Memtables(const ReadView& view) { return 1 + view.immutables.size(); }
const MemTable& MemtableAt(const ReadView& view, size_t i) {
  return i == 0 ? *view.memtable : *view.immutables[i - 1];
}

SequenceNumber CoveringIn(const SegmentFile& file, const SegmentReader& reader,
                          const LookupKey& key) {
  if (!file.has_range_deletes()) return 0;
  const FragmentedRangeTombstones* const tombstones = reader.range_tombstones();
  return tombstones == nullptr ? 0 : tombstones->MaxCovering(key.user_key(), key.sequence());
}

// The operands of one key and what they make, as sources are gone through from the newest.
class Merge {
 public:
  Merge(const InternalKeyComparator& comparator, const MergeOperator* merge_operator,
        const LookupKey& key, ReadClock* clock, PinnedValue* value)
      : comparator_(comparator),
        merge_operator_(merge_operator),
        key_(key),
        clock_(clock),
        value_(value) {
    operands_.Begin(MergeOperands::Order::kNewestFirst);
  }

  // Takes what `entries` hold of the key. True if nothing older counts: *status is the answer.
  // `borrow`: the entries' bytes stay where they are.
  bool Take(InternalIterator* entries, SequenceNumber covering, bool borrow, Status* status) {
    for (entries->Seek(key_.internal_key()); entries->Valid(); entries->Next()) {
      const Slice internal_key = entries->key();
      if (internal_key.size() < kTrailerBytes) {
        *status = Status::Corruption("an internal key of " + std::to_string(internal_key.size()) +
                                     " bytes");
        return true;
      }
      if (comparator_.CompareUserKeys(ExtractUserKey(internal_key), key_.user_key()) != 0) break;
      const uint64_t trailer = ExtractTrailer(internal_key);
      if (IsExpiringBase(trailer, covering)) {
        *status = MergeOverExpiry();
        return true;
      }
      switch (VisibilityOf(trailer, covering, clock_, [&] { return entries->value(); })) {
        case Visibility::kOperand:
          borrow ? operands_.AddBorrowed(entries->value()) : operands_.Add(entries->value());
          break;
        case Visibility::kValue: {
          const Slice base = entries->value();
          *status = Finish(&base);
          return true;
        }
        case Visibility::kAbsent:
          *status = Finish(nullptr);
          return true;
        case Visibility::kUnknown:
          *status = UnknownEntry(trailer);
          return true;
      }
    }
    *status = entries->status();
    return !status->ok();
  }

  Status Finish(const Slice* base) {
    std::string merged;
    Status status = operands_.FullMerge(merge_operator_, key_.user_key(), base, &merged);
    if (status.ok()) value_->Assign(merged);
    return status;
  }

 private:
  const InternalKeyComparator comparator_;
  const MergeOperator* const merge_operator_;
  const LookupKey& key_;
  ReadClock* const clock_;
  PinnedValue* const value_;
  MergeOperands operands_;
};

}  // namespace

bool PointLookup::InMemtables(const ReadView& view, const ReadOptions& options,
                              const LookupKey& key, ReadClock* clock, PinnedValue* value,
                              Status* status, MissReason* miss) const {
  const size_t memtables = Memtables(view);
  for (size_t i = 0; i < memtables; ++i) {
    const MemTable& memtable = MemtableAt(view, i);
    SequenceNumber covering = 0;
    if (memtable.has_range_tombstones()) [[unlikely]]
      covering = memtable.MaxCoveringTombstone(key.user_key(), key.sequence());
    Slice found;
    uint64_t trailer;
    if (memtable.Get(key, &found, &trailer)) {
      const Visibility visibility = VisibilityOf(trailer, covering, clock, [&] { return found; });
      if (visibility == Visibility::kValue) [[likely]] {
        *status = Status::OK();
        value->Assign(UserValue(trailer, found));
        if (ValueSkip(trailer) != 0) value->SetExpiresAt(ExpiresAtOf(found));
      } else if (visibility == Visibility::kOperand) {
        *status = GetMerged(view, options, key, i, clock, value);
      } else {
        const bool absent = visibility == Visibility::kAbsent;
        *status = absent ? Status::NotFound() : UnknownEntry(trailer);
        *miss = AbsenceOf(trailer, covering);
      }
      return true;
    }
    if (covering != 0) {
      *status = Status::NotFound();
      *miss = MissReason::kDeleted;
      return true;
    }
  }
  return false;
}

Status PointLookup::InSegments(const ReadView& view, const ReadOptions& options,
                               const LookupKey& key, ReadClock* clock, PinnedValue* value,
                               MissReason* miss) const {
  const Version::Runs& runs = view.version->runs();
  const uint64_t hash = key.hash();
  const uint64_t prefix = Prefix(key.user_key());
  const SegmentReadOptions segment_options = SegmentOptions(options);
  for (const auto& run : runs) {
    const std::shared_ptr<SegmentFile>* const file = run->Find(key.user_key(), prefix);
    if (file == nullptr) continue;
    const SegmentReader* open = SegmentCache::Peek(**file);
    if (open != nullptr) open->PrefetchFilter(hash);
  }
  if (!view.version->ghosts().empty()) [[unlikely]] {
    for (const auto& ghost : view.version->ghosts()) ghost->Prefetch(hash);
    return FromRun(view, options, key, 0, hash, clock, value, miss);
  }
  PointResult result;
  result.value = value;
  for (const auto& run : runs) {
    const std::shared_ptr<SegmentFile>* const file = run->Find(key.user_key(), prefix);
    if (file == nullptr) continue;
    if ((*file)->has_range_deletes()) [[unlikely]]
      return FromRun(view, options, key, &run - runs.data(), hash, clock, value, miss);
    SegmentReader* reader;
    Status status = segments_->Get(*file, &reader);
    if (status.ok()) status = reader->Get(segment_options, key, hash, &result);
    if (!status.ok()) [[unlikely]]
      return AfterError(std::move(status), miss);
    if (result.found) {
      const size_t source = Memtables(view) + (&run - runs.data());
      status =
          Answer(view, options, key, source, /*covering=*/0, result.trailer, clock, value, miss);
      NoteAnswer(**file, hash, status);
      return status;
    }
  }
  *miss = ReasonAtEnd(view, key.user_key(), hash, /*asked=*/0);
  return Status::NotFound();
}

Status PointLookup::FromRun(const ReadView& view, const ReadOptions& options, const LookupKey& key,
                            size_t run, uint64_t hash, ReadClock* clock, PinnedValue* value,
                            MissReason* miss) const {
  const Version::Runs& runs = view.version->runs();
  const uint64_t prefix = Prefix(key.user_key());
  size_t ghosts_asked = 0;
  PointResult result;
  result.value = value;
  SequenceNumber covering = 0;
  for (size_t i = run; i < runs.size(); ++i) {
    if (covering != 0 && !runs[i]->IsOneSourceWith(*runs[i - 1])) break;
    const std::shared_ptr<SegmentFile>* const file = runs[i]->Find(key.user_key(), prefix);
    if (file == nullptr) continue;
    if (const Ghost* const ghost =
            GhostOver(*view.version, *runs[i], key.user_key(), hash, &ghosts_asked)) {
      *miss = ReasonOf(*ghost);
      return Status::NotFound();
    }
    SegmentReader* reader;
    Status status = segments_->Get(*file, &reader);
    if (status.ok()) status = reader->Get(SegmentOptions(options), key, hash, &result);
    if (!status.ok()) return AfterError(std::move(status), miss);
    covering = std::max(covering, CoveringIn(**file, *reader, key));
    if (result.found) {
      status = Answer(view, options, key, Memtables(view) + i, covering, result.trailer, clock,
                      value, miss);
      NoteAnswer(**file, hash, status);
      return status;
    }
  }
  *miss =
      covering != 0 ? MissReason::kDeleted : ReasonAtEnd(view, key.user_key(), hash, ghosts_asked);
  return Status::NotFound();
}

MissReason PointLookup::ReasonAtEnd(const ReadView& view, Slice user_key, uint64_t hash,
                                    size_t asked) const {
  if (view.condemned) return MissReason::kReset;
  const Version& version = *view.version;
  const uint64_t prefix = Prefix(user_key);
  for (; asked < version.ghosts().size(); ++asked) {
    const Ghost& ghost = *version.ghosts()[asked];
    if (ghost.Accepts(comparator_, user_key, prefix, hash)) return ReasonOf(ghost);
  }
  return MissReason::kAbsent;
}

const Ghost* PointLookup::AskGhosts(const Version& version, const SortedRun& run, Slice user_key,
                                    uint64_t hash, size_t* asked) const {
  const GhostList& ghosts = version.ghosts();
  const AgePlace place = AgePlace::Of(run);
  const uint64_t prefix = Prefix(user_key);
  for (; *asked < ghosts.size() && ghosts[*asked]->place() < place; ++*asked) {
    if (VARVE_PLANTED("lookup passes ghosts")) continue;
    if (ghosts[*asked]->Accepts(comparator_, user_key, prefix, hash)) return ghosts[*asked].get();
  }
  return nullptr;
}

void PointLookup::InSegments(const ReadView& view, const ReadOptions& options,
                             std::span<Request* const> requests, ReadClock* clock) const {
  const Version::Runs& runs = view.version->runs();
  const SegmentReadOptions segment_options = SegmentOptions(options);
  std::vector<Request*> pending(requests.begin(), requests.end());
  // Of one run: each request with the segment that may have its key.
  std::vector<std::pair<const std::shared_ptr<SegmentFile>*, Request*>> found;
  std::vector<PointRequest*> here;
  for (size_t run = 0; run < runs.size() && !pending.empty(); ++run) {
    found.clear();
    for (Request* request : pending) {
      const Slice key = request->key->user_key();
      const auto* const file = runs[run]->Find(key, Prefix(key));
      if (file == nullptr) continue;
      if (const Ghost* const ghost = GhostOver(*view.version, *runs[run], key, request->key_hash,
                                               &request->ghosts_asked)) {
        request->status = Status::NotFound();
        request->miss = ReasonOf(*ghost);
        request->decided = true;
      } else {
        found.emplace_back(file, request);
      }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return std::less<>()(a.first, b.first);  // places in one array: the order of the keys
    });
    for (size_t i = 0; i < found.size();) {
      const std::shared_ptr<SegmentFile>& file = *found[i].first;
      const size_t first = i;
      here.clear();
      for (; i < found.size() && *found[i].first == file; ++i) here.push_back(found[i].second);
      SegmentReader* reader;
      const Status status = segments_->Get(file, &reader);
      if (status.ok()) reader->MultiGet(segment_options, here);
      for (size_t j = first; j < i; ++j) {
        Request* const request = found[j].second;
        if (!status.ok()) request->status = status;
        request->decided = !request->status.ok() || request->result.found;
        if (!request->status.ok()) {
          request->status = AfterError(std::move(request->status), &request->miss);
          continue;
        }
        request->covering = std::max(request->covering, CoveringIn(*file, *reader, *request->key));
        if (!request->result.found) continue;
        request->status =
            Answer(view, options, *request->key, Memtables(view) + run, request->covering,
                   request->result.trailer, clock, request->result.value, &request->miss);
        NoteAnswer(*file, request->key_hash, request->status);
      }
    }
    const bool source_ends = run + 1 == runs.size() || !runs[run + 1]->IsOneSourceWith(*runs[run]);
    std::erase_if(pending, [source_ends](const Request* request) {
      return request->decided || (source_ends && request->covering != 0);
    });
  }
  for (Request* request : requests) {
    if (request->decided) continue;
    request->status = Status::NotFound();
    request->miss = request->covering != 0 ? MissReason::kDeleted
                                           : ReasonAtEnd(view, request->key->user_key(),
                                                         request->key_hash, request->ghosts_asked);
  }
}

Status PointLookup::AfterError(Status status, MissReason* miss) const {
  if (!segments_->IsMiss(status)) return status;
  *miss = MissReason::kQuarantined;
  return Status::NotFound();
}

Status PointLookup::Answer(const ReadView& view, const ReadOptions& options, const LookupKey& key,
                           size_t source, SequenceNumber covering, uint64_t trailer,
                           ReadClock* clock, PinnedValue* value, MissReason* miss) const {
  switch (VisibilityOf(trailer, covering, clock, [&] { return value->slice(); })) {
    case Visibility::kValue:
      if (const size_t skip = ValueSkip(trailer); skip != 0) {
        value->SetExpiresAt(ExpiresAtOf(value->slice()));
        value->RemovePrefix(skip);
      }
      return Status::OK();
    case Visibility::kAbsent:
      *miss = AbsenceOf(trailer, covering);
      return Status::NotFound();
    case Visibility::kOperand:
      return GetMerged(view, options, key, source, clock, value);
    case Visibility::kUnknown:
      break;
  }
  return UnknownEntry(trailer);
}

Status PointLookup::GetMerged(const ReadView& view, const ReadOptions& options,
                              const LookupKey& key, size_t source, ReadClock* clock,
                              PinnedValue* value) const {
  Merge merge(comparator_, merge_operator_, key, clock, value);
  Status status;
  for (; source < Memtables(view); ++source) {
    const MemTable& memtable = MemtableAt(view, source);
    const SequenceNumber covering = memtable.MaxCoveringTombstone(key.user_key(), key.sequence());
    if (merge.Take(memtable.NewIterator().get(), covering, /*borrow=*/true, &status)) return status;
    if (covering != 0) return merge.Finish(nullptr);
  }
  const Version::Runs& runs = view.version->runs();
  size_t i = source - Memtables(view);
  // Others of the source were asked before, and may have a tombstone.
  while (i > 0 && i < runs.size() && runs[i]->IsOneSourceWith(*runs[i - 1])) --i;
  const uint64_t hash = key.hash(), prefix = Prefix(key.user_key());
  size_t ghosts_asked = 0;
  SequenceNumber covering = 0;
  for (const size_t first = i; i < runs.size(); ++i) {
    if (i > first && covering != 0 && !runs[i]->IsOneSourceWith(*runs[i - 1])) break;
    const std::shared_ptr<SegmentFile>* const file = runs[i]->Find(key.user_key(), prefix);
    if (file == nullptr) continue;
    if (GhostOver(*view.version, *runs[i], key.user_key(), hash, &ghosts_asked) != nullptr) break;
    SegmentReader* reader;
    status = segments_->Get(*file, &reader);
    if (!status.ok()) return status;
    covering = std::max(covering, CoveringIn(**file, *reader, key));
    if (!reader->MayContain(hash)) continue;
    const auto entries = reader->NewIterator(SegmentOptions(options));
    if (merge.Take(entries.get(), covering, /*borrow=*/false, &status)) return status;
  }
  return merge.Finish(nullptr);
}

}  // namespace varve
