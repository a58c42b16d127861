#ifndef VARVE_INCLUDE_VARVE_TTL_H_
#define VARVE_INCLUDE_VARVE_TTL_H_

#include <chrono>

namespace varve {

// As a time to live: the entry never expires, whatever the default is.
inline constexpr std::chrono::milliseconds kNoTtl = std::chrono::milliseconds::max();

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_TTL_H_
