#ifndef VARVE_DB_SEGMENT_OUTPUT_H_
#define VARVE_DB_SEGMENT_OUTPUT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db/manifest_entry.h"
#include "memtable/memtable.h"
#include "util/internal_key.h"
#include "util/rate_limiter.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

struct SegmentOutputOptions {
  const Options* options = nullptr;  // comparator, blocks, compression, filter, Env
  std::string directory;
  FileNumber number = 0;  // never used before
  uint64_t epoch = 0;
  std::string creator;  // recorded in the segment, for people
  // Versions that no snapshot and no newer reader can see are left out; ascending.
  std::vector<SequenceNumber> snapshots;
  RateLimiter* limiter = nullptr;  // may be null
};

// Merges memtables, newest first, into one segment: written, synced, and its name synced too, so
// that the manifest may refer to it (Checklist N4, N9, W14). `entry` is what the manifest should
// say. On an error no file is left behind, as far as the file system lets us.
Status WriteMemtables(const SegmentOutputOptions& output,
                      const std::vector<std::shared_ptr<MemTable>>& memtables, SegmentEntry* entry);

}  // namespace varve

#endif  // VARVE_DB_SEGMENT_OUTPUT_H_
