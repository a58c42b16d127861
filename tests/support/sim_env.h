#ifndef VARVE_TESTS_SUPPORT_SIM_ENV_H_
#define VARVE_TESTS_SUPPORT_SIM_ENV_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/sim_file_system.h"
#include "util/hash.h"
#include "varve/env.h"

// Clocks and facts of a simulated machine: the same in every run of a seed.

namespace varve {

// Time that passes by being looked at, a microsecond each time, and by Advance(). The wall clock
// may be set to anything.
class SimClock : public Clock {
 public:
  uint64_t MonotonicNanos() override { return nanos_.fetch_add(1000, std::memory_order_relaxed); }
  uint64_t BootMillis() override { return MonotonicNanos() / 1000000; }
  uint64_t WallMillis() override {
    return wall_start_ms_.load(std::memory_order_relaxed) + BootMillis();
  }

  void Advance(uint64_t millis) { nanos_.fetch_add(millis * 1000000, std::memory_order_relaxed); }
  // The wall clock jumps; the others do not.
  void SetWall(uint64_t millis) {
    wall_start_ms_.store(millis - BootMillis(), std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> nanos_{1000000000};
  std::atomic<uint64_t> wall_start_ms_{1700000000000};
};

class SimMachine : public Machine {
 public:
  explicit SimMachine(uint64_t seed) : seed_(seed), boot_id_("boot-" + std::to_string(seed)) {}
  std::string BootId() override { return boot_id_; }
  uint64_t MemoryLimitBytes() override { return uint64_t{8} << 30; }
  uint64_t RandomSeed() override {
    return Mix64(seed_ + counter_.fetch_add(1, std::memory_order_relaxed));
  }

 private:
  const uint64_t seed_;
  const std::string boot_id_;
  std::atomic<uint64_t> counter_{0};
};

inline Env MakeSimEnv(std::shared_ptr<SimFileSystem> file_system, uint64_t seed) {
  Env env;
  env.file_system = std::move(file_system);
  env.clock = std::make_shared<SimClock>();
  env.machine = std::make_shared<SimMachine>(seed);
  return env;
}

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_SIM_ENV_H_
