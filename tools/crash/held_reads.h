#ifndef VARVE_TOOLS_CRASH_HELD_READS_H_
#define VARVE_TOOLS_CRASH_HELD_READS_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "util/random.h"
#include "varve/db.h"

namespace varve::crash {

// Snapshots and iterators that a client holds while all else goes on, each with what it has to
// show. Not thread-safe.
template <typename Expected>
class HeldReads {
 public:
  struct Held {
    std::unique_ptr<Snapshot> snapshot;  // one of the two
    std::unique_ptr<Iterator> iterator;
    Expected expected;
  };

  bool empty() const { return held_.empty(); }
  bool full() const { return held_.size() >= kHeldMax; }

  // One or the other, by chance.
  void Hold(DB* db, Random* random, Expected expected) {
    Held held;
    held.expected = std::move(expected);
    if (random->OneIn(2)) {
      held.snapshot = db->GetSnapshot();
    } else {
      held.iterator = db->NewIterator({});
    }
    held_.push_back(std::move(held));
  }

  // Any of them, which is held no longer. There must be one.
  Held Take(Random* random) {
    const size_t at = random->Uniform(held_.size());
    Held held = std::move(held_[at]);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
    return held;
  }

 private:
  static constexpr size_t kHeldMax = 3;

  std::vector<Held> held_;
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_HELD_READS_H_
