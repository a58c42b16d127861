#ifndef VARVE_DB_SEGMENT_OUTPUT_H_
#define VARVE_DB_SEGMENT_OUTPUT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/manifest_entry.h"
#include "db/read_sequences.h"
#include "memtable/memtable.h"
#include "table/segment_builder.h"
#include "util/internal_key.h"
#include "util/rate_limiter.h"
#include "varve/options.h"
#include "varve/status.h"

namespace varve {

struct SegmentOutputOptions {
  const Options* options = nullptr;  // comparator, blocks, compression, filter, Env
  std::string directory;
  FileNumber number = 0;  // never used before
  uint32_t level = 0;
  uint64_t epoch = 0;
  std::string creator;             // recorded in the segment, for people
  RateLimiter* limiter = nullptr;  // may be null
  RateLimiter::Priority priority = RateLimiter::Priority::kHigh;
};

// One segment on its way to the disk: written, synced, and its name synced too, so that the
// manifest may refer to it (Checklist N4, N9, W14).
//
//   SegmentOutput output(options);
//   Status s = output.Open(expected_bytes);
//   for (…) if (s.ok()) s = output.Add(key, value);
//   if (s.ok()) s = output.Finish(&entry);
//
// An output that is not finished leaves no file behind, as far as the file system lets it. Not
// thread-safe.
class SegmentOutput {
 public:
  explicit SegmentOutput(const SegmentOutputOptions& options);
  ~SegmentOutput();
  SegmentOutput(const SegmentOutput&) = delete;
  SegmentOutput& operator=(const SegmentOutput&) = delete;

  // Makes the file. `expected_bytes` is a hint.
  Status Open(uint64_t expected_bytes);
  // As SegmentBuilder::Add(). Waits for the rate limiter now and then.
  Status Add(Slice internal_key, Slice value);
  // As SegmentBuilder::AddRangeTombstone().
  Status AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence) {
    return builder_->AddRangeTombstone(start, end, sequence);
  }
  uint64_t range_deletes() const { return builder_->range_deletes(); }
  uint64_t entries() const { return builder_->entries(); }
  uint64_t EstimatedFileBytes() const { return builder_->EstimatedFileBytes(); }
  // `entry` is what the manifest should say of it.
  Status Finish(SegmentEntry* entry);

 private:
  SegmentEntry EntryFor(const SegmentProperties& properties) const;

  const SegmentOutputOptions options_;
  const std::string path_;
  std::unique_ptr<WritableFile> file_;
  std::unique_ptr<SegmentBuilder> builder_;
  uint64_t granted_bytes_ = 0;  // by the limiter
  bool finished_ = false;
};

// What SegmentEntry::hidden says. Each key's newest value or delete hides all that is older;
// operands before it, or alone, hide nothing.
uint64_t HiddenEntries(const SegmentProperties& properties);

// Merges memtables, newest first, into one segment, with all their range tombstones. Versions that
// none of `readers` can see are left out. No entry, and no file, where there is nothing to keep:
// ranges that are empty in the comparator's order are all there was.
Status WriteMemtables(const SegmentOutputOptions& output, const ReadSequences& readers,
                      const std::vector<std::shared_ptr<MemTable>>& memtables,
                      std::optional<SegmentEntry>* entry);

}  // namespace varve

#endif  // VARVE_DB_SEGMENT_OUTPUT_H_
