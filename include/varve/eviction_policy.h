#ifndef VARVE_INCLUDE_VARVE_EVICTION_POLICY_H_
#define VARVE_INCLUDE_VARVE_EVICTION_POLICY_H_

#include <cstdint>

namespace varve {

// What a cache gives up first when it wants room. Whole segments go, after those of which
// everything has expired. It may be another at each open.
enum class EvictionPolicy : uint8_t {
  // The oldest first: the lowest epoch, and of one epoch what expires first. Nothing older than a
  // victim is left, so it needs no ghost, and nothing is read.
  kFifo = 0,
  // The least heat first; of equal heat as kFifo.
  kLru = 1,
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_EVICTION_POLICY_H_
