#ifndef VARVE_DB_SEGMENT_READ_OPTIONS_H_
#define VARVE_DB_SEGMENT_READ_OPTIONS_H_

#include "table/segment_reader.h"
#include "varve/options.h"

namespace varve {

// What of a read's options concerns the segments.
inline SegmentReadOptions SegmentOptions(const ReadOptions& options) {
  return {.verify_checksums = options.verify_checksums, .fill_cache = options.fill_cache};
}

}  // namespace varve

#endif  // VARVE_DB_SEGMENT_READ_OPTIONS_H_
