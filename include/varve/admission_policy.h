#ifndef VARVE_INCLUDE_VARVE_ADMISSION_POLICY_H_
#define VARVE_INCLUDE_VARVE_ADMISSION_POLICY_H_

#include <cstdint>

namespace varve {

// Which puts a cache takes. One that it does not take returns OK and deletes what was there of its
// key: a read misses, and never finds the value before. Deletes and ranges are always taken.
enum class AdmissionPolicy : uint8_t {
  // All.
  kAll = 0,
  // Those of keys that were put before, lately: within about the last half of the capacity, in
  // bytes
  // put. What is wanted once is then never written to a segment, and every key must be put twice.
  kSeenBefore = 1,
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_ADMISSION_POLICY_H_
