#include "tools/crash/cache_oracle.h"

#include <algorithm>

#include "util/hash.h"

namespace varve::crash {
namespace {

std::string TimeText(const CacheTime& time) {
  if (time.low == CacheOracle::kNever) return "";
  return ", expires at " + std::to_string(time.low) +
         (time.high == time.low ? "" : " to " + std::to_string(time.high));
}

}  // namespace

uint64_t HashOfValue(Slice value) { return Hash64(value) | 1; }

CacheOracle::CacheOracle(int keys, const Mode& mode)
    : mode_(mode), versions_(static_cast<size_t>(keys)), batches_(1) {}

CacheOracle::CacheOracle(std::shared_ptr<const CacheOracle> before, uint64_t position, bool kill,
                         const Mode& mode)
    : CacheOracle(before->keys(), mode) {
  opened_at_ = kNever;
  if (before->unreadable_from_ <= position) unreadable_from_ = 0;
  if (before->IsOpen(position)) {
    before_ = std::move(before);
    before_position_ = position;
    before_kill_ = kill;
  } else {
    // That one never came to know what it found: the one before it counts.
    before_ = before->before_;
    before_position_ = before->before_position_;
    before_kill_ = before->before_kill_ && kill;
    unsynced_before_ = before->unsynced_before_ || !before->mode_.all_synced;
    if (before->failed_at_ <= position) failed_at_ = 0;
    for (LoggedEviction eviction : before->evictions_) {
      if (eviction.position > position) continue;
      eviction.position = 0;
      evictions_.push_back(eviction);
    }
  }
  told_.emplace_back(0, before_->TimeAt(before_position_));
}

uint32_t CacheOracle::Begin(const std::vector<Op>& ops, uint64_t first_sequence, uint64_t sequences,
                            bool logged, uint64_t position) {
  Batch batch;
  batch.number = batches_.back().number + 1;
  batch.logged = logged;
  batch.invoked_at = position;
  batch.last_sequence = first_sequence + sequences - 1;
  for (const Op& op : ops) {
    std::vector<Version>& versions = versions_[static_cast<size_t>(op.key)];
    if (!versions.empty() && versions.back().batch == batch.number) versions.pop_back();
    Version version;
    version.batch = batch.number;
    version.sequence = first_sequence + op.place;
    version.value = op.value.empty() ? 0 : HashOfValue(op.value);
    version.expires = op.expires;
    versions.push_back(version);
  }
  if (!logged) {
    if (unlogged_.empty() || unlogged_.back().second != kNever) {
      unlogged_.emplace_back(position, kNever);
    }
    last_unlogged_ = batch.number;
  }
  batches_.push_back(batch);
  return batch.number;
}

void CacheOracle::Acknowledge(uint32_t number, bool durable, uint64_t position) {
  Batch& batch = batches_.back();
  batch.acknowledged_at = position;
  if (durable) batch.durable_at = position;
  last_acknowledged_ = number;
}

void CacheOracle::AllDurable(uint32_t number, bool flushed, uint64_t position) {
  for (auto batch = batches_.rbegin(); batch != batches_.rend(); ++batch) {
    if (batch->number != number) continue;
    batch->durable_at = std::min(batch->durable_at, position);
    break;
  }
  if (flushed && !unlogged_.empty() && unlogged_.back().second == kNever &&
      last_unlogged_ <= number) {
    unlogged_.back().second = position;
  }
}

uint64_t CacheOracle::TimeAt(uint64_t position) const {
  uint64_t ms = 0;
  for (const auto& [at, told] : told_) {
    if (at <= position) ms = std::max(ms, told);
  }
  return ms;
}

uint64_t CacheOracle::HighestSequence(uint64_t position) const {
  if (!IsOpen(position)) return before_->HighestSequence(before_position_);
  uint64_t highest = 0;
  for (const Batch& batch : batches_) {
    if (batch.acknowledged_at <= position) highest = std::max(highest, batch.last_sequence);
  }
  return highest;
}

CacheOracle::Bounds CacheOracle::At(uint64_t position, bool kill) const {
  Bounds bounds;
  // What a failed sync left in the cache alone a machine that goes on may have lost too.
  const bool durable_alone =
      (!kill && mode_.keeps_prefix) || (failed_at_ <= position && !mode_.all_synced);
  for (const Batch& batch : batches_) {
    if (batch.invoked_at <= position) bounds.high = batch.number;
    const uint64_t safe_at = durable_alone ? batch.durable_at : batch.acknowledged_at;
    if (safe_at <= position) bounds.low = batch.number;
  }
  return bounds;
}

bool CacheOracle::MayReset(uint64_t position, bool kill) const {
  const bool power_loss = !kill && !mode_.keeps_prefix;
  if (failed_at_ <= position) return true;
  if (!IsOpen(position)) {
    return before_->MayReset(before_position_, before_kill_ && kill) ||
           (power_loss && (!mode_.all_synced || unsynced_before_));
  }
  if (power_loss && !mode_.all_synced) return true;
  return std::any_of(unlogged_.begin(), unlogged_.end(), [position](const auto& span) {
    return span.first <= position && position < span.second;
  });
}

const CacheOracle::Version* CacheOracle::Newest(int key, uint32_t view) const {
  const std::vector<Version>& versions = versions_[static_cast<size_t>(key)];
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->batch <= view) return &*version;
  }
  return nullptr;
}

