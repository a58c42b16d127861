#ifndef VARVE_DB_SEGMENT_OUTPUT_H_
#define VARVE_DB_SEGMENT_OUTPUT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "db/read_sequences.h"
#include "memtable/memtable.h"
#include "table/ghost_builder.h"
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
  // See SegmentEntry. What is newer than every ghost has none to apply.
  uint64_t applied_to = 0;
  // The engine's time: what expires later is counted in SegmentEntry::expiring. 0: nothing is.
  uint64_t now_ms = 0;
};

// One segment on its way to the disk: written, synced, and its name synced too, so that the
// manifest may refer to it (Checklist N4, N9, W14). Where it is a cache's, so is its ghost file
// (RULES R2.1), into which nothing is written before Finish().
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
  Status AddRangeTombstone(Slice start, Slice end, SequenceNumber sequence);
  uint64_t range_deletes() const { return builder_->range_deletes(); }
  uint64_t entries() const { return builder_->entries(); }
  // Of the segment, without the ghost file.
  uint64_t EstimatedFileBytes() const { return builder_->EstimatedFileBytes(); }
  // `entry` is what the manifest should say of it.
  Status Finish(SegmentEntry* entry);

 private:
  void AddToGhost(Slice user_key);
  Status OpenGhost();
  Status FinishGhost();
  SegmentEntry EntryFor(const SegmentProperties& properties) const;

  const SegmentOutputOptions options_;
  const std::string path_;
  std::unique_ptr<WritableFile> file_;
  std::unique_ptr<SegmentBuilder> builder_;
  const std::string ghost_path_;
  std::unique_ptr<WritableFile> ghost_file_;  // null in a database, and so is ghost_
  std::unique_ptr<GhostBuilder> ghost_;
  std::string ghost_key_;  // the last key it was given, if it was any
  bool any_ghost_key_ = false;
  uint64_t granted_bytes_ = 0;  // by the limiter
  uint64_t expiring_ = 0;
  bool finished_ = false;
};

// What SegmentEntry::hidden says. Each key's newest value or delete hides all that is older;
// operands before it, or alone, hide nothing.
uint64_t HiddenEntries(const SegmentProperties& properties);

// An entry of a memtable; its bytes live as long as that.
struct MemTableEntry {
  Slice internal_key;
  Slice value;
};

// Cuts a flush into segments of one epoch, by something else than the order of the keys: the ranges
// of these *siblings* may overlap, and no key is in two of them.
class FlushCut {
 public:
  virtual ~FlushCut() = default;
  // A number for each segment, from 0; one that no key goes to is not made.
  virtual size_t outputs() const = 0;
  // The segment for all that is kept of a key: `versions`, newest first and not none.
  virtual size_t OutputFor(std::span<const MemTableEntry> versions) = 0;
};

// Calls `visit` for each key of the memtables, newest first, with what a flush keeps of it: its
// versions, newest first, but those that none of `readers` can see. Ends with the first error.
Status ForEachKeptKey(const InternalKeyComparator& comparator, const ReadSequences& readers,
                      const std::vector<std::shared_ptr<MemTable>>& memtables,
                      const std::function<Status(std::span<const MemTableEntry>)>& visit);

// Merges memtables, newest first, into segments that take the place of `output` in the order of
// age, and together hold what the memtables held (RULES R1.3):
//   - versions that none of `readers` can see are left out;
//   - all versions of a key go to one of them, which `cut` chooses. Null: there is one;
//   - each has all range tombstones.
// No entry, and no file, where there is nothing to keep: ranges that are empty in the comparator's
// order are all there was. The first segment gets the number of `output`, further ones theirs from
// `manifest`. On an error nothing is left behind, as far as the file system lets it.
Status WriteMemtables(const SegmentOutputOptions& output, Manifest* manifest,
                      const ReadSequences& readers,
                      const std::vector<std::shared_ptr<MemTable>>& memtables, FlushCut* cut,
                      std::vector<SegmentEntry>* entries);

// Unlinks the files of segments that are not installed; what cannot be unlinked goes at the next
// open.
void RemoveSegments(FileSystem* file_system, const std::string& directory,
                    std::span<const SegmentEntry> entries);

}  // namespace varve

#endif  // VARVE_DB_SEGMENT_OUTPUT_H_
