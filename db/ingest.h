#ifndef VARVE_DB_INGEST_H_
#define VARVE_DB_INGEST_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db/manifest_entry.h"
#include "table/segment_reader.h"
#include "util/rate_limiter.h"
#include "varve/iterator.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

// Turns files made by SegmentWriter into segments of a database. They are written anew, each into
// one segment: the number in the salt of every checksum, and the sequence in every entry, are those
// of the database. (To keep the file and let its reader add the sequence, as RocksDB does, would
// leave blocks whose checksums cannot tell which database they belong to.)
//
// All entries of all files get one sequence, so the ingestion is seen whole or not at all, by
// snapshots and at any sequence too; range tombstones hide only what is older.
//
// What is not installed is removed. Not thread-safe.
class Ingestion {
 public:
  // `options` is completed. Once `cancelled` is set Write() ends soon, with Aborted. All outlive
  // this.
  Ingestion(const Options* options, const std::string& directory, RateLimiter* limiter,
            const std::atomic<bool>* cancelled);
  ~Ingestion();
  Ingestion(const Ingestion&) = delete;
  Ingestion& operator=(const Ingestion&) = delete;

  // Opens the files and checks all that can be checked: Corruption, NotSupported; InvalidArgument
  // for another comparator, keys of one file among those of another, a file that no SegmentWriter
  // made, merge operands without an operator.
  Status Open(const std::vector<std::string>& files, bool verify_checksums);

  // Segments that Write() makes, at most.
  size_t segments_max() const { return sources_.size(); }
  // Writes the segments, in place of those an earlier call wrote. `numbers`, segments_max() of
  // them, were never used. With `present`, only keys that it does not have, and no deletions.
  Status Write(SequenceNumber sequence, const std::vector<FileNumber>& numbers, Iterator* present);

  // What the manifest should say; complete but for the epoch.
  std::vector<SegmentEntry>& entries() { return entries_; }
  // From now on the segments are the database's.
  void Installed() { installed_ = true; }
  // Unlinks the files that were read; what cannot be is logged.
  void RemoveSources();

 private:
  Status WriteOne(const SegmentReader& source, SequenceNumber sequence, FileNumber number,
                  Iterator* present);
  void RemoveOutputs();

  const Options& options_;
  const std::string directory_;
  RateLimiter* const limiter_;
  const std::atomic<bool>* const cancelled_;
  std::vector<std::string> files_;
  std::vector<std::unique_ptr<SegmentReader>> sources_;  // those that hold something, in key order
  std::vector<SegmentEntry> entries_;
  bool installed_ = false;
};

}  // namespace varve

#endif  // VARVE_DB_INGEST_H_