const CacheOracle::Version* CacheOracle::Find(int key, uint64_t value) const {
  for (const CacheOracle* oracle = this; oracle != nullptr; oracle = oracle->before_.get()) {
    for (const Version& version : oracle->versions_[static_cast<size_t>(key)]) {
      if (version.value == value) return &version;
    }
  }
  return nullptr;
}

bool CacheOracle::Covers(const LoggedEviction& eviction, int key, const Version& version) const {
  if ((eviction.keys >> key & 1) == 0) return false;
  if (version.sequence <= eviction.largest_sequence) {
    return eviction.number != 0 || version.sequence >= eviction.smallest_sequence;
  }
  if (!eviction.leaves_ghost || version.sequence > eviction.sequence_then) return false;
  const std::vector<Version>& versions = versions_[static_cast<size_t>(key)];
  return std::none_of(versions.begin(), versions.end(), [&eviction](const Version& other) {
    return other.sequence >= eviction.smallest_sequence &&
           other.sequence <= eviction.largest_sequence;
  });
}

bool CacheOracle::Covered(int key, const Version& version, const Reading& reading) const {
  const auto covers = [&](const LoggedEviction& eviction) {
    return Covers(eviction, key, version);
  };
  for (const LoggedEviction& eviction : evictions_) {
    if (eviction.position <= reading.position && covers(eviction)) return true;
  }
  return reading.evictions != nullptr &&
         std::any_of(reading.evictions->begin(), reading.evictions->end(), covers);
}

bool CacheOracle::MayGo(int key, uint64_t value, const Reading& reading) const {
  const Version* const version = Find(key, value);
  if (version == nullptr) return false;
  if (version->expires.low <= reading.now.high) return true;
  return reading.evictions != nullptr &&
         std::any_of(
             reading.evictions->begin(), reading.evictions->end(),
             [&](const LoggedEviction& eviction) { return Covers(eviction, key, *version); });
}

bool CacheOracle::MayHold(int key, uint32_t view, uint64_t value, uint64_t time_low) const {
  if (key < 0 || key >= keys()) return false;
  if (opened_at_ == kNever) return before_->MayHold(key, view, value, time_low);
  const Version* const version = Newest(key, view);
  return version != nullptr && version->value == value && version->expires.high > time_low;
}

