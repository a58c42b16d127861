#include "db/cache_statistics.h"

#include <cstdarg>
#include <cstdio>
#include <limits>

#include "db/miss_reason.h"
#include "util/human_text.h"

namespace varve {

namespace {

__attribute__((format(printf, 3, 4))) void Line(std::string* text, const char* name,
                                                const char* format, ...) {
  char line[320];
  std::snprintf(line, sizeof(line), "%-12s ", name);
  *text += line;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  *text += line;
  *text += '\n';
}

unsigned long long Number(uint64_t value) { return value; }

void AddFigures(const CacheFigures& figures, std::string* text) {
  if (figures.capacity_bytes == 0) {
    Line(text, "capacity", "none: a database; %s used", BytesText(figures.used_bytes).c_str());
  } else {
    Line(text, "capacity", "%s, %s used (%s)", BytesText(figures.capacity_bytes).c_str(),
         BytesText(figures.used_bytes).c_str(),
         PercentText(static_cast<double>(figures.used_bytes) /
                     static_cast<double>(figures.capacity_bytes))
             .c_str());
  }
  const std::string age =
      figures.segments == 0
          ? ""
          : "; the oldest was written " + DurationText(figures.oldest_segment_age_ms) + " ago";
  Line(text, "segments", "%llu of %s with %llu entries%s", Number(figures.segments),
       BytesText(figures.segment_bytes).c_str(), Number(figures.entries), age.c_str());
  Line(text, "ghosts", "%llu of %s, false positives %.4f %% of the lookups that pass them all",
       Number(figures.ghosts), BytesText(figures.ghost_bytes).c_str(),
       figures.ghost_false_positive_rate * 100);
}

void AddRatio(const char* name, const HitCounts& counts, const HitCounts& longer,
              const std::string& when, std::string* text) {
  Line(text, name, "%s of %llu gets, %s of their bytes%s", PercentText(HitRatio(counts)).c_str(),
       Number(counts.gets()), PercentText(ByteHitRatio(counts, longer)).c_str(), when.c_str());
}

void AddHits(const CacheStatistics::Hits& hits, std::string* text) {
  AddRatio("hits", hits.total, hits.total, "", text);
  AddRatio("hits lately", hits.recent.counts, hits.total,
           ", in the last " + DurationText(hits.recent.nanos / 1'000'000), text);
  std::string minutes;
  for (const HitWindows::Interval& interval : hits.intervals) {
    minutes += (minutes.empty() ? "" : ", ") + PercentText(HitRatio(interval.counts));
  }
  if (!minutes.empty()) {
    Line(text, "", "by the minute, newest first: %s", minutes.c_str());
  }
}

void AddCounts(const Statistics& statistics, std::string* text) {
  const auto count = [&](Counter counter) { return Number(statistics.Get(counter)); };
  Line(text, "misses", "%llu", count(Counter::kGetMisses));
  for (size_t i = 0; i < kMissReasons; ++i) {
    const MissReason reason = static_cast<MissReason>(i);
    const auto n = count(CounterOf(reason));
    if (n == 0) continue;
    Line(text, "", "%-12s %12llu  %s", MissReasonName(reason), n, MissReasonText(reason));
  }
  const struct {
    const char* name;
    Counter segments, entries, bytes;
  } gone[] = {
      {"evicted", Counter::kEvictedSegments, Counter::kEvictedEntries, Counter::kEvictedBytes},
      {"expired", Counter::kExpiredSegments, Counter::kExpiredEntries, Counter::kExpiredBytes},
      {"damaged", Counter::kDamagedSegments, Counter::kDamagedEntries, Counter::kDamagedBytes},
  };
  for (const auto& g : gone) {
    Line(text, g.name, "%llu segments, %llu entries, %s", count(g.segments), count(g.entries),
         BytesText(statistics.Get(g.bytes)).c_str());
  }
  Line(text, "salvaged", "%llu entries, %s", count(Counter::kSalvagedEntries),
       BytesText(statistics.Get(Counter::kSalvagedBytes)).c_str());
  Line(text, "refused", "%llu entries, %s", count(Counter::kRefusedEntries),
       BytesText(statistics.Get(Counter::kRefusedBytes)).c_str());
  Line(text, "ghosts made", "%llu, %llu retired", count(Counter::kGhostsMade),
       count(Counter::kGhostsRetired));
  Line(text, "resets", "%llu", count(Counter::kCacheResets));
  const WriteAmplification amplification = MeasureWriteAmplification(statistics);
  const uint64_t given = statistics.Get(Counter::kWriteBytes);
  if (given == 0) {
    Line(text, "written", "nothing yet");
  } else {
    Line(text, "written", "%s; %.3f times as much to files, %.3f without the log",
         BytesText(given).c_str(), amplification.with_log, amplification.without_log);
  }
}

}  // namespace

WriteAmplification MeasureWriteAmplification(const Statistics& statistics) {
  const uint64_t given = statistics.Get(Counter::kWriteBytes);
  uint64_t written = 0;
  for (const Counter counter :
       {Counter::kFlushBytes, Counter::kCompactionBytesWritten, Counter::kSalvagedBytes,
        Counter::kGhostBytesWritten, Counter::kManifestBytes}) {
    written += statistics.Get(counter);
  }
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  if (given == 0) return {kNothing, kNothing};
  const uint64_t logged = statistics.Get(Counter::kWalBytes);
  const double bytes = static_cast<double>(given);
  return {static_cast<double>(written + logged) / bytes, static_cast<double>(written) / bytes};
}

CacheStatistics::CacheStatistics(const Statistics* statistics, Clock* clock)
    : statistics_(statistics), clock_(clock) {
  Advance();
}

HitCounts CacheStatistics::Counts() const {
  if (statistics_ == nullptr) return {};
  HitCounts counts;
  counts.hits = statistics_->Get(Counter::kGetHits);
  counts.misses = statistics_->Get(Counter::kGetMisses);
  counts.hit_bytes =
      statistics_->Get(Counter::kGetBytes) + statistics_->Get(Counter::kGetHitKeyBytes);
  counts.written_entries = statistics_->Get(Counter::kWriteEntries);
  counts.written_bytes = statistics_->Get(Counter::kWriteBytes);
  return counts;
}

void CacheStatistics::Advance() {
  if (statistics_ == nullptr) return;
  MutexLock lock(&mu_);
  windows_.Advance(clock_->MonotonicNanos(), Counts());
}

CacheStatistics::Hits CacheStatistics::hits() {
  MutexLock lock(&mu_);
  Hits hits;
  hits.total = Counts();
  const uint64_t now = clock_->MonotonicNanos();
  windows_.Advance(now, hits.total);
  hits.recent = windows_.Recent(now, hits.total);
  hits.intervals = windows_.Intervals(now, hits.total);
  return hits;
}

std::string CacheStatistics::Text(const CacheFigures& figures) {
  std::string text;
  AddFigures(figures, &text);
  if (statistics_ == nullptr) {
    return text + "no Options::statistics: nothing is counted\n";
  }
  AddHits(hits(), &text);
  AddCounts(*statistics_, &text);
  return text;
}

}  // namespace varve
