#ifndef VARVE_INCLUDE_VARVE_EVICTION_POLICY_H_
#define VARVE_INCLUDE_VARVE_EVICTION_POLICY_H_

#include <cstdint>

namespace varve {

// What a cache gives up when it wants room: whole segments, after those of which everything has
// expired the oldest first. It may be another at each open.
enum class EvictionPolicy : uint8_t {
  // Whatever is in them. Nothing is read, and nothing written but a commit.
  kFifo = 0,
  // But what Get or MultiGet found of them since it was written is written anew first, to stay as
  // long as what is written now: as near to the least recently used as whole segments allow (it is
  // CLOCK's second chance). Never more bytes than puts bring in; in traces a third to two thirds of
  // that. What will soon expire is not saved, and nothing is known of what was read before an open.
  kLru = 1,
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_EVICTION_POLICY_H_
