#ifndef VARVE_TOOLS_BENCH_VALUE_LEDGER_H_
#define VARVE_TOOLS_BENCH_VALUE_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace varve::bench {

// What the replayer last wrote under each key, so that a read can be judged: an open-addressing
// table from the hash of a key, 24 bytes an entry. Two keys of one 64-bit hash would be taken for
// one; among ten million keys the odds of any are one in 370,000. One thread.
class ValueLedger {
 public:
  struct Entry {
    uint64_t key_hash = 0;  // 0: the slot is free
    uint64_t stamp = 0;     // which write (TraceValues); 0: it was deleted
    uint32_t value_bytes = 0;
    uint32_t expires_at_seconds = 0;  // on the clock of the trace; 0: never

    bool exists() const { return stamp != 0; }
    bool Expired(double now_seconds) const {
      return expires_at_seconds != 0 && now_seconds >= expires_at_seconds;
    }
  };

  ValueLedger();

  // Null if nothing is known of the key. Valid until the next Set.
  const Entry* Find(uint64_t key_hash) const;
  // `entry.key_hash` says which.
  void Set(const Entry& entry);
  size_t size() const { return used_; }

 private:
  size_t SlotOf(uint64_t key_hash) const;  // where it is, or would go
  void Grow();

  std::vector<Entry> slots_;  // a power of two, at most three quarters used
  size_t used_ = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_VALUE_LEDGER_H_
