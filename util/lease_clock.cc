#include "util/lease_clock.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "util/scheduler.h"

namespace varve {

namespace {

constexpr int64_t kNotRefused = std::numeric_limits<int64_t>::min();
constexpr int64_t kLease = static_cast<int64_t>(LeaseClock::kLeaseMillis);
// Later times are taken for this one (a mark comes from a disk), so that no sum wraps: the year
// 36,000,000 or so.
constexpr uint64_t kMillisMax = uint64_t{1} << 60;

int64_t Bounded(uint64_t millis) { return static_cast<int64_t>(std::min(millis, kMillisMax)); }

}  // namespace

LeaseClock::LeaseClock(Options options)
    : options_(std::move(options)),
      jump_max_(Bounded(options_.jump_max_ms)),
      mark_(std::min(options_.mark_ms, kMillisMax)),
      refused_wall_(kNotRefused) {
  opened_at_boot_ = Bounded(options_.clock->BootMillis());
  const int64_t wall = Bounded(options_.clock->WallMillis());
  int64_t begin = wall;
  if (options_.mark_ms != 0) {
    begin = Bounded(options_.mark_ms);
    const int64_t ahead = wall - begin;
    if (ahead > jump_max_ && ahead <= Bounded(options_.away_max_ms)) {
      begin = wall;
      away_ = static_cast<uint64_t>(ahead);
      if (options_.doubt_ms != 0) {
        held_back_.store(away_, std::memory_order_relaxed);
        mark_.store(static_cast<uint64_t>(wall), std::memory_order_release);
      }
    }
  }
  offset_.store(begin - opened_at_boot_, std::memory_order_relaxed);
}

LeaseClock::Reading LeaseClock::Read() const {
  Reading reading;
  // The offset last: it may have risen since the clocks were read, never fallen.
  reading.boot = Bounded(options_.clock->BootMillis());
  reading.wall = Bounded(options_.clock->WallMillis());
  SchedulePoint();
  reading.now = reading.boot + offset_.load(std::memory_order_relaxed);
  return reading;
}

bool LeaseClock::WallIsQuiet(const Reading& reading) const {
  const int64_t refused = refused_wall_.load(std::memory_order_relaxed);
  const int64_t ahead = reading.wall - reading.now;
  if (refused == kNotRefused) return ahead <= 0;
  // Still where it was refused, give or take what is no jump of its own.
  return ahead > jump_max_ && reading.wall - reading.boot <= refused + jump_max_;
}

uint64_t LeaseClock::NowMillis() {
  const Reading reading = Read();
  const auto mark = static_cast<int64_t>(mark_.load(std::memory_order_acquire));
  if (reading.now + kLease / 2 <= mark && WallIsQuiet(reading)) [[likely]] {
    return static_cast<uint64_t>(reading.now);
  }
  std::optional<RefusedJump> refused;
  const uint64_t now = NowSlowly(&refused);
  if (refused && options_.on_jump_refused) options_.on_jump_refused(*refused);
  return now;
}

uint64_t LeaseClock::DropMillis() {
  // What is held back goes first: if it ends in between, the time is behind, not ahead.
  const uint64_t held_back = held_back_.load(std::memory_order_acquire);
  const uint64_t now = NowMillis();
  return now - std::min(now, held_back);
}

uint64_t LeaseClock::EstimateMillis() const {
  const Reading reading = Read();
  const bool follows = reading.wall > reading.now && reading.wall - reading.now <= jump_max_;
  return static_cast<uint64_t>(std::max<int64_t>(follows ? reading.wall : reading.now, 0));
}

bool LeaseClock::DoubtIsOver(const Reading& reading) const {
  return held_back_.load(std::memory_order_relaxed) != 0 &&
         reading.boot - opened_at_boot_ >= Bounded(options_.doubt_ms) &&
         reading.wall >= reading.now - jump_max_;
}

void LeaseClock::FollowWall(Reading* reading, std::optional<RefusedJump>* refused) {
  if (WallIsQuiet(*reading)) return;
  const int64_t ahead = reading->wall - reading->now;
  if (ahead > jump_max_) {
    refused_wall_.store(reading->wall - reading->boot, std::memory_order_relaxed);
    *refused = {static_cast<uint64_t>(std::max<int64_t>(reading->now, 0)),
                static_cast<uint64_t>(reading->wall)};
    return;
  }
  refused_wall_.store(kNotRefused, std::memory_order_relaxed);
  if (ahead <= 0) return;
  reading->now = reading->wall;
  offset_.store(reading->wall - reading->boot, std::memory_order_relaxed);
}

uint64_t LeaseClock::NowSlowly(std::optional<RefusedJump>* refused) {
  MutexLock lock(&mu_);
  for (;;) {
    Reading reading = Read();
    FollowWall(&reading, refused);
    const auto mark = static_cast<int64_t>(mark_.load(std::memory_order_relaxed));
    const auto now = static_cast<uint64_t>(std::min(reading.now, mark));
    if (reading.now + kLease / 2 <= mark) return now;
    if (sealing_) {
      if (reading.now < mark) return now;
      sealed_.Wait(&mu_);
      continue;
    }
    if (reading.boot < retry_at_boot_) return now;

    const uint64_t next = static_cast<uint64_t>(reading.now + kLease);
    const uint64_t held_back =
        DoubtIsOver(reading) ? 0 : held_back_.load(std::memory_order_relaxed);
    sealing_ = true;
    mu_.Unlock();
    const Status status = options_.seal_mark(next - held_back);
    mu_.Lock();
    sealing_ = false;
    if (status.ok()) {
      held_back_.store(held_back, std::memory_order_relaxed);
      mark_.store(next, std::memory_order_release);
    } else {
      retry_at_boot_ = Bounded(options_.clock->BootMillis()) + static_cast<int64_t>(kRetryMillis);
    }
    sealed_.SignalAll();
    // Not another round: sealing may take longer than what it leases.
    const int64_t then = Read().now;
    return std::min(static_cast<uint64_t>(then), mark_.load(std::memory_order_relaxed));
  }
}

}  // namespace varve
