#include <time.h>

#include <cstdint>
#include <memory>

#include "util/posix_file_system.h"
#include "util/posix_machine.h"
#include "varve/env.h"

namespace varve {
namespace {

// These clocks always exist on Linux and are read without a system call (vdso(7)).
uint64_t Nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

class PosixClock final : public Clock {
 public:
  uint64_t MonotonicNanos() override { return Nanos(CLOCK_MONOTONIC); }
  uint64_t BootMillis() override { return Nanos(CLOCK_BOOTTIME) / 1'000'000; }
  uint64_t WallMillis() override { return Nanos(CLOCK_REALTIME) / 1'000'000; }
};

}  // namespace

Env Env::Default() {
  // Never destroyed: threads and static objects may use it until the process ends.
  static const Env* const env =
      new Env{std::make_shared<PosixFileSystem>(), std::make_shared<PosixClock>(),
              std::make_shared<PosixMachine>()};
  return *env;
}

}  // namespace varve
