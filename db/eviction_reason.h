#ifndef VARVE_DB_EVICTION_REASON_H_
#define VARVE_DB_EVICTION_REASON_H_

#include <cstdint>

namespace varve {

// Why a whole segment is taken out without being read. It changes what is counted, never what stays
// hidden.
enum class EvictionReason : uint8_t {
  kExpired,  // every entry of it is past its time
  kRoom,     // the capacity, or the budget of ghosts, wants it gone
  kDamaged,  // it cannot be read
};

inline const char* EvictionReasonName(EvictionReason reason) {
  switch (reason) {
    case EvictionReason::kExpired:
      return "expired";
    case EvictionReason::kRoom:
      return "for room";
    case EvictionReason::kDamaged:
      return "damaged";
  }
  return "unknown";
}

}  // namespace varve

#endif  // VARVE_DB_EVICTION_REASON_H_
