#include "db/hit_windows.h"

#include <limits>

namespace varve {

namespace {

double Ratio(double part, double rest) {
  if (part + rest <= 0) return std::numeric_limits<double>::quiet_NaN();
  return part / (part + rest);
}

double Mean(uint64_t bytes, uint64_t entries) {
  return static_cast<double>(bytes) / static_cast<double>(entries);
}

}  // namespace

bool HitCounts::IsBehind(const HitCounts& other) const {
  return hits < other.hits || misses < other.misses || hit_bytes < other.hit_bytes ||
         written_entries < other.written_entries || written_bytes < other.written_bytes;
}

HitCounts HitCounts::Since(const HitCounts& before) const {
  if (IsBehind(before)) return {};
  return {hits - before.hits, misses - before.misses, hit_bytes - before.hit_bytes,
          written_entries - before.written_entries, written_bytes - before.written_bytes};
}

double HitRatio(const HitCounts& counts) {
  return Ratio(static_cast<double>(counts.hits), static_cast<double>(counts.misses));
}

double ByteHitRatio(const HitCounts& counts, const HitCounts& longer) {
  double bytes_of_a_miss = 0;
  if (counts.written_entries != 0) {
    bytes_of_a_miss = Mean(counts.written_bytes, counts.written_entries);
  } else if (longer.written_entries != 0) {
    bytes_of_a_miss = Mean(longer.written_bytes, longer.written_entries);
  } else if (counts.hits != 0) {
    bytes_of_a_miss = Mean(counts.hit_bytes, counts.hits);
  } else {
    return HitRatio(counts);
  }
  return Ratio(static_cast<double>(counts.hit_bytes),
               static_cast<double>(counts.misses) * bytes_of_a_miss);
}

void HitWindows::Advance(uint64_t now_nanos, const HitCounts& counts) {
  if (!samples_.empty() && counts.IsBehind(samples_.back().counts)) samples_.clear();
  if (samples_.empty() || now_nanos - samples_.back().at_nanos >= kIntervalNanos) {
    samples_.push_back({now_nanos, counts});
  }
  while (samples_.size() > 1 && now_nanos - samples_[1].at_nanos >= kIntervals * kIntervalNanos) {
    samples_.pop_front();
  }
}

std::vector<HitWindows::Interval> HitWindows::Intervals(uint64_t now_nanos,
                                                        const HitCounts& counts) const {
  std::vector<Interval> intervals;
  Sample end = {now_nanos, counts};
  for (auto begin = samples_.rbegin(); begin != samples_.rend(); ++begin) {
    if (end.at_nanos != begin->at_nanos) {
      intervals.push_back({end.at_nanos - begin->at_nanos, end.counts.Since(begin->counts)});
    }
    end = *begin;
  }
  return intervals;
}

HitWindows::Interval HitWindows::Recent(uint64_t now_nanos, const HitCounts& counts) const {
  if (samples_.empty()) return {};
  const Sample& first = samples_.front();
  return {now_nanos - first.at_nanos, counts.Since(first.counts)};
}

}  // namespace varve
