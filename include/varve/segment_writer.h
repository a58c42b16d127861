#ifndef VARVE_INCLUDE_VARVE_SEGMENT_WRITER_H_
#define VARVE_INCLUDE_VARVE_SEGMENT_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "varve/options.h"
#include "varve/slice.h"
#include "varve/status.h"

namespace varve {

// What a SegmentWriter has written.
struct ExternalFileInfo {
  std::string path;
  uint64_t file_bytes = 0;
  uint64_t entries = 0;        // puts, deletes and merges
  uint64_t range_deletes = 0;  // that could not be joined
};

// Writes a file for DB::Ingest, away from any database:
//
//   SegmentWriter writer(options, "/import/0001.seg");
//   for (…) if (Status s = writer.Put(key, value); !s.ok()) …;
//   Status s = writer.Finish();
//
// Keys of Put, Delete and Merge come in strictly ascending order: InvalidArgument otherwise, and
// where one is over its limit (see WriteBatch); nothing is added then, and the writer goes on.
// DeleteRange may come at any time: it deletes what the database held before, never what the same
// file adds. An error of the file latches. Of the options the comparator, which must be that of the
// database, the merge operator, the prefix extractor, env, and those of blocks, compression and
// filter count.
//
// A writer that is destroyed without a successful Finish() removes the file. Not thread-safe.
class SegmentWriter {
 public:
  // The file must not exist; it is made by the first call below.
  SegmentWriter(const Options& options, const std::string& path);
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  Status Put(Slice key, Slice value);
  Status Delete(Slice key);
  Status Merge(Slice key, Slice operand);
  Status DeleteRange(Slice start, Slice end);

  // The file is durable when it returns OK; its name too. `info` may be null.
  Status Finish(ExternalFileInfo* info = nullptr);

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_SEGMENT_WRITER_H_
