#include "tests/db/model_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "db/key_range.h"
#include "db/plan_conflicts.h"

namespace varve::testing {

ModelTree::ModelTree(const Settings& settings)
    : settings_(settings),
      comparator_(BytewiseComparator()),
      random_(settings.seed),
      version_(std::make_shared<const Version>()) {}

std::string ModelTree::Key(uint32_t key) {
  std::string text(4, '\0');
  for (int i = 0; i < 4; ++i) text[i] = static_cast<char>(key >> (24 - 8 * i));
  return text;
}

SegmentEntry ModelTree::MakeEntry(const Entries& entries, size_t from, size_t to, uint32_t level,
                                  uint64_t epoch) {
  SegmentEntry entry;
  entry.number = next_number_++;
  entry.level = level;
  entry.epoch = epoch;
  entry.entries = to - from;
  entry.file_bytes = entry.entries * settings_.entry_bytes;
  entry.smallest_sequence = kMaxSequence;
  for (size_t i = from; i < to; ++i) {
    entry.deletes += entries[i].tombstone;
    entry.smallest_sequence = std::min(entry.smallest_sequence, entries[i].sequence);
    entry.largest_sequence = std::max(entry.largest_sequence, entries[i].sequence);
  }
  if (settings_.range_tombstones && entry.deletes > 0) entry.flags |= kHasRangeDeletes;
  const uint64_t trailer = PackTrailer(1, ValueType::kValue);
  AppendInternalKey(&entry.smallest, Key(entries[from].key), trailer);
  if (settings_.exclusive_bounds && random_.OneIn(2)) {
    AppendInternalKey(&entry.largest, Key(entries[to - 1].key + 1), SegmentFile::kExclusiveTrailer);
  } else {
    AppendInternalKey(&entry.largest, Key(entries[to - 1].key), trailer);
  }
  contents_[entry.number] = Entries(entries.begin() + from, entries.begin() + to);
  return entry;
}

void ModelTree::Install(const std::vector<FileNumber>& removed, std::vector<SegmentEntry> added) {
  SegmentList segments;
  for (SegmentEntry& entry : added) {
    segments.push_back(std::make_shared<SegmentFile>(std::move(entry), comparator_));
  }
  version_ = version_->With(comparator_, removed, segments);
}

void ModelTree::Place(const Entries& entries, uint32_t level, size_t segments) {
  const uint64_t epoch = next_epoch_++;
  std::vector<SegmentEntry> added;
  const size_t each = std::max<size_t>(1, entries.size() / segments);
  for (size_t from = 0, to = 0; from < entries.size(); from = to) {
    to = std::min(entries.size(), from + each);
    while (to < entries.size() && entries[to].key == entries[to - 1].key) ++to;
    added.push_back(MakeEntry(entries, from, to, level, epoch));
  }
  Install({}, std::move(added));
}

void ModelTree::Flush(const Entries& entries, size_t segments) {
  bytes_flushed_ += entries.size() * settings_.entry_bytes;
  Place(entries, 0, segments);
}

void ModelTree::FlushSiblings(const Entries& entries, size_t segments) {
  bytes_flushed_ += entries.size() * settings_.entry_bytes;
  std::vector<Entries> siblings(segments);
  size_t sibling = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i].key != entries[i - 1].key) sibling = random_.Uniform(segments);
    siblings[sibling].push_back(entries[i]);
  }
  const uint64_t epoch = next_epoch_++;
  std::vector<SegmentEntry> added;
  for (const Entries& of_one : siblings) {
    if (!of_one.empty()) added.push_back(MakeEntry(of_one, 0, of_one.size(), 0, epoch));
  }
  Install({}, std::move(added));
}

void ModelTree::Begin(CompactionPlan plan) {
  for (const CompactionInput& input : plan.inputs) {
    for (const auto& segment : input.segments) {
      EXPECT_TRUE(busy_.insert(segment->number()).second) << "a shared input";
    }
  }
  running_.push_back(std::move(plan));
  picked_from_.push_back(version_);
}

void ModelTree::Run(CompactionPlan plan) {
  Begin(std::move(plan));
  Finish(running_.size() - 1);
}

