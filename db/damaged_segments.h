#ifndef VARVE_DB_DAMAGED_SEGMENTS_H_
#define VARVE_DB_DAMAGED_SEGMENTS_H_

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "table/segment_reader.h"
#include "util/internal_key.h"
#include "util/mutex.h"
#include "varve/status.h"

namespace varve {

// Which segments of a cache turned out to be damaged, and wait to be taken out (RULES R2.3): told
// by whoever reads, taken by the background. Corruption counts, and IOError, which is told when it
// came twice in a row; whatever else a read may end in is no fault of the segment.
//
// Thread safety: all of it. OnReadError() may be called under any lock, and is cheap for a segment
// that was told before.
class DamagedSegments final : public SegmentReadErrors {
 public:
  void OnReadError(FileNumber number, const Status& status) override;

  // Called, by who reads, when there is something to take; quick, and under any lock. Null: nobody.
  // When it returns, no earlier one is running.
  void SetListener(std::function<void()> wake) EXCLUDES(mu_);

  // What was told and not taken yet, with the first error of each.
  std::vector<std::pair<FileNumber, Status>> Take();
  // Of what was taken these could not be taken out yet. The next error of any of them tells again,
  // or whoever calls Take() on an occasion.
  void PutBack(const std::vector<std::pair<FileNumber, Status>>& segments);
  bool waiting() const;
  // Whether it was ever told, taken or not.
  bool Knows(FileNumber number) const;

 private:
  mutable Mutex mu_;
  std::function<void()> wake_ GUARDED_BY(mu_);
  std::set<FileNumber> known_ GUARDED_BY(mu_);  // numbers are not reused, and these are few
  std::vector<std::pair<FileNumber, Status>> waiting_ GUARDED_BY(mu_);
  std::set<FileNumber> put_back_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_DAMAGED_SEGMENTS_H_
