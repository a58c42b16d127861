// What a cache's owner looks at: the properties cache-stats and prometheus, and what they are made
// of.

#include <algorithm>
#include <cmath>

#include "db/db_impl.h"
#include "db/prometheus.h"
#include "db/why.h"

namespace varve {

uint64_t DBImpl::OldestSegmentAgeMillis() {
  EpochGuard inside(&reads_->epochs());
  const ReadView& view = *reads_->views().Borrow();
  // Numbers are given out in the order in which segments are begun.
  std::shared_ptr<SegmentFile> oldest;
  view.version->ForEachSegment([&](const std::shared_ptr<SegmentFile>& file) {
    if (oldest == nullptr || file->number() < oldest->number()) oldest = file;
  });
  SegmentReader* reader;
  if (oldest == nullptr || !reads_->segments().Get(oldest, &reader).ok()) return 0;
  const uint64_t now = options_.env.clock->WallMillis();
  return now - std::min(now, reader->properties().created_ms);
}

CacheFigures DBImpl::Figures() {
  CacheFigures figures;
  const std::shared_ptr<const ReadView> view = reads_->views().Share();
  figures.capacity_bytes = options_.capacity_bytes;
  figures.used_bytes = DirectoryBytes();
  figures.segments = view->version->segments();
  figures.segment_bytes = view->version->file_bytes();
  figures.entries = view->version->entries() + view->memtable->entries();
  for (const auto& memtable : view->immutables) figures.entries += memtable->entries();
  figures.oldest_segment_age_ms = OldestSegmentAgeMillis();
  figures.ghosts = view->version->ghosts().size();
  figures.ghost_bytes = view->version->ghost_file_bytes();
  figures.ghost_false_positive_rate = view->version->ghost_false_positive_rate();
  return figures;
}

uint64_t DBImpl::HitPercent(bool recent, bool bytes) {
  const CacheStatistics::Hits hits = cache_statistics_.hits();
  const HitCounts& counts = recent ? hits.recent.counts : hits.total;
  const double ratio = bytes ? ByteHitRatio(counts, hits.total) : HitRatio(counts);
  return std::isnan(ratio) ? 0 : static_cast<uint64_t>(std::lround(ratio * 100));
}

std::string DBImpl::CacheStatsText() { return cache_statistics_.Text(Figures()); }

std::string DBImpl::PrometheusMetrics() {
  PrometheusText metrics(path_);
  VisitIntProperties([&](Slice name, const IntProperty& get) {
    metrics.AddGauge(name, "the property varve." + std::string(name), get());
    return true;
  });
  metrics.AddGauge("ghost_false_positive_rate",
                   "how often keys that are there are hidden by chance, summed over the ghosts",
                   reads_->views().Share()->version->ghost_false_positive_rate());
  if (options_.statistics != nullptr) {
    const CacheStatistics::Hits hits = cache_statistics_.hits();
    metrics.AddGauge("hit_ratio", "part of the gets that found a value, since the counters began",
                     HitRatio(hits.total));
    metrics.AddGauge("byte_hit_ratio", "the same of the bytes that gets asked for",
                     ByteHitRatio(hits.total, hits.total));
    metrics.AddGauge("recent_hit_ratio",
                     "part of the gets that found a value, in about ten minutes",
                     HitRatio(hits.recent.counts));
    metrics.AddGauge("recent_byte_hit_ratio", "the same of the bytes that gets asked for",
                     ByteHitRatio(hits.recent.counts, hits.total));
    const WriteAmplification amplification = MeasureWriteAmplification(*options_.statistics);
    metrics.AddGauge("write_amplification", "bytes written to files, logs included, for each given",
                     amplification.with_log);
    metrics.AddGauge("write_amplification_without_log",
                     "bytes written to files other than logs, for each given",
                     amplification.without_log);
    metrics.AddStatistics(*options_.statistics);
  }
  return metrics.text();
}

std::string DBImpl::WhyText(Slice key) {
  const uint64_t now_ms = reads_->time().NowMillis();  // may wait for I/O
  EpochGuard inside(&reads_->epochs());
  const ReadView& view = *reads_->views().Borrow();
  WhyTools tools;
  tools.comparator = reads_->comparator();
  tools.segments = &reads_->segments();
  tools.sequence = reads_->published();  // after the view: db/read_path.h
  tools.now_ms = now_ms;
  tools.cache = options_.cache();
  return Why(tools, view, key);
}

}  // namespace varve
