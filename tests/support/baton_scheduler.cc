#include "tests/support/baton_scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "util/hash.h"
#include "util/thread.h"

namespace varve {

namespace {
constexpr uint64_t kNoDeadline = UINT64_MAX;
constexpr uint64_t kSpinningRoundsMax = 100'000;
}  // namespace

struct BatonScheduler::Task {
  Task() { sem_init(&baton, 0, 0); }
  ~Task() { sem_destroy(&baton); }

  uint64_t id;
  std::string name;
  uint32_t index;  // what ThreadIndex() says
  State state = State::kRunnable;
  const void* on = nullptr;  // the mutex, condition variable or task waited for
  uint64_t deadline = kNoDeadline;
  bool signalled = false;
  bool spinning = false;  // not chosen before another task has done a step
  sem_t baton;
};

class BatonScheduler::VirtualClock final : public Clock {
 public:
  explicit VirtualClock(uint64_t wall_millis) : wall_offset_millis_(wall_millis) {}

  // A reading takes time, so that loops that wait for the clock end.
  uint64_t MonotonicNanos() override { return nanos.fetch_add(100, std::memory_order_relaxed); }
  uint64_t BootMillis() override { return MonotonicNanos() / 1'000'000; }
  uint64_t WallMillis() override {
    return wall_offset_millis_.load(std::memory_order_relaxed) + BootMillis();
  }
  void JumpWall(int64_t millis) {
    wall_offset_millis_.fetch_add(static_cast<uint64_t>(millis), std::memory_order_relaxed);
  }