std::string CacheOracle::JudgeKey(int key, uint32_t view, const Reading& reading,
                                  uint64_t found) const {
  const Version* const version = Newest(key, view);
  const bool value = version != nullptr && version->value != 0;
  const std::string name = "key " + std::to_string(key);
  if (found != 0) {
    if (value && version->value == found) {
      if (version->lost_at <= reading.position)
        return "RESURRECTED: " + name + ", which an open had not found";
      if (version->expires.high <= reading.now.low) {
        return "EXPIRED: " + name + " shows at " + std::to_string(reading.now.low);
      }
      return "";
    }
    const Version* const other = Find(key, found);
    if (other == nullptr) return "FOREIGN: " + name + " has a value that nobody wrote";
    return (value ? "STALE: " : "RESURRECTED: ") + name + " shows what batch " +
           std::to_string(other->batch) + " wrote";
  }
  if (!value || version->lost_at <= reading.position || version->expires.low <= reading.now.high ||
      reading.decayed || reading.unreadable || reading.was_unreadable ||
      unreadable_from_ <= reading.position || Covered(key, *version, reading)) {
    return "";
  }
  return "LOST: " + name + ", and no eviction covers it";
}

std::string CacheOracle::JudgeAll(uint32_t view, const Reading& reading,
                                  const CacheContents& found) const {
  for (int key = 0; key < keys(); ++key) {
    std::string wrong = JudgeKey(key, view, reading, found[static_cast<size_t>(key)]);
    if (!wrong.empty())
      return wrong + ", after batch " + std::to_string(view) + "\n" + Describe(key);
  }
  return "";
}

std::string CacheOracle::FindView(const Reading& reading, const CacheContents& found,
                                  uint32_t* view, bool* several) const {
  if (!IsOpen(reading.position)) {
    Reading then = reading;
    std::vector<LoggedEviction> evictions;
    for (const LoggedEviction& eviction : evictions_) {
      if (eviction.position <= reading.position) evictions.push_back(eviction);
    }
    if (reading.evictions != nullptr) {
      evictions.insert(evictions.end(), reading.evictions->begin(), reading.evictions->end());
    }
    then.evictions = &evictions;
    then.position = before_position_;
    then.kill = reading.kill && before_kill_;
    then.unreadable = reading.unreadable || unreadable_from_ <= reading.position;
    return before_->FindView(then, found, view, several);
  }
  Bounds bounds = At(reading.position, reading.kill);
  if (reading.decayed) bounds.low = 0;
  std::string first_wrong;
  bool fits = false;
  for (auto batch = batches_.rbegin(); batch != batches_.rend(); ++batch) {
    if (batch->number > bounds.high) continue;
    if (batch->number < bounds.low) break;
    const std::string wrong = JudgeAll(batch->number, reading, found);
    if (!wrong.empty()) {
      if (first_wrong.empty()) first_wrong = wrong;
      continue;
    }
    if (fits) {
      *several = true;
      return "";
    }
    fits = true;
    *view = batch->number;
    if (several == nullptr) return "";
  }
  if (fits) return "";
  return "no legal prefix within " + std::to_string(bounds.low) + " to " +
         std::to_string(bounds.high) + ": " + first_wrong;
}

std::string CacheOracle::Judge(const Reading& reading, const CacheContents& found) const {
  if (WasReset(reading)) {
    if (!reading.decayed && !reading.may_be_reset && !MayReset(reading.position, reading.kill)) {
      return "RESET, and everything acknowledged should be there";
    }
    for (int key = 0; key < keys(); ++key) {
      if (found[static_cast<size_t>(key)] != 0) {
        return "RESURRECTED: key " + std::to_string(key) + ", after a reset\n" + Describe(key);
      }
    }
    return "";
  }
  uint32_t view = 0;
  return FindView(reading, found, &view);
}