ModelTree::Entries ModelTree::Merge(const CompactionPlan& plan, const OlderSources& older) const {
  Entries all;
  for (const CompactionInput& input : plan.inputs) {
    const size_t before = all.size();
    for (const auto& segment : input.segments) {
      const Entries& entries = contents_.at(segment->number());
      all.insert(all.end(), entries.begin(), entries.end());
    }
    // Of equal keys the earlier input's stay first: the order that the plan claims, not the one
    // that sequences would give.
    std::inplace_merge(all.begin(), all.begin() + before, all.end(),
                       [](const Entry& a, const Entry& b) { return a.key < b.key; });
  }
  if (!settings_.drop_hidden) return all;
  Entries kept;
  std::optional<uint32_t> hidden;
  for (const Entry& entry : all) {
    if (hidden == entry.key) continue;
    const bool droppable = entry.sequence < settings_.droppable_before;
    if (droppable) hidden = entry.key;
    if (entry.tombstone && droppable && !older.MayHold(Key(entry.key))) continue;
    kept.push_back(entry);
  }
  return kept;
}

void ModelTree::Finish(size_t index) {
  const CompactionPlan plan = running_[index];
  const OlderSources older(comparator_, picked_from_[index], plan);
  running_.erase(running_.begin() + index);
  picked_from_.erase(picked_from_.begin() + index);
  std::vector<FileNumber> removed;
  std::vector<SegmentEntry> added;
  for (const CompactionInput& input : plan.inputs) {
    for (const auto& segment : input.segments) {
      busy_.erase(segment->number());
      removed.push_back(segment->number());
      if (!plan.trivial_move) continue;
      added.push_back(segment->entry());
      added.back().level = plan.output_level;
    }
  }
  if (!plan.trivial_move) {
    const Entries entries = Merge(plan, older);
    bytes_compacted_ += entries.size() * settings_.entry_bytes;
    size_t grandparent = 0;
    for (size_t from = 0, to = 0; from < entries.size(); from = to) {
      uint64_t overlapped = 0;
      for (; to < entries.size(); ++to) {
        if (to > from && entries[to].key == entries[to - 1].key) continue;
        if ((to - from) * settings_.entry_bytes >= plan.segment_bytes) break;
        const std::string key = Key(entries[to].key);
        bool passed = false;
        while (grandparent < plan.grandparents.size() &&
               plan.grandparents[grandparent]->IsBefore(comparator_, key)) {
          overlapped += plan.grandparents[grandparent++]->file_bytes();
          passed = true;
        }
        if (to > from && passed && overlapped > plan.grandparent_bytes_max) break;
      }
      added.push_back(MakeEntry(entries, from, to, plan.output_level, plan.output_epoch));
    }
    for (const FileNumber number : removed) contents_.erase(number);
  }
  Install(removed, std::move(added));
}

std::string ModelTree::Disorder() const {
  std::map<uint32_t, SequenceNumber> lowest;  // of what newer runs hold
  uint32_t last_level = 0;
  for (const auto& run : version_->runs()) {
    if (run->level() > 0 && run->level() == last_level) {
      return "level " + std::to_string(last_level) + " has segments that overlap";
    }
    last_level = run->level();
    for (const auto& segment : run->segments()) {
      for (const Entry& entry : contents_.at(segment->number())) {
        const std::string key = Key(entry.key);
        if (!segment->MayHold(comparator_, key, KeyPrefix(key))) {
          return "#" + std::to_string(segment->number()) + " holds a key out of its bounds";
        }
        const auto [at, first] = lowest.emplace(entry.key, entry.sequence);
        if (!first && entry.sequence >= at->second) {
          return "#" + std::to_string(segment->number()) + " holds key " +
                 std::to_string(entry.key) + " @ " + std::to_string(entry.sequence) +
                 " beneath @ " + std::to_string(at->second);
        }
        at->second = entry.sequence;
      }
    }
  }
  return "";
}

std::map<uint32_t, SequenceNumber> ModelTree::Live() const {
  std::map<uint32_t, SequenceNumber> found;
  std::set<uint32_t> decided;
  version_->ForEachSegment([&](const auto& segment) {
    for (const Entry& entry : contents_.at(segment->number())) {
      if (decided.insert(entry.key).second && !entry.tombstone) found[entry.key] = entry.sequence;
    }
  });
  return found;
}

}  // namespace varve::testing