  // Relaxed: tasks are ordered by the baton, outsiders only look.
  std::atomic<uint64_t> nanos{1'000'000'000};

 private:
  std::atomic<uint64_t> wall_offset_millis_;
};

BatonScheduler::BatonScheduler(const BatonOptions& options)
    : options_(options),
      clock_(std::make_shared<VirtualClock>(options.wall_millis_at_start)),
      random_(options.seed) {
  static constexpr uint32_t kChances[] = {2, 4, 16, 64, 256};
  const uint32_t by_seed = kChances[random_.Uniform(std::size(kChances))];
  switch_one_in_ = options.switch_one_in != 0 ? options.switch_one_in : by_seed;
}

BatonScheduler::~BatonScheduler() = default;

std::shared_ptr<Clock> BatonScheduler::clock() const { return clock_; }

uint64_t BatonScheduler::now_nanos() const { return clock_->nanos.load(std::memory_order_relaxed); }

void BatonScheduler::JumpWallClock(int64_t millis) { clock_->JumpWall(millis); }

BatonScheduler::Task* BatonScheduler::NewTask(const char* name) {
  auto task = std::make_unique<Task>();
  task->id = next_id_++;
  task->name = name;
  if (free_indexes_.empty()) {
    task->index = next_index_++;
  } else {
    task->index = *free_indexes_.begin();
    free_indexes_.erase(free_indexes_.begin());
  }
  tasks_.push_back(std::move(task));
  return tasks_.back().get();
}

void BatonScheduler::Run(const std::function<void()>& body) {
  if (Current() != nullptr) Fail("Run() within a scheduler");
  Task* const root = NewTask("root");
  const uint32_t index_outside = internal::thread_index;
  internal::thread_index = root->index;
  running_ = root;
  SetCurrent(this);
  body();
  auto others_run = [&] {
    for (const auto& task : tasks_) {
      if (task.get() != root && task->state != State::kEnded) return true;
    }
    return false;
  };
  while (others_run()) Block(State::kJoining, nullptr, kNoDeadline);
  SetCurrent(nullptr);
  internal::thread_index = index_outside;
  running_ = nullptr;
  free_indexes_.insert(root->index);
  tasks_.clear();
}

// ---- Steps and choices ------------------------------------------------------------------------

// Every operation of the seam begins here.
void BatonScheduler::Step(char what) {
  if (++steps_ > options_.steps_max) Fail("too many steps");
  const uint64_t now = clock_->nanos.fetch_add(options_.nanos_per_step, std::memory_order_relaxed);
  if (now > options_.nanos_max) Fail("too much virtual time");
  trace_ = Mix64(trace_ ^ (running_->id << 8 | static_cast<uint8_t>(what)));
  FireTimers();
}

void BatonScheduler::MaybeSwitch() {
  if (random_.OneIn(switch_one_in_)) HandTo(Choose());
}

void BatonScheduler::FireTimers() {
  const uint64_t now = now_nanos();
  for (const auto& task : tasks_) {
    if (task->deadline <= now) {
      task->deadline = kNoDeadline;
      task->state = State::kRunnable;
    }
  }
}

bool BatonScheduler::JumpToNextDeadline() {
  uint64_t earliest = kNoDeadline;
  for (const auto& task : tasks_) earliest = std::min(earliest, task->deadline);
  if (earliest == kNoDeadline) return false;
  if (earliest > options_.nanos_max) Fail("too much virtual time");
  if (earliest > now_nanos()) clock_->nanos.store(earliest, std::memory_order_relaxed);
  FireTimers();
  return true;
}

// A task that can run. Fails if there is none and never will be.
BatonScheduler::Task* BatonScheduler::Choose() {
  for (bool all_spin = false;;) {
    uint64_t eager = 0, spinning = 0;
    for (const auto& task : tasks_) {
      if (task->state == State::kRunnable) ++(task->spinning ? spinning : eager);
    }
    if (eager == 0 && spinning == 0) {
      if (!JumpToNextDeadline()) Fail("deadlock: no task can run, and none waits for a time");
      continue;
    }
    if (eager == 0) {
      // What they spin for may come with time; else one of them has to find out.
      if (++spinning_rounds_ > kSpinningRoundsMax) Fail("livelock: all tasks that can run spin");
      if (spinning_rounds_ % 16 == 0) JumpToNextDeadline();
      for (const auto& task : tasks_) task->spinning = false;
      all_spin = true;
      continue;
    }
    if (!all_spin) spinning_rounds_ = 0;
    uint64_t chosen = random_.Uniform(eager);
    for (const auto& task : tasks_) {
      if (task->state == State::kRunnable && !task->spinning && chosen-- == 0) return task.get();
    }
  }
}

void BatonScheduler::HandTo(Task* task) {
  Task* const self = running_;
  if (task == self) return;
  running_ = task;
  // From here on the baton is another's: nothing of this object may be touched until it comes back.
  sem_post(&task->baton);
  while (sem_wait(&self->baton) != 0) {
  }
}

void BatonScheduler::Block(State state, const void* on, uint64_t deadline) {
  Task* const self = running_;
  self->state = state;
  self->on = on;
  self->deadline = deadline;
  HandTo(Choose());
  self->on = nullptr;
  self->deadline = kNoDeadline;
}

void BatonScheduler::Point() {
  Step('p');
  for (const auto& task : tasks_) task->spinning = false;
  MaybeSwitch();
}

void BatonScheduler::Did(CrashStep step) {
  if (on_step_ != nullptr) on_step_(step);
}

void BatonScheduler::Spin() {
  Step('s');
  running_->spinning = true;
  HandTo(Choose());
  running_->spinning = false;
}

void BatonScheduler::Sleep(uint64_t nanos) {
  Step('z');
  const uint64_t now = now_nanos();
  Block(State::kSleeping, nullptr, nanos < kNoDeadline - now ? now + nanos : kNoDeadline - 1);
}

// ---- Mutexes and condition variables ----------------------------------------------------------

void BatonScheduler::WillLock(const void* mutex) {
  Step('l');
  MaybeSwitch();
  Acquire(mutex);
}

void BatonScheduler::Acquire(const void* mutex) {
  while (owners_.count(mutex) != 0) {
    if (owners_[mutex] == running_) Fail("a task locks a mutex it holds");
    Block(State::kLocking, mutex, kNoDeadline);
  }
  owners_[mutex] = running_;
}

bool BatonScheduler::TryLock(const void* mutex) {
  Step('t');
  MaybeSwitch();
  return owners_.emplace(mutex, running_).second;
}

void BatonScheduler::WakeLockers(const void* mutex) {
  for (const auto& task : tasks_) {
    if (task->state == State::kLocking && task->on == mutex) task->state = State::kRunnable;
  }
}

void BatonScheduler::DidUnlock(const void* mutex) {
  Step('u');
  const auto owner = owners_.find(mutex);
  if (owner == owners_.end() || owner->second != running_)
    Fail("a task unlocks what it does not hold");
  owners_.erase(owner);
  WakeLockers(mutex);
  for (const auto& task : tasks_) task->spinning = false;
  MaybeSwitch();
}

bool BatonScheduler::Wait(const void* condvar, const void* mutex, uint64_t nanos) {
  Step('w');
  Task* const self = running_;
  owners_.erase(mutex);
  WakeLockers(mutex);
  self->signalled = false;
  if (options_.spurious_one_in != 0 && random_.OneIn(options_.spurious_one_in)) {
    self->signalled = true;
    HandTo(Choose());
  } else {
    const uint64_t now = now_nanos();
    const bool timed = nanos != kForever && nanos < kNoDeadline - now;
    Block(State::kWaiting, condvar, timed ? now + nanos : kNoDeadline);
  }
  Acquire(mutex);
  return self->signalled;
}

void BatonScheduler::Signal(const void* condvar, bool all) {
  Step(all ? 'A' : 'S');
  std::vector<Task*> waiters;
  for (const auto& task : tasks_) {
    if (task->state == State::kWaiting && task->on == condvar) waiters.push_back(task.get());
  }
  if (!all && waiters.size() > 1) waiters = {waiters[random_.Uniform(waiters.size())]};
  for (Task* task : waiters) {
    task->state = State::kRunnable;
    task->deadline = kNoDeadline;
    task->signalled = true;
  }
  MaybeSwitch();
}

// ---- Threads ----------------------------------------------------------------------------------

uint64_t BatonScheduler::Spawn(const char* name) {
  Step('n');
  return reinterpret_cast<uint64_t>(NewTask(name));  // no switch: its thread does not exist yet
}

void BatonScheduler::Abandon(uint64_t task) {
  Task* const gone = reinterpret_cast<Task*>(task);
  free_indexes_.insert(gone->index);
  Drop(gone);
}

void BatonScheduler::Drop(Task* gone) {
  std::erase_if(tasks_, [gone](const auto& task) { return task.get() == gone; });
}

void BatonScheduler::Enter(uint64_t task) {
  Task* const self = reinterpret_cast<Task*>(task);
  while (sem_wait(&self->baton) != 0) {
  }
  SetCurrent(this);
  internal::thread_index = self->index;
}

void BatonScheduler::Leave() {
  Step('e');
  Task* const self = running_;
  SetCurrent(nullptr);
  internal::thread_index = internal::kNoThreadIndex;
  free_indexes_.insert(self->index);
  self->state = State::kEnded;
  for (const auto& task : tasks_) {
    // The root waits for everyone (on == null) and looks again.
    if (task->state == State::kJoining && (task->on == self || task->on == nullptr)) {
      task->state = State::kRunnable;
    }
  }
  Task* const next = Choose();
  running_ = next;
  sem_post(&next->baton);  // and this thread is no task any more
}

void BatonScheduler::Join(uint64_t task) {
  Step('j');
  Task* const other = reinterpret_cast<Task*>(task);
  while (other->state != State::kEnded) Block(State::kJoining, other, kNoDeadline);
  Drop(other);
}

// ---- The end ----------------------------------------------------------------------------------

void BatonScheduler::Fail(const char* what) const {
  std::fprintf(stderr, "baton scheduler: %s (seed %llu, step %llu, %.6f s)\n", what,
               static_cast<unsigned long long>(options_.seed),
               static_cast<unsigned long long>(steps_), static_cast<double>(now_nanos()) / 1e9);
  for (const auto& task : tasks_) {
    std::fprintf(stderr, "  task %llu %s%s: ", static_cast<unsigned long long>(task->id),
                 task->name.c_str(), task.get() == running_ ? " (running)" : "");
    switch (task->state) {
      case State::kRunnable:
        std::fprintf(stderr, task->spinning ? "spins" : "can run");
        break;
      case State::kLocking: {
        const auto owner = owners_.find(task->on);
        std::fprintf(stderr, "waits for mutex %p, held by %s", task->on,
                     owner == owners_.end() ? "nobody" : owner->second->name.c_str());
        break;
      }
      case State::kWaiting:
        std::fprintf(stderr, "waits for a signal on %p", task->on);
        break;
      case State::kSleeping:
        std::fprintf(stderr, "sleeps");
        break;
      case State::kJoining:
        std::fprintf(
            stderr, "waits for the end of %s",
            task->on == nullptr ? "all tasks" : static_cast<const Task*>(task->on)->name.c_str());
        break;
      case State::kEnded:
        std::fprintf(stderr, "has ended");
        break;
    }
    if (task->deadline != kNoDeadline) {
      std::fprintf(stderr, ", until %.6f s", static_cast<double>(task->deadline) / 1e9);
    }
    for (const auto& [mutex, owner] : owners_) {
      if (owner == task.get()) std::fprintf(stderr, ", holds mutex %p", mutex);
    }
    std::fprintf(stderr, "\n");
  }
  std::abort();
}

}  // namespace varve