void CacheOracle::TakeOver(uint32_t view) {
  batches_.assign(1, Batch());
  for (const Batch& batch : before_->batches_) {
    if (batch.number == 0 || batch.number > view) continue;
    batches_.push_back(batch);
    batches_.back().invoked_at = batches_.back().acknowledged_at = batches_.back().durable_at = 0;
  }
  // So that the numbers of batches that were cut off are not used again.
  if (const uint32_t last = before_->batches_.back().number; last > view) {
    Batch none;
    none.number = last;
    none.invoked_at = none.acknowledged_at = none.durable_at = 0;
    batches_.push_back(none);
  }
  last_acknowledged_ = batches_.back().number;
  for (size_t key = 0; key < versions_.size(); ++key) {
    versions_[key] = before_->versions_[key];
    std::erase_if(versions_[key], [view](const Version& v) { return v.batch > view; });
    for (Version& version : versions_[key]) {
      version.lost_at = version.lost_at <= before_position_ ? 0 : kNever;
    }
  }
  for (LoggedEviction eviction : before_->evictions_) {
    if (eviction.position > before_position_) continue;
    eviction.position = 0;
    evictions_.insert(evictions_.begin(), eviction);
  }
}

bool CacheOracle::ViewIsCertain(const Reading& reading, const CacheContents& found) const {
  if (IsOpen(reading.position) || WasReset(reading)) return true;
  uint32_t view = 0;
  bool several = false;
  (void)FindView(reading, found, &view, &several);
  return !several;
}

std::string CacheOracle::Opened(uint64_t begun_at, const Reading& reading,
                                const CacheContents& found, const std::set<uint64_t>& segments) {
  uint32_t view = batches_.back().number;
  if (std::string wrong = Judge(reading, found); !wrong.empty()) return wrong;
  const bool reset = WasReset(reading);
  std::vector<LoggedEviction> of_open;
  for (const LoggedEviction& eviction : evictions_) {
    if (eviction.position >= begun_at && begun_at > 0) of_open.push_back(eviction);
  }
  if (!IsOpen(reading.position)) {
    if (reset) {
      view = before_->At(before_position_, false).high;
    } else {
      (void)FindView(reading, found, &view);
    }
    of_open = evictions_;
    TakeOver(view);
    opened_at_ = reading.position;
  }
  for (int key = 0; key < keys(); ++key) {
    std::vector<Version>& versions = versions_[static_cast<size_t>(key)];
    if (versions.empty() || found[static_cast<size_t>(key)] != 0) continue;
    Version& newest = versions.back();
    const bool by_this_open =
        std::any_of(of_open.begin(), of_open.end(),
                    [&](const LoggedEviction& eviction) { return Covers(eviction, key, newest); });
    // What could not be read may be there the next time.
    if (reset || (!by_this_open && !reading.unreadable))
      newest.lost_at = std::min(newest.lost_at, reading.position);
  }
  resets_ = reading.resets;
  if (!reset) {
    std::erase_if(evictions_, [&](const LoggedEviction& eviction) {
      return eviction.number != 0 && eviction.position < begun_at &&
             segments.count(eviction.number) != 0;
    });
  }
  return "";
}

std::string CacheOracle::Describe(int key) const {
  std::string text = "  key " + std::to_string(key) + ":";
  for (const Version& version : versions_[static_cast<size_t>(key)]) {
    text += "\n    batch " + std::to_string(version.batch) + ", sequence " +
            std::to_string(version.sequence) + (version.value == 0 ? ", deleted" : "") +
            (version.lost_at != kNever ? ", lost at " + std::to_string(version.lost_at) : "") +
            TimeText(version.expires);
  }
  for (const LoggedEviction& eviction : evictions_) {
    if ((eviction.keys >> key & 1) == 0) continue;
    text += "\n    evicted at " + std::to_string(eviction.position) + " with segment " +
            std::to_string(eviction.number) + ", sequences " +
            std::to_string(eviction.smallest_sequence) + " to " +
            std::to_string(eviction.largest_sequence) +
            (eviction.leaves_ghost ? ", leaving a ghost" : "");
  }
  return text + "\n";
}

}  // namespace varve::crash
