#ifndef VARVE_DB_COMPACTION_OUTPUTS_H_
#define VARVE_DB_COMPACTION_OUTPUTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "db/compaction_iterator.h"
#include "db/compaction_plan.h"
#include "db/manifest.h"
#include "db/segment_output.h"

namespace varve {

// Writes what a compaction keeps into segments, and decides where one ends and the next begins.
//
//  1. A cut falls between two user keys, never between versions of one: so a level stays disjoint
//     by user keys, and range tombstones can be clipped at the cut exactly.
//  2. It is made when the segment has its size; or at the edge of a grandparent, once it has half
//     of it, so that segments of two levels end together and later overlap fewer of each other; or
//     before the segment overlaps more of the grandparents than the plan allows.
//  3. Each segment gets the range tombstones of its stretch, from the cut before it to the cut
//     after it; a stretch that holds tombstones alone makes a segment too.
//
// Outputs of parts of a compaction are made by several of these. Not thread-safe.
class CompactionOutputs {
 public:
  // `segment` says what all outputs share; its number is given here, by the manifest. `entries` is
  // asked for the tombstones. [begin, end) is the part's stretch of user keys, null: unbounded.
  CompactionOutputs(const CompactionPlan& plan, const SegmentOutputOptions& segment,
                    Manifest* manifest, CompactionIterator* entries, const std::string* begin,
                    const std::string* end);

  // All entries from where `entries` is, to its end. On an error the finished outputs are listed
  // too, for the caller to remove.
  Status WriteAll();

  const std::vector<SegmentEntry>& made() const { return made_; }

 private:
  bool ShouldCutBefore(Slice user_key);
  Status OpenOutput();
  // Ends the output before `upper` (null: the end of the part), if there is anything for it.
  Status FinishOutput(const std::string* upper);

  const CompactionPlan& plan_;
  SegmentOutputOptions segment_;
  const InternalKeyComparator comparator_;
  Manifest* const manifest_;
  CompactionIterator* const entries_;
  const std::string* const end_;

  std::unique_ptr<SegmentOutput> output_;
  bool has_lower_;     // where the stretch of the current output begins:
  std::string lower_;  // at this key, or unbounded
  std::string last_user_key_;
  bool any_ = false;  // last_user_key_ is one
  size_t grandparent_ = 0;
  uint64_t grandparent_bytes_ = 0;  // that the current output has come past
  std::vector<SegmentEntry> made_;
};

}  // namespace varve

#endif  // VARVE_DB_COMPACTION_OUTPUTS_H_
