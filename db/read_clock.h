#ifndef VARVE_DB_READ_CLOCK_H_
#define VARVE_DB_READ_CLOCK_H_

#include <cstdint>

#include "db/engine_time.h"

namespace varve {

// The one instant by which a read judges what has expired: the same for all it looks at, and taken
// only when something with an expiry is met, as hardly any read of a database without them would
// use it. Not thread-safe: one for each read.
class ReadClock {
 public:
  explicit ReadClock(EngineTime* time) : time_(time) {}
  explicit ReadClock(uint64_t now_ms) : now_ms_(now_ms) {}

  uint64_t NowMillis() {
    if (time_ != nullptr) {
      now_ms_ = time_->NowMillis();
      time_ = nullptr;
    }
    return now_ms_;
  }

 private:
  EngineTime* time_ = nullptr;  // null: now_ms_ is taken
  uint64_t now_ms_ = 0;         // since 1970
};

}  // namespace varve

#endif  // VARVE_DB_READ_CLOCK_H_
