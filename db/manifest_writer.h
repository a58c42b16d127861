#ifndef VARVE_DB_MANIFEST_WRITER_H_
#define VARVE_DB_MANIFEST_WRITER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "db/manifest_free_pages.h"
#include "db/manifest_load.h"
#include "db/manifest_page.h"
#include "db/manifest_tree.h"
#include "util/mutex.h"
#include "util/thread_annotations.h"

// An open manifest: what Manifest is made of. See manifest.h for what it promises.
//
// A commit is staged (a new root, tree and page images, without touching what is), written, and
// installed; up to the installation nothing but the free pages it took has changed, and those go
// back where it fails. What a commit does not need any more (`waiting`, `removed`) the root before
// it still does, so it is freed by the commit after.
//
// Thread safety: as Manifest. commit_mutex_ is held across I/O and taken before state_mutex_, which
// never is.

namespace varve::manifest {

// InvalidArgument, naming the segment, if the entry cannot stand in a manifest.
Status CheckEntry(const SegmentEntry& entry);

// Sorts the images by page and writes them, neighbours at once. Does not sync.
Status WriteImages(RandomRWFile* file, std::vector<PageImage>* images);

class Writer {
 public:
  Writer(const ManifestOptions& options, std::string directory);

  // One of the two, once.
  Status Create(const ManifestEdit& content);
  Status Open(ManifestState* state);

  Status Commit(const ManifestEdit& edit);
  Status Seal();
  Status NewFileNumber(FileNumber* number);
  Status ReserveSequences(SequenceNumber upto);
  Status Close(const ManifestEdit& last);
  void Shut();
  std::vector<NumberedFile> TakeReleased();
  Status poisoned() const;
  ManifestStats stats() const;
  DatabaseId database_id() const { return database_id_; }
  std::optional<CacheResetInfo> last_reset() const;

  // Acquire: whoever sees a limit may rely on the roots that set it.
  SequenceNumber sequence_limit() const { return sequence_limit_.load(std::memory_order_acquire); }
  FileNumber lowest_log_needed() const {
    return lowest_log_needed_.load(std::memory_order_acquire);
  }

 private:
  // What a root on disk promises, for as long as it may be the one that is left.
  struct Promise {
    FileNumber next_file_number = 0;
    SequenceNumber next_sequence = 0;
    FileNumber lowest_log = 0;
  };

  // A commit that is not made yet.
  struct Staged {
    Root root;
    Tree tree;
    std::vector<PageImage> images;
    SpillChains spills;                    // new chains
    std::vector<uint32_t> chains_dropped;  // by their first page
    std::vector<uint32_t> pages_dropped;   // pages the new root does not need
    std::vector<NumberedFile> removed;     // files likewise
    std::vector<uint32_t> taken;           // pages of `images`
    // Of entries that are added or replaced, and 0 of those that go, the flags that count.
    std::vector<std::pair<FileNumber, uint64_t>> file_flags;
  };

  enum class Counters { kAhead, kExact };

  // Encodes an entry as a cell; a long one goes to spill pages taken from `free`.
  static std::string StageEntry(FileNumber number, Slice body, FreePages* free, Staged* staged);

  // manifest_writer.cc: life, counters, what is published.
  Status Usable() const;  // takes state_mutex_
  Status Poison(const Status& error);
  void SetCounters(Counters counters, Root* root) REQUIRES(commit_mutex_);
  void Publish() REQUIRES(commit_mutex_);
  Status WriteFreshRoots() REQUIRES(commit_mutex_);
  Status CommitLocked(const ManifestEdit& edit, Counters counters) REQUIRES(commit_mutex_);
  // Pages at the end of the file that are more than it should keep.
  uint32_t TailToCut() const REQUIRES(commit_mutex_);
  void CutTail() REQUIRES(commit_mutex_);
  // What must be free or waiting so that a commit finds options_.spare_pages: one that replaces as
  // many has freed none of them yet.
  uint64_t SpareTarget() const { return 2 * uint64_t{options_.spare_pages}; }
  void WriteSpare() REQUIRES(commit_mutex_);

