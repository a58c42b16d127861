#include "db/engine_time.h"

#include <algorithm>
#include <utility>

#include "util/planted.h"

namespace varve {

namespace {

// So long after an open that jumped far, a database drops nothing for it: long enough for somebody
// to find a clock wrong. A cache may lose what it has.
constexpr uint64_t kDoubtMillis = uint64_t{24} * 3600 * 1000;

std::string Hours(uint64_t millis) { return std::to_string(millis / 3'600'000) + " h"; }

}  // namespace

EngineTime::EngineTime(const Options& options)
    : clock_(options.env.clock),
      logger_(options.logger),
      jump_max_ms_(options.clock_jump_max_ms),
      cache_(options.cache()) {
  LeaseClock::Options lease;
  lease.clock = clock_;
  lease.jump_max_ms = jump_max_ms_;
  lease.seal_mark = [](uint64_t) { return Status::OK(); };
  lease_ = std::make_unique<LeaseClock>(std::move(lease));
}

void EngineTime::Begin(Source source) {
  LeaseClock::Options lease;
  lease.clock = clock_;
  lease.mark_ms = VARVE_PLANTED("clock mark not looked at") ? 0 : source.mark_ms;
  lease.jump_max_ms = jump_max_ms_;
  lease.away_max_ms = LeaseClock::kAwayMillisMax;
  lease.doubt_ms = cache_ ? 0 : kDoubtMillis;
  lease.seal_mark = [this](uint64_t mark_ms) { return Seal(mark_ms); };
  lease.on_jump_refused = [this](const RefusedJump& jump) { Refused(jump); };
  lease_ = std::make_unique<LeaseClock>(std::move(lease));
  in_use_.store(source.may_expire || source.mark_ms != 0, std::memory_order_relaxed);
  directory_ = source.directory;
  if (source.mark_ms != 0) Warn(source.mark_ms);
  MutexLock lock(&mu_);
  source_ = std::move(source);
}

void EngineTime::Warn(uint64_t mark_ms) {
  const uint64_t wall_ms = clock_->WallMillis();
  if (LeaseClock::MarkIsFarAhead(mark_ms, wall_ms)) {
    logger_->Log(LogLevel::kWarning,
                 directory_ + ": its time is " + Hours(mark_ms - wall_ms) +
                     " ahead of the wall clock, which was wrong then or is now; `varve_ldb "
                     "reset-clock` sets it");
  }
  if (lease_->away_ms() == 0) return;
  logger_->Log(LogLevel::kWarning,
               directory_ + ": closed for " + Hours(lease_->away_ms()) +
                   ", by the wall clock; what has expired meanwhile is not read any more" +
                   (cache_ ? "" : ", and dropped from " + Hours(kDoubtMillis) + " after now on"));
}

Status EngineTime::Seal(uint64_t mark_ms) {
  MutexLock lock(&mu_);
  if (source_.seal_mark == nullptr) return Status::Aborted("closed");
  return source_.seal_mark(mark_ms);
}

void EngineTime::Refused(const RefusedJump& jump) {
  logger_->Log(LogLevel::kWarning,
               directory_ + ": the wall clock has jumped " + Hours(jump.wall_ms - jump.now_ms) +
                   " ahead, further than clock_jump_max_ms, and is not followed");
  MutexLock lock(&mu_);
  if (source_.on_jump_refused != nullptr) source_.on_jump_refused(jump);
}

uint64_t EngineTime::NowMillis() {
  const uint64_t now = lease_->NowMillis();
  if (!stopped_.load(std::memory_order_seq_cst)) [[likely]]
    return now;
  return StoodAt();
}

uint64_t EngineTime::DropMillis() {
  const uint64_t now = lease_->DropMillis();
  if (!stopped_.load(std::memory_order_seq_cst)) return now;
  return std::min(now, StoodAt());
}

uint64_t EngineTime::StoodAt() {
  MutexLock lock(&stop_mu_);  // until Stop() has found it
  return stands_at_ms_;
}

uint64_t EngineTime::Stop() {
  MutexLock stopping(&stop_mu_);
  if (stopped_.load(std::memory_order_seq_cst)) return close_mark_ms_;
  {
    MutexLock lock(&mu_);  // a seal under way ends first
    source_.seal_mark = nullptr;
    source_.on_jump_refused = nullptr;
  }
  stopped_.store(true, std::memory_order_seq_cst);
  if (lease_->mark_ms() == 0) return 0;
  // As nothing is sealed any more, neither is beyond the mark.
  stands_at_ms_ = lease_->NowMillis();
  close_mark_ms_ = lease_->DropMillis();
  return close_mark_ms_;
}

}  // namespace varve
