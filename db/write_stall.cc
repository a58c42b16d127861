#include "db/write_stall.h"

#include <algorithm>
#include <cmath>

#include "util/thread.h"

namespace varve {

namespace {

// What a queue is assumed to be drained with before it was measured, and the least that is
// believed, so that no measurement ends all writing.
constexpr double kUnknownRate = 32e6;
constexpr double kRateMin = 1e6;
// At the most pressure this part of the drain is let through.
constexpr double kTrickle = 0.01;

// The estimate of what compactions sustain follows with this time constant. A queue of K bytes that
// is drained with D rests without swinging if it is above K/D; 512 MB at 100 MB/s are 5 s.
constexpr double kSustainedNanos = 20e9;
constexpr double kUnlimitedNanos = 2e9;
// An observation takes at least this long, and is none where writers paused meanwhile.
constexpr uint64_t kObserveNanosMin = 100'000'000;
constexpr uint64_t kObserveNanosMax = 1'000'000'000;
// So many memtables before the last one is full, room is given out ever more slowly, down to so
// many bytes a second: a write of 1 KB then waits 20 ms.
constexpr double kLastMemtables = 1.5;
constexpr double kLastRoomRateMin = 50e3;
// How much of the flushes before is kept in the measurement at each one.
constexpr double kFlushMemory = 0.8;

constexpr uint64_t kUpdateNanos = 5'000'000;
constexpr uint64_t kUpdateBytes = 64 << 10;

// Shorter sleeps are saved up, as each costs some microseconds more than was asked for; longer ones
// are cut, to see when the rate changes. (Of writes of 1 KB that were held back, with 200 and 100
// microseconds in turns: 33,000 and 62,000 slept, p99.9 504 and 358 us.)
constexpr uint64_t kSleepNanosMin = 100'000;
constexpr uint64_t kSleepNanosStep = 1'000'000;
// What time has earned and nobody used is kept for so long.
constexpr double kBurstSeconds = 0.001;
// A single write whose bytes are worth more than this at the rate does not wait longer.
constexpr uint64_t kOwnNanosMax = 1'000'000'000;

double PressureOf(double queued, double slowdown, double stop) {
  if (queued <= slowdown) return 0;
  if (queued >= stop) return 1;
  return (queued - slowdown) / (stop - slowdown);
}

double BelievedDrain(double drain) { return std::max(drain > 0 ? drain : kUnknownRate, kRateMin); }

double RateAt(double pressure, double drain) {
  return BelievedDrain(drain) * std::max((1 - pressure) / pressure, kTrickle);
}

// Of the last room in memory: it would last for seconds where the flush that is to make more of it
// hangs in a slow device, in place of an end within a tenth of one, at which writers must stop.
double LastRoomRateAt(double pressure, double drain) {
  const double room = 1 - pressure;
  return std::max(BelievedDrain(drain) * room * room / pressure, kLastRoomRateMin);
}

}  // namespace

MemtableLimits MemtableLimitsOf(int memtables_max, int flush_memtables_min,
                                int flush_memtables_max) {
  // With a flush always running, the queue without its progress stays what it was when it began,
  // and what memory holds peaks at that plus the flush. It should just not reach the maximum.
  const double due = std::min(flush_memtables_min, memtables_max - 1);
  const double middle = std::max(memtables_max - flush_memtables_max - 0.5, due);
  // What a flush that keeps up leaves behind is no reason to delay.
  const double half = std::max(std::min(0.7 * (middle - due), memtables_max - middle), 0.5);
  return {middle - half, middle + half};
}

StallDecision DecideStall(const StallInputs& in) {
  StallDecision decision;
  const auto consider = [&decision](StallReason reason, double pressure, double drain,
                                    double (*rate_at)(double, double) = RateAt) {
    if (pressure <= 0) return;
    const double unclipped = rate_at(pressure, drain);
    const uint64_t rate = unclipped < 1e18 ? static_cast<uint64_t>(unclipped) : 0;
    const bool stop = pressure >= 1;
    if (decision.state == StallState::kStopped && !stop) return;
    const bool stops_first = stop && decision.state != StallState::kStopped;
    if (decision.state != StallState::kNone && !stops_first && rate >= decision.bytes_per_second) {
      return;
    }
    decision.state = stop ? StallState::kStopped : StallState::kDelayed;
    decision.reason = reason;
    decision.pressure = pressure;
    decision.bytes_per_second = rate;
  };
  const MemtableLimits memtables =
      MemtableLimitsOf(in.memtables_max, in.flush_memtables_min, in.flush_memtables_max);
  consider(StallReason::kMemtables,
           PressureOf(in.memtables_queued, memtables.slowdown, memtables.stop),
           in.flush_bytes_per_second);
  // The progress of a flush is an estimate. Where it is wrong, the last of the room is given out
  // slowly.
  consider(StallReason::kMemtables,
           PressureOf(in.memtables_held, in.memtables_max - kLastMemtables, in.memtables_max),
           in.flush_bytes_per_second, LastRoomRateAt);
  if (in.level0_stop_runs > 0) {
    consider(StallReason::kLevel0Runs,
             PressureOf(in.level0_runs, in.level0_slowdown_runs, in.level0_stop_runs),
             in.compaction_bytes_per_second);
  }
  if (in.debt_stop_bytes > 0) {
    consider(StallReason::kCompactionDebt,
             PressureOf(in.debt_bytes, in.debt_slowdown_bytes, in.debt_stop_bytes),
             in.compaction_bytes_per_second);
  }
  return decision;
}

void TokenBucket::Refill(uint64_t bytes_per_second, uint64_t now_nanos) {
  if (now_nanos <= refilled_nanos_) return;
  const auto rate = static_cast<double>(bytes_per_second);
  const double seconds = static_cast<double>(now_nanos - refilled_nanos_) / 1e9;
  balance_ = std::min(balance_ + rate * seconds, rate * kBurstSeconds);
  refilled_nanos_ = now_nanos;
}

uint64_t TokenBucket::NanosOwed(uint64_t bytes_per_second) const {
  if (balance_ >= 0) return 0;
  return static_cast<uint64_t>(-balance_ / static_cast<double>(bytes_per_second) * 1e9);
}

uint64_t TokenBucket::Charge(uint64_t bytes, uint64_t bytes_per_second, uint64_t now_nanos) {
  Refill(bytes_per_second, now_nanos);
  balance_ -= static_cast<double>(bytes);
  return NanosOwed(bytes_per_second);
}

void WriteStall::FlushBegan(size_t memtables, uint64_t bytes) {
  running_memtables_ = memtables;
  running_bytes_ = bytes;
  running_since_ = clock_->MonotonicNanos();
}

void WriteStall::FlushEnded(bool ok) {
  const uint64_t nanos = clock_->MonotonicNanos() - running_since_;
  if (ok && nanos > 0) {
    flush_bytes_ = kFlushMemory * flush_bytes_ + static_cast<double>(running_bytes_);
    flush_seconds_ = kFlushMemory * flush_seconds_ + static_cast<double>(nanos) / 1e9;
  }
  running_memtables_ = 0;
  running_bytes_ = 0;
}

double WriteStall::FlushedOfRunning(uint64_t now) const {
  if (running_memtables_ == 0 || running_bytes_ == 0) return 0;
  const double seconds = static_cast<double>(now - running_since_) / 1e9;
  const double part = seconds * FlushRate() / static_cast<double>(running_bytes_);
  return static_cast<double>(running_memtables_) * std::min(part, 1.0);
}

void WriteStall::ObserveSustained(uint64_t now) {
  const uint64_t nanos = now - observed_nanos_;
  if (nanos < kObserveNanosMin) return;
  const uint64_t bytes = admitted_.load(std::memory_order_relaxed);
  const uint64_t slept = slept_nanos_.load(std::memory_order_relaxed);
  if (nanos <= kObserveNanosMax) {
    const double rate =
        static_cast<double>(bytes - observed_bytes_) / (static_cast<double>(nanos) / 1e9);
    const bool by_compaction = state() != StallState::kNone && reason() != StallReason::kMemtables;
    const auto follow = [&](double* value, double time_constant) {
      if (*value == 0) *value = rate;
      *value += (rate - *value) * (1 - std::exp(-static_cast<double>(nanos) / time_constant));
    };
    if (!by_compaction) {
      follow(&unlimited_, kUnlimitedNanos);
    } else if (slept > observed_slept_) {
      if (sustained_ == 0) sustained_ = unlimited_;
      follow(&sustained_, kSustainedNanos);
      sustained_ = std::max(sustained_, kRateMin);
    }
  }
  observed_nanos_ = now;
  observed_bytes_ = bytes;
  observed_slept_ = slept;
}

bool WriteStall::Update(StallInputs inputs, StallInfo* change) {
  const uint64_t now = clock_->MonotonicNanos();
  ObserveSustained(now);
  inputs.memtables_held = inputs.memtables_queued;
  inputs.memtables_queued -= FlushedOfRunning(now);
  inputs.flush_bytes_per_second = FlushRate();
  inputs.compaction_bytes_per_second = sustained_ > 0 ? sustained_ : unlimited_;
  const StallDecision decision = DecideStall(inputs);
  const MemtableLimits memtables = MemtableLimitsOf(
      inputs.memtables_max, inputs.flush_memtables_min, inputs.flush_memtables_max);
  // Before the next memtable is switched, which is an event, one may be added.
  watched_.store(decision.state != StallState::kNone ||
                     inputs.memtables_queued + 1 > memtables.slowdown ||
                     inputs.memtables_held + 1 > inputs.memtables_max - kLastMemtables,
                 std::memory_order_relaxed);
  updated_nanos_.store(now, std::memory_order_relaxed);
  updated_bytes_.store(admitted_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  change->before = state();
  change->now = decision.state;
  change->reason = decision.reason;
  change->bytes_per_second = decision.bytes_per_second;
  rate_.store(decision.bytes_per_second, std::memory_order_relaxed);
  reason_.store(decision.reason, std::memory_order_relaxed);
  state_.store(decision.state, std::memory_order_relaxed);
  return change->before != change->now;
}

bool WriteStall::UpdateIsDue() {
  const uint64_t bytes =
      admitted_.load(std::memory_order_relaxed) - updated_bytes_.load(std::memory_order_relaxed);
  if (bytes >= kUpdateBytes) return true;
  if (bytes_per_second() == 0) return false;  // spares the clock
  return clock_->MonotonicNanos() - updated_nanos_.load(std::memory_order_relaxed) >= kUpdateNanos;
}

uint64_t WriteStall::Admit(uint64_t bytes) {
  Count(bytes);
  uint64_t rate = bytes_per_second();
  if (rate == 0) return 0;
  const uint64_t begin = clock_->MonotonicNanos();
  uint64_t wait = bucket_.Charge(bytes, rate, begin);
  if (wait < kSleepNanosMin) return 0;
  const uint64_t own =
      static_cast<uint64_t>(static_cast<double>(bytes) / static_cast<double>(rate) * 1e9);
  const uint64_t wait_max = std::clamp(own, kDelayNanosMax, kOwnNanosMax);
  uint64_t slept = 0;
  uint64_t now = begin;
  while (wait > 0 && slept < wait_max) {
    const uint64_t step = std::min({wait, wait_max - slept, kSleepNanosStep});
    SleepFor(step);
    slept += step;
    // A clock that stands still must not make it endless.
    now = std::max(clock_->MonotonicNanos(), begin + slept);
    slept = now - begin;
    rate = bytes_per_second();
    if (rate == 0) break;
    bucket_.Refill(rate, now);
    wait = bucket_.NanosOwed(rate);
  }
  // What the longest sleep did not pay for is forgiven: those behind owe enough of their own.
  if (wait > 0) bucket_.Reset(now);
  CountSleep(slept);
  return slept;
}

}  // namespace varve
