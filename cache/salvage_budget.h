#ifndef VARVE_CACHE_SALVAGE_BUDGET_H_
#define VARVE_CACHE_SALVAGE_BUDGET_H_

#include <algorithm>
#include <cstdint>
#include <map>

// How much of what is evicted may be written anew, and what of it is worth that. Pure: whoever
// evicts tells what happens.

namespace varve {

// Bytes saved never pass bytes filled by more than `burst_bytes`: every byte that comes in allows
// kSavedPerFilled bytes to be saved. So evicting ends, even where everything was hit (Checklist
// E3), and a byte filled costs at most its own segment and kSavedPerFilled more. Not thread-safe.
class SalvageBudget {
 public:
  static constexpr double kSavedPerFilled = 1;

  explicit SalvageBudget(uint64_t burst_bytes) : burst_bytes_(burst_bytes), left_(burst_bytes) {}

  void Filled(uint64_t bytes) {
    left_ = std::min(left_ + kSavedPerFilled * static_cast<double>(bytes),
                     static_cast<double>(burst_bytes_));
  }
  void Saved(uint64_t bytes) { left_ = std::max(0.0, left_ - static_cast<double>(bytes)); }
  uint64_t left_bytes() const { return static_cast<uint64_t>(left_); }

 private:
  const uint64_t burst_bytes_;
  double left_;
};

// When epochs were the newest, as far as it was told: how long what a segment holds was there to be
// hit. Not thread-safe.
class EpochAges {
 public:
  // `epoch` is the newest there is.
  void Note(uint64_t epoch, uint64_t now_ms) { since_.try_emplace(epoch, now_ms); }
  // How long ago it was the newest, at the least; 0 if that is not known.
  uint64_t AgeOf(uint64_t epoch, uint64_t now_ms) const {
    const auto noted = since_.lower_bound(epoch);
    return noted == since_.end() || noted->second > now_ms ? 0 : now_ms - noted->second;
  }
  // Nobody asks about lower ones any more.
  void ForgetBelow(uint64_t epoch) { since_.erase(since_.begin(), since_.lower_bound(epoch)); }
  size_t size() const { return since_.size(); }

 private:
  std::map<uint64_t, uint64_t> since_;
};

// Whether an entry will live long enough to be worth saving (Checklist E6), hit once or more in the
// time it was there: half that time again. By then the odds that it was hit once more are 1 -
// e^(-1/2), 0.39, and what a hit spares is two writes of its bytes, a log's and a segment's: about
// the one write that saving it costs.
inline bool WorthSaving(uint64_t expires_at_ms, uint64_t now_ms, uint64_t age_ms) {
  constexpr uint64_t kLeftMin = 1000;
  return expires_at_ms > now_ms && expires_at_ms - now_ms >= std::max(kLeftMin, age_ms / 2);
}

}  // namespace varve

#endif  // VARVE_CACHE_SALVAGE_BUDGET_H_
