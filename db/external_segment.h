#ifndef VARVE_DB_EXTERNAL_SEGMENT_H_
#define VARVE_DB_EXTERNAL_SEGMENT_H_

#include <cstdint>

#include "util/internal_key.h"

// What sets a file made by SegmentWriter apart from a segment of a database; see table/FORMAT.md.

namespace varve {

// Its segment number, which no database gives out.
inline constexpr FileNumber kExternalSegmentNumber = UINT64_MAX;
// The sequence of all its entries and range tombstones. It says nothing: an ingestion writes them
// anew under a sequence of the database.
inline constexpr SequenceNumber kExternalSequence = 1;

}  // namespace varve

#endif  // VARVE_DB_EXTERNAL_SEGMENT_H_
