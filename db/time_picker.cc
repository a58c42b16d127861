#include "db/time_picker.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "db/plan_conflicts.h"
#include "util/planted.h"

namespace varve {

namespace {

// What small segments become is no more than one.
constexpr uint64_t kUncut = uint64_t{1} << 62;

bool IsSmall(const SegmentFile& segment, uint64_t segment_bytes) {
  return segment.file_bytes() < segment_bytes / TimePicker::kSmallShare;
}

TimePlace PlaceOf(const SegmentFile& segment, const BusySegments& busy, uint64_t segment_bytes) {
  const SegmentEntry& entry = segment.entry();
  TimePlace place;
  place.bytes = segment.file_bytes();
  place.segments = 1;
  place.mergeable = busy.count(segment.number()) == 0 && IsSmall(segment, segment_bytes);
  place.expires = (entry.flags & kAllExpire) != 0;
  if (place.expires) {
    place.min_expires_at = entry.min_expires_at;
    place.max_expires_at = entry.max_expires_at;
  }
  return place;
}

// Whether they expire alike; if so `to` gets the range of both.
bool JoinExpiry(const TimePlace& from, TimePlace* to) {
  if (from.expires != to->expires) return false;
  if (from.min_expires_at > to->max_expires_at || to->min_expires_at > from.max_expires_at) {
    return false;
  }
  to->min_expires_at = std::min(to->min_expires_at, from.min_expires_at);
  to->max_expires_at = std::max(to->max_expires_at, from.max_expires_at);
  return true;
}

bool IsWorthMerging(uint64_t bytes, size_t segments, uint64_t segment_bytes) {
  return segments >= 2 && (bytes >= segment_bytes / 2 || segments >= TimePicker::kNeighboursMin);
}

// The segments of one epoch; those of deeper levels, where another style has left them, are none.
struct Epoch {
  std::vector<const SegmentFile*> siblings;
  TimePlace place;  // all of it
};

std::vector<Epoch> EpochsOf(const Version& version, const BusySegments& busy,
                            uint64_t segment_bytes) {
  std::vector<Epoch> epochs;
  const SortedRun* newer = nullptr;
  for (const auto& run : version.runs()) {
    if (run->level() != 0) break;
    if (newer == nullptr || !run->IsOneSourceWith(*newer)) epochs.emplace_back();
    newer = run.get();
    Epoch& epoch = epochs.back();
    for (const auto& segment : run->segments()) {
      const TimePlace place = PlaceOf(*segment, busy, segment_bytes);
      epoch.siblings.push_back(segment.get());
      if (epoch.siblings.size() == 1) {
        epoch.place = place;
        continue;
      }
      const bool alike = JoinExpiry(place, &epoch.place);
      epoch.place.bytes += place.bytes;
      epoch.place.segments += 1;
      epoch.place.mergeable = epoch.place.mergeable && place.mergeable && alike;
    }
  }
  return epochs;
}

std::vector<TimePlace> PlacesOf(const std::vector<Epoch>& epochs) {
  std::vector<TimePlace> places;
  for (const Epoch& epoch : epochs) places.push_back(epoch.place);
  return places;
}

// Of one epoch: what should become one segment; none if nothing should.
BusySegments ChooseSiblings(const Epoch& epoch, const BusySegments& busy, uint64_t segment_bytes) {
  if (epoch.siblings.size() < 2) return {};
  std::vector<std::pair<TimePlace, FileNumber>> small;
  for (const SegmentFile* segment : epoch.siblings) {
    const TimePlace place = PlaceOf(*segment, busy, segment_bytes);
    if (place.mergeable) small.emplace_back(place, segment->number());
  }
  std::sort(small.begin(), small.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.expires, a.first.max_expires_at, a.second) <
           std::tie(b.first.expires, b.first.max_expires_at, b.second);
  });
  for (size_t from = 0; from < small.size(); ++from) {
    TimePlace sum = small[from].first;
    BusySegments chosen{small[from].second};
    for (size_t i = from + 1; i < small.size(); ++i) {
      const TimePlace& next = small[i].first;
      if (sum.bytes + next.bytes > segment_bytes || !JoinExpiry(next, &sum)) break;
      sum.bytes += next.bytes;
      chosen.insert(small[i].second);
    }
    if (IsWorthMerging(sum.bytes, chosen.size(), segment_bytes)) return chosen;
  }
  return {};
}

}  // namespace

