#include "db/version.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "db/age_place.h"
#include "db/garbage.h"
#include "db/ghost.h"

namespace varve {

namespace {

// The segments of one place as runs of disjoint ones, each in key order.
std::vector<SegmentList> SplitIntoRuns(const InternalKeyComparator& comparator,
                                       SegmentList segments) {
  std::sort(segments.begin(), segments.end(), [&comparator](const auto& a, const auto& b) {
    const int order = comparator.CompareUserKeys(a->smallest_user_key(), b->smallest_user_key());
    return order != 0 ? order < 0 : a->number() < b->number();
  });
  std::vector<SegmentList> runs;
  for (auto& segment : segments) {
    auto run = std::find_if(runs.begin(), runs.end(), [&](const SegmentList& list) {
      return list.back()->IsBefore(comparator, *segment);
    });
    if (run == runs.end()) run = runs.emplace(run);
    run->push_back(std::move(segment));
  }
  return runs;
}

}  // namespace

SegmentFile::SegmentFile(SegmentEntry entry, const InternalKeyComparator& comparator,
                         const SegmentFile* before)
    : entry_(std::move(entry)),
      largest_is_exclusive_(ExtractTrailer(entry_.largest) == kExclusiveTrailer),
      has_range_deletes_((entry_.flags & kHasRangeDeletes) != 0),
      segment_life_(NewLife(entry_, FileType::kSegment, before)),
      ghost_life_(NewLife(entry_, FileType::kGhost, before)),
      heat_(entry_.entries) {
  if (comparator.bytewise()) {
    smallest_prefix_ = KeyPrefix(smallest_user_key());
    largest_prefix_ = KeyPrefix(largest_user_key());
  }
}

std::shared_ptr<SegmentFile::Life> SegmentFile::NewLife(const SegmentEntry& entry, FileType file,
                                                        const SegmentFile* before) {
  const bool has_file = file == FileType::kGhost ? (entry.flags & kSegmentHasGhostFile) != 0
                                                 : (entry.flags & kSegmentGhost) == 0;
  if (!has_file) return nullptr;
  return before != nullptr ? before->LifeOf(file) : std::make_shared<Life>();
}

SortedRun::SortedRun(const InternalKeyComparator& comparator, SegmentList segments)
    : comparator_(comparator), segments_(std::move(segments)) {
  level_ = segments_.front()->entry().level;
  for (const auto& segment : segments_) {
    epoch_ = std::max(epoch_, segment->entry().epoch);
    file_bytes_ += segment->file_bytes();
    if (segment->has_range_deletes()) with_range_deletes_.push_back(segment);
    if (comparator.bytewise()) largest_prefixes_.push_back(segment->largest_prefix_);
  }
}

size_t SortedRun::LowerBound(Slice user_key) const {
  size_t from = 0, to = segments_.size();
  if (comparator_.bytewise()) {
    // Only where prefixes are equal need keys be compared.
    const auto [first, last] =
        std::equal_range(largest_prefixes_.begin(), largest_prefixes_.end(), KeyPrefix(user_key));
    from = first - largest_prefixes_.begin();
    to = last - largest_prefixes_.begin();
  }
  while (from < to) {
    const size_t middle = from + (to - from) / 2;
    if (segments_[middle]->IsBefore(comparator_, user_key)) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

size_t SortedRun::UpperBound(Slice user_key) const {
  const auto first =
      std::partition_point(segments_.begin(), segments_.end(), [&](const auto& segment) {
        return comparator_.CompareUserKeys(segment->smallest_user_key(), user_key) < 0;
      });
  return static_cast<size_t>(first - segments_.begin());
}

std::span<const std::shared_ptr<SegmentFile>> SortedRun::Overlapping(Slice smallest,
                                                                     Slice largest) const {
  const size_t first = LowerBound(smallest);
  size_t last = first;
  while (last < segments_.size() && !segments_[last]->IsAfter(comparator_, largest)) ++last;
  return {segments_.data() + first, last - first};
}

Version::Version(Runs runs, GhostList ghosts, SequenceNumber retained_sequence)
    : runs_(std::move(runs)), ghosts_(std::move(ghosts)), retained_sequence_(retained_sequence) {
  const SortedRun* newer = nullptr;
  for (const auto& run : runs_) {
    level0_runs_ += run->level() == 0;
    sources_ += newer == nullptr || !run->IsOneSourceWith(*newer);
    newer = run.get();
    segments_ += run->segments().size();
    file_bytes_ += run->file_bytes();
    for (const auto& segment : run->segments()) {
      const SegmentEntry& entry = segment->entry();
      entries_ += entry.entries;
      next_expiry_ms_ =
          std::min({next_expiry_ms_, AllExpiredFrom(entry), ExpiryGarbageFrom(entry)});
      // Of tombstones some may sink before all may go.
      if (ManyTombstones(entry)) garbage_until_.push_back(entry.smallest_sequence);
      if (ManyTombstones(entry) || ManyHidden(entry)) {
        garbage_until_.push_back(entry.largest_sequence);
      }
    }
  }
  std::sort(garbage_until_.begin(), garbage_until_.end());
}

bool Version::GarbageWaits(SequenceNumber from, SequenceNumber before) const {
  const auto first = std::lower_bound(garbage_until_.begin(), garbage_until_.end(), from);
  return first != garbage_until_.end() && *first < before;
}

Status Version::Build(const InternalKeyComparator& comparator, std::vector<SegmentEntry> entries,
                      SequenceNumber retained_sequence, std::shared_ptr<const Version>* version,
                      const GhostReaders& ghosts) {
  SegmentList segments;
  GhostList made;
  for (SegmentEntry& entry : entries) {
    if (!SegmentFile::ValidBounds(entry)) {
      return Status::Corruption("the manifest gives segment " + std::to_string(entry.number) +
                                " no bounds");
    }
    const bool ghost = (entry.flags & kSegmentGhost) != 0;
    auto file = std::make_shared<SegmentFile>(std::move(entry), comparator);
    if (ghost) {
      const auto reader = ghosts.find(file->number());
      made.push_back(std::make_shared<Ghost>(std::move(file),
                                             reader == ghosts.end() ? nullptr : reader->second));
    } else {
      segments.push_back(std::move(file));
    }
  }
  *version = Version().With(comparator, {}, segments, retained_sequence, made);
  const Runs& runs = (*version)->runs();
  for (size_t i = 1; i < runs.size(); ++i) {
    if (runs[i]->level() == 0 || runs[i]->level() != runs[i - 1]->level()) continue;
    return Status::Corruption("segments of level " + std::to_string(runs[i]->level()) +
                              " overlap, one of them " +
                              std::to_string(runs[i]->segments().front()->number()));
  }
  return Status::OK();
}

std::shared_ptr<const Version> Version::With(const InternalKeyComparator& comparator,
                                             std::span<const FileNumber> removed,
                                             const SegmentList& added,
                                             SequenceNumber retained_sequence,
                                             const GhostList& added_ghosts) const {
  const std::set<FileNumber> gone(removed.begin(), removed.end());
  std::set<AgePlace> changed;
  for (const auto& segment : added) changed.insert(AgePlace::Of(*segment));
  ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
    if (gone.count(segment->number()) != 0) changed.insert(AgePlace::Of(*segment));
  });

  std::map<AgePlace, Runs> places;
  std::map<AgePlace, SegmentList> made;
  for (const auto& run : runs_) {
    const AgePlace place = AgePlace::Of(*run);
    if (changed.count(place) == 0) {
      places[place].push_back(run);
      continue;
    }
    for (const auto& segment : run->segments()) {
      if (gone.count(segment->number()) == 0) made[place].push_back(segment);
    }
  }
  for (const auto& segment : added) made[AgePlace::Of(*segment)].push_back(segment);
  for (auto& [place, segments] : made) {
    for (SegmentList& run : SplitIntoRuns(comparator, std::move(segments))) {
      places[place].push_back(std::make_shared<SortedRun>(comparator, std::move(run)));
    }
  }
  Runs runs;
  for (auto& [place, list] : places) {
    for (auto& run : list) runs.push_back(std::move(run));
  }
  GhostList ghosts;
  for (const auto& ghost : ghosts_) {
    if (gone.count(ghost->number()) == 0) ghosts.push_back(ghost);
  }
  ghosts.insert(ghosts.end(), added_ghosts.begin(), added_ghosts.end());
  std::stable_sort(ghosts.begin(), ghosts.end(),
                   [](const auto& a, const auto& b) { return a->place() < b->place(); });
  return std::shared_ptr<const Version>(new Version(
      std::move(runs), std::move(ghosts), std::max(retained_sequence, retained_sequence_)));
}

uint64_t Version::ghost_file_bytes() const {
  uint64_t bytes = 0;
  for (const auto& ghost : ghosts_) bytes += ghost->entry().file_bytes;
  return bytes;
}

uint64_t Version::ghost_memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& ghost : ghosts_) bytes += ghost->memory_bytes();
  return bytes;
}

double Version::ghost_false_positive_rate() const {
  double rate = 0;
  for (const auto& ghost : ghosts_) rate += ghost->false_positive_rate();
  return rate;
}

uint64_t Version::last_eviction() const {
  uint64_t last = 0;
  ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
    last = std::max(last, segment->entry().applied_to);
  });
  for (const auto& ghost : ghosts_) {
    last = std::max({last, ghost->entry().evicted, ghost->entry().applied_to});
  }
  return last;
}

const SortedRun* Version::level(uint32_t level) const {
  for (size_t i = level0_runs_; i < runs_.size(); ++i) {
    if (runs_[i]->level() == level) return runs_[i].get();
  }
  return nullptr;
}

uint64_t Version::level_bytes(uint32_t level) const {
  uint64_t bytes = 0;
  for (const auto& run : runs_) {
    if (run->level() == level) bytes += run->file_bytes();
  }
  return bytes;
}

}  // namespace varve
