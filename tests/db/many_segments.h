#ifndef VARVE_TESTS_DB_MANY_SEGMENTS_H_
#define VARVE_TESTS_DB_MANY_SEGMENTS_H_

#include <cstdint>
#include <string>

#include "varve/status.h"

namespace varve {

// Key number `key` of segment number `segment`.
std::string ManySegmentsKey(uint32_t segment, uint32_t key);

// Makes a database in `path`, which does not exist: so many segments in one level, with so many
// keys each. Nothing but its manifest is synced.
Status MakeManySegments(const std::string& path, uint32_t segments, uint32_t keys);

}  // namespace varve

#endif  // VARVE_TESTS_DB_MANY_SEGMENTS_H_
