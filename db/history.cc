#include "db/history.h"

#include <algorithm>

namespace varve {

void History::Begin(SequenceNumber published) {
  MutexLock lock(&mu_);
  opened_at_ = published;
  if (samples_.empty()) samples_.push_back({clock_->BootMillis(), published});
}

void History::SetRetention(const HistoryRetention& retention) {
  MutexLock lock(&mu_);
  retention_ = retention;
}

SequenceNumber History::FloorByTime(SequenceNumber published) {
  const uint64_t now = clock_->BootMillis();
  const Sample& last = samples_.back();
  if (now > last.millis && now - last.millis >= retention_.millis / kSamplesMax) {
    samples_.push_back({now, std::max(published, last.published)});
  }
  if (now < retention_.millis) return 0;
  const uint64_t horizon = now - retention_.millis;
  while (samples_.size() > 1 && samples_[1].millis <= horizon) samples_.pop_front();
  return samples_.front().millis <= horizon ? samples_.front().published : 0;
}

SequenceNumber History::Floor(SequenceNumber published) {
  MutexLock lock(&mu_);
  SequenceNumber floor = published;
  if (retention_.sequences != 0) {
    const SequenceNumber since_open = published - std::min(published, opened_at_);
    floor = since_open >= retention_.sequences ? published - retention_.sequences : 0;
  }
  return retention_.millis != 0 ? std::min(floor, FloorByTime(published)) : floor;
}

size_t History::samples() const {
  MutexLock lock(&mu_);
  return samples_.size();
}

}  // namespace varve
