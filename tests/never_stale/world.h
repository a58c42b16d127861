#ifndef VARVE_TESTS_NEVER_STALE_WORLD_H_
#define VARVE_TESTS_NEVER_STALE_WORLD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tests/never_stale/engine_time.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_file_system.h"
#include "util/random.h"
#include "varve/db.h"

namespace varve::never_stale {

enum class Mode {
  kDatabase,
  kRoomyCache,    // never short of room, so nothing may be missed
  kEvictedCache,  // the same, but that the test has segments evicted at random
  kTightCache,    // never has room for all: it evicts by itself all the time
};
const char* ModeName(Mode mode);

// What a seed decides once for a history: the engine's options and the shape of what is done to it.
struct Shape {
  Shape(uint64_t seed, Random* random);
  static uint64_t AnyCapacity(Random* random);

  Mode mode;
  bool cache() const { return mode != Mode::kDatabase; }
  bool loses() const { return mode == Mode::kEvictedCache || mode == Mode::kTightCache; }

  bool power_losses;  // else processes only die
  bool damage;        // segment and ghost files decay
  uint32_t keys;
  uint32_t value_bytes_max;
  uint32_t batch_entries_max = 60;
  Options options;  // all but env

 private:
  void SetTight(Random* random);
};

// A machine with a simulated disk, on which the engine lives, dies and is opened again.
class World {
 public:
  World(uint64_t seed, const Shape& shape, std::shared_ptr<Clock> durations);

  DB* db() const { return db_.get(); }
  ManualClock* clock() const { return clock_.get(); }
  EngineTime& time() { return time_; }
  SimFileSystem* files() const { return files_.get(); }
  const Options& options() const { return options_; }
  // What is set while it is open, and so for the next open.
  Options* mutable_options() { return &options_; }

  Status Open();
  Status Close();
  // How often a cache said that it starts empty.
  uint64_t resets() const;
  // The most that its files took at any moment since the last call; for a tight cache alone.
  uint64_t TakeBytesMax() { return files_->TakeWatchedBytesMax(); }
  // What it says it has given up since the history began, of so many keys.
  Losses losses(uint32_t keys) const;
  // The process dies, and if `power` the machine. What reached the disk by then is there
  // afterwards, and the database not open. `let_go` drops iterators and snapshots.
  void Kill(bool power, const std::function<void()>& let_go);

  static constexpr char kPath[] = "/db";

 private:
  void Watch();

  const uint64_t seed_;
  const bool track_;
  const bool watched_;
  Random random_;
  std::shared_ptr<ManualClock> clock_;
  EngineTime time_;
  std::shared_ptr<SimFileSystem> files_;
  class ResetListener;
  const std::shared_ptr<ResetListener> resets_;
  uint64_t boots_ = 0;
  Options options_;
  std::unique_ptr<DB> db_;
};

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_WORLD_H_
