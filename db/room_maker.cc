#include "db/room_maker.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace varve {

namespace {

bool RunsAhead(RoomStep step) {
  return step == RoomStep::kRelease || step == RoomStep::kExpired || step == RoomStep::kVictims;
}

}  // namespace

bool RoomMaker::Started() {
  if (stopped_) return false;
  return thread_.running() || thread_.Start("varve-room", [this] { Run(); }).ok();
}

RoomMaker::Outcome RoomMaker::Wait(uint64_t bytes, uint64_t wait_nanos, bool tell_stuck) {
  const uint64_t begin = clock_->MonotonicNanos();
  uint64_t slept = 0;  // counted too: a clock that was made up may stand still
  MutexLock lock(&mu_);
  ++waiters_;
  wanted_ = std::max(wanted_, bytes);
  const uint64_t asked = ++asked_;
  Outcome outcome = Outcome::kTimedOut;
  changed_.SignalAll();
  for (;;) {
    if (!Started()) {
      outcome = Outcome::kStopped;
      break;
    }
    if (ledger_->state().free >= bytes) {
      outcome = Outcome::kMade;
      break;
    }
    // A round that began after this one asked found nothing to do.
    if (tell_stuck && stuck_ && stuck_at_ >= asked) {
      outcome = Outcome::kStuck;
      break;
    }
    const uint64_t waited = std::max(clock_->MonotonicNanos() - begin, slept);
    if (waited >= wait_nanos) break;
    // What others give back is told to nobody here.
    const uint64_t nap = std::min(wait_nanos - waited, kRetryNanos);
    if (!changed_.WaitFor(&mu_, nap)) slept += nap;
  }
  if (--waiters_ == 0) wanted_ = 0;
  return outcome;
}

void RoomMaker::Ahead(uint64_t low, uint64_t high) {
  if (ledger_->state().free >= low) return;
  MutexLock lock(&mu_);
  if (ahead_ >= high || !Started()) return;
  ahead_ = high;
  ++asked_;
  changed_.SignalAll();
}

bool RoomMaker::wanted() const {
  MutexLock lock(&mu_);
  return waiters_ > 0;
}

uint64_t RoomMaker::rounds() const {
  MutexLock lock(&mu_);
  return rounds_;
}

bool RoomMaker::MakeRoom(uint64_t target, bool ahead) {
  steps_->BeginRound();
  for (size_t i = 0; i < std::size(kRoomSteps);) {
    const SpaceLedger::State state = ledger_->state();
    if (state.free >= target) return true;
    {
      MutexLock lock(&mu_);
      if (stopped_) return false;
    }
    const RoomStep step = kRoomSteps[i];
    const bool got_on =
        (!ahead || RunsAhead(step)) && steps_->Take(step, target - state.free + state.over);
    i = got_on ? 0 : i + 1;
  }
  return ledger_->state().free >= target;
}

void RoomMaker::Run() {
  MutexLock lock(&mu_);
  while (!stopped_) {
    const bool ahead = waiters_ == 0;
    // For who waits no more than he wants, so that he goes on as soon as he can.
    const uint64_t target = ahead ? ahead_ : wanted_;
    if (target == 0) {
      changed_.Wait(&mu_);
      continue;
    }
    const uint64_t asked = asked_;
    mu_.Unlock();
    const bool made = MakeRoom(target, ahead);
    mu_.Lock();
    ++rounds_;
    stuck_ = !made;
    stuck_at_ = asked;
    if (ahead) ahead_ = 0;  // asked for anew by the next write that finds it wanting
    changed_.SignalAll();
    if (stopped_ || ahead) continue;
    if (made && waiters_ > 0) {
      // Until those who waited have taken what was made.
      changed_.WaitFor(&mu_, kRetryNanos);
    } else if (!made && asked == asked_) {
      changed_.WaitFor(&mu_, kRetryNanos);
    }
  }
}

void RoomMaker::Stop() {
  Thread thread;
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    changed_.SignalAll();
    thread = std::move(thread_);
  }
  thread.Join();
}

}  // namespace varve