std::optional<TimeWindow> ChooseNeighbours(const std::vector<TimePlace>& places,
                                           uint64_t segment_bytes) {
  for (size_t from = 0; from < places.size(); ++from) {
    if (!places[from].mergeable) continue;
    TimePlace sum = places[from];
    size_t to = from + 1;
    for (; to < places.size() && places[to].mergeable; ++to) {
      if (sum.bytes + places[to].bytes > segment_bytes || !JoinExpiry(places[to], &sum)) break;
      sum.bytes += places[to].bytes;
      sum.segments += places[to].segments;
    }
    if (to - from >= 2 && IsWorthMerging(sum.bytes, sum.segments, segment_bytes)) {
      return TimeWindow{from, to};
    }
  }
  return std::nullopt;
}

std::optional<CompactionPlan> TimePicker::PlanOf(const Version& version, const BusySegments& busy,
                                                 const std::vector<CompactionPlan>& running,
                                                 const BusySegments& inputs,
                                                 CompactionReason reason,
                                                 uint64_t segment_bytes) const {
  CompactionPlan plan;
  plan.reason = reason;
  plan.score = 1;
  plan.segment_bytes = segment_bytes;
  for (const auto& run : version.runs()) {
    CompactionInput input{run->level(), {}};
    for (const auto& segment : run->segments()) {
      if (inputs.count(segment->number()) == 0) continue;
      input.segments.push_back(segment);
      plan.output_epoch = std::max(plan.output_epoch, segment->entry().epoch);
    }
    if (input.segments.empty()) continue;
    plan.output_level = input.level;
    plan.inputs.push_back(std::move(input));
  }
  if (PlanConflicts(comparator_, version, busy, running, plan)) return std::nullopt;
  return plan;
}

std::optional<CompactionPlan> TimePicker::Pick(const Version& version, const BusySegments& busy,
                                               const std::vector<CompactionPlan>& running,
                                               SequenceNumber /*droppable_before*/) const {
  const std::vector<Epoch> epochs = EpochsOf(version, busy, options_.segment_bytes);
  for (const Epoch& epoch : epochs) {
    const BusySegments inputs = ChooseSiblings(epoch, busy, options_.segment_bytes);
    if (inputs.empty()) continue;
    auto plan = PlanOf(version, busy, running, inputs, CompactionReason::kSmallSegments, kUncut);
    if (plan) return plan;
  }
  std::vector<TimePlace> places = PlacesOf(epochs);
  while (const auto window = ChooseNeighbours(places, options_.segment_bytes)) {
    BusySegments inputs;
    for (size_t i = window->from; i < window->to; ++i) {
      if (VARVE_PLANTED("merge passes what stays") && i == window->from + 1) continue;
      for (const SegmentFile* segment : epochs[i].siblings) inputs.insert(segment->number());
    }
    auto plan = PlanOf(version, busy, running, inputs, CompactionReason::kSmallSegments, kUncut);
    if (plan) return plan;
    places[window->from].mergeable = false;  // what is in its way stays there
  }
  return std::nullopt;
}

std::optional<CompactionPlan> TimePicker::PickManual(const Version& version,
                                                     const BusySegments& busy,
                                                     const std::vector<CompactionPlan>& running,
                                                     const ManualCompaction& manual,
                                                     bool* blocked) const {
  *blocked = false;
  for (const auto& run : version.runs()) {
    for (const auto& segment : run->segments()) {
      if (segment->number() >= manual.rewrite_before || !manual.InRange(comparator_, *segment)) {
        continue;
      }
      auto plan = PlanOf(version, busy, running, {segment->number()}, CompactionReason::kManual,
                         options_.segment_bytes);
      if (plan) return plan;
      *blocked = true;
    }
  }
  return std::nullopt;
}

uint64_t TimePicker::DebtBytes(const Version& version) const {
  const std::vector<Epoch> epochs = EpochsOf(version, {}, options_.segment_bytes);
  std::vector<TimePlace> places = PlacesOf(epochs);
  uint64_t debt = 0;
  while (const auto window = ChooseNeighbours(places, options_.segment_bytes)) {
    TimePlace& merged = places[window->from];
    for (size_t i = window->from + 1; i < window->to; ++i) {
      merged.bytes += places[i].bytes;
      JoinExpiry(places[i], &merged);
    }
    debt += merged.bytes;
    merged.segments = 1;
    merged.mergeable = merged.bytes < options_.segment_bytes / kSmallShare;
    places.erase(places.begin() + window->from + 1, places.begin() + window->to);
  }
  return debt;
}

}  // namespace varve
