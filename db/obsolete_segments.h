#ifndef VARVE_DB_OBSOLETE_SEGMENTS_H_
#define VARVE_DB_OBSOLETE_SEGMENTS_H_

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "db/version.h"
#include "util/filename.h"
#include "util/mutex.h"

namespace varve {

// Says when a file of a segment may be unlinked: when neither root of the manifest needs it
// (RULES R4.1) *and* no version holds the segment, be it in the hands of an iterator (Checklist
// S5). A segment that is evicted leaves one of its two files to its ghost (RULES R2.1), so each
// file is told by itself.
//
// Whichever comes last makes it due. If that is the last reader's leaving, `wake` is called, by
// that reader, so that somebody takes it soon.
//
// Thread safety: all of it.
class ObsoleteSegments : public std::enable_shared_from_this<ObsoleteSegments> {
 public:
  // `wake` must be quick and may be called under any lock that is held where a version goes.
  explicit ObsoleteSegments(std::function<void()> wake) : wake_(std::move(wake)) {}

  // A commit is about to take the segment out of the database, and `files` with it. Not after it:
  // the next commit, by whomever, releases them, and they would be taken for files that no version
  // holds.
  void Removing(const std::shared_ptr<SegmentFile>& segment,
                const std::vector<NumberedFile>& files);
  // The same, of all files that it has.
  void Removing(const std::shared_ptr<SegmentFile>& segment) {
    Removing(segment, FilesOf(segment->entry()));
  }
  // That commit failed; the segment stays.
  void Kept(const SegmentFile& segment);
  // Neither root needs these any more: Manifest::TakeReleased(). One that is not known here, as it
  // was told by TakeDue() and then could not be unlinked, is due at once.
  void Released(const std::vector<NumberedFile>& files);

  // The files that may be unlinked, each told once.
  std::vector<NumberedFile> TakeDue();
  // Files that neither root needs and somebody still holds, in the order of their numbers.
  std::vector<NumberedFile> Held() const;
  // The file was unlinked all the same; whoever holds it is told nothing here.
  void Forget(const NumberedFile& file);
  // Files being removed, or removed and not told yet.
  size_t waiting() const;
  // `wake` is not called any more when it returns.
  void Stop();

 private:
  struct State {
    bool released = false;
    bool gone = false;  // no version holds what has it
  };

  void Gone(const NumberedFile& gone);

  mutable Mutex mu_;
  std::function<void()> wake_ GUARDED_BY(mu_);
  std::map<NumberedFile, State> files_ GUARDED_BY(mu_);
};

}  // namespace varve

#endif  // VARVE_DB_OBSOLETE_SEGMENTS_H_