  // manifest_commit.cc: one commit.
  Status Stage(const ManifestEdit& edit, Counters counters, Staged* staged) REQUIRES(commit_mutex_);
  Status StageChanges(const ManifestEdit& edit, Staged* staged) REQUIRES(commit_mutex_);
  // The numbers of all entries.
  std::vector<FileNumber> AllNumbers() const REQUIRES(commit_mutex_);
  Status StageState(const ManifestEdit& edit, Root* root) const REQUIRES(commit_mutex_);
  void DropChain(const Cell& cell, Staged* staged) REQUIRES(commit_mutex_);
  // *removed: all numbers that go or are replaced, ascending; *gone: those that go.
  Status CheckEdit(const ManifestEdit& edit, const std::vector<Cell>& changes,
                   std::vector<FileNumber>* removed, std::vector<FileNumber>* gone) const
      REQUIRES(commit_mutex_);
  Status CheckAdded(const ManifestEdit& edit, const std::vector<Cell>& changes,
                    const std::vector<FileNumber>& removed, std::vector<FileNumber>* added) const
      REQUIRES(commit_mutex_);
  // What the edit does to files, as far as the next commits need to know.
  void StageFiles(const ManifestEdit& edit, Staged* staged) const REQUIRES(commit_mutex_);
  uint64_t FileFlags(FileNumber number) const REQUIRES(commit_mutex_);
  bool Live(const std::vector<Cell>& changes, FileNumber number) const REQUIRES(commit_mutex_);
  void MergeIntoTree(const std::vector<Cell>& changes, Staged* staged) REQUIRES(commit_mutex_);
  void TakeBack(const Staged& staged) REQUIRES(commit_mutex_);
  Status WritePages(Staged* staged) REQUIRES(commit_mutex_);
  Status WriteRoot(const Root& root) REQUIRES(commit_mutex_);
  void Install(Staged* staged) REQUIRES(commit_mutex_);

  // manifest_rewrite.cc: the whole file anew.
  bool WantsRewrite() const REQUIRES(commit_mutex_);
  // `more`: entries to add, ascending.
  Status Rewrite(const std::vector<SegmentEntry>& more = {}) REQUIRES(commit_mutex_);
  Status StageWhole(const std::vector<SegmentEntry>& more, FreePages* pages, Staged* staged)
      REQUIRES(commit_mutex_);

  const ManifestOptions options_;
  const std::string directory_, path_, temp_path_;
  const std::string boot_id_;
  DatabaseId database_id_;  // constant once Create or Open is done

  Mutex commit_mutex_ ACQUIRED_BEFORE(state_mutex_);
  std::unique_ptr<RandomRWFile> file_ GUARDED_BY(commit_mutex_);
  // The newest root, in slot newest_; the other slot holds the one before it.
  Root root_ GUARDED_BY(commit_mutex_);
  uint32_t newest_ GUARDED_BY(commit_mutex_) = 0;
  Promise promises_[kRoots] GUARDED_BY(commit_mutex_);
  Tree tree_ GUARDED_BY(commit_mutex_);
  SpillChains spills_ GUARDED_BY(commit_mutex_);
  FreePages free_ GUARDED_BY(commit_mutex_){kRoots};
  // What the newest root does not need and the other does.
  std::vector<uint32_t> waiting_ GUARDED_BY(commit_mutex_);
  std::vector<NumberedFile> removed_ GUARDED_BY(commit_mutex_);
  // Of live entries, those that have flags which say what files there are. (They stand in the cells
  // too, but a spilled one would have to be read to be removed.)
  std::unordered_map<FileNumber, uint64_t> file_flags_ GUARDED_BY(commit_mutex_);
  SequenceNumber next_sequence_ GUARDED_BY(commit_mutex_) = 1;   // as far as it was told
  SequenceNumber sequence_floor_ GUARDED_BY(commit_mutex_) = 1;  // where this opening began
  ManifestStats counts_ GUARDED_BY(commit_mutex_);

  mutable Mutex state_mutex_;
  Status poisoned_ GUARDED_BY(state_mutex_);
  bool closed_ GUARDED_BY(state_mutex_) = false;
  FileNumber next_file_number_ GUARDED_BY(state_mutex_) = 1;
  FileNumber file_number_limit_ GUARDED_BY(state_mutex_) = 1;
  std::vector<NumberedFile> released_ GUARDED_BY(state_mutex_);
  ManifestStats stats_ GUARDED_BY(state_mutex_);                       // as of the last commit
  std::optional<CacheResetInfo> last_reset_ GUARDED_BY(state_mutex_);  // likewise

  std::atomic<SequenceNumber> sequence_limit_{0};
  std::atomic<FileNumber> lowest_log_needed_{0};
};

}  // namespace varve::manifest

#endif  // VARVE_DB_MANIFEST_WRITER_H_
