#include "db/history.h"

#include <algorithm>

namespace varve {

void History::Begin(SequenceNumber published) {
  MutexLock lock(&mu_);
  opened_at_ = published;
  if (samples_.empty()) samples_.push_back({clock_->BootMillis(), published});
}

void History::Skip(SequenceNumber below, SequenceNumber above) {
  MutexLock lock(&mu_);
  if (retention_.sequences != 0) {
    gaps_.push_back({below, above});
  } else {  // where one is asked for later, it counts from here
    gaps_.clear();
    opened_at_ = above;
  }
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

SequenceNumber History::FloorBySequences(SequenceNumber published) {
  SequenceNumber at = published;
  uint64_t left = retention_.sequences;  // still to go back
  for (auto gap = gaps_.rbegin(); gap != gaps_.rend(); ++gap) {
    if (gap->above > at) continue;  // `published` is from before it
    const uint64_t behind = at - gap->above;
    if (behind >= left) break;
    left -= behind + 1;
    at = gap->below;
  }
  if (at - std::min(at, opened_at_) < left) return 0;
  const SequenceNumber floor = at - left;
  while (!gaps_.empty() && gaps_.front().above <= floor) {
    opened_at_ = std::max(opened_at_, gaps_.front().above);  // a longer retention counts from there
    gaps_.pop_front();
  }
  return floor;
}

SequenceNumber History::Floor(SequenceNumber published) {
  MutexLock lock(&mu_);
  const SequenceNumber floor = retention_.sequences != 0 ? FloorBySequences(published) : published;
  return retention_.millis != 0 ? std::min(floor, FloorByTime(published)) : floor;
}

size_t History::samples() const {
  MutexLock lock(&mu_);
  return samples_.size();
}

}  // namespace varve
