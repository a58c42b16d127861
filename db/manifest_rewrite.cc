// The whole manifest anew, under a temporary name: creation and compaction.
//
//   1. Every live entry (at creation: the first ones) into a fresh tree, packed tight, pages
//      numbered from 2.
//   2. All pages and both roots to MANIFEST.tmp; sync. Up to here a failure changes nothing.
//   3. Rename to MANIFEST, sync the directory. From here on a failure poisons: a crash may leave
//      either file, so nothing may be committed to one of them, and nothing freed.
//   4. Install: both roots carry the same, so what only the older one needed is released.

#include <algorithm>
#include <deque>
#include <utility>

#include "db/manifest_writer.h"
#include "util/crash_site.h"
#include "util/planted.h"

namespace varve::manifest {
namespace {

// Below a quarter in use, a file of some size is worth the writing.
constexpr uint32_t kPagesToRewrite = 64;

}  // namespace

bool Writer::WantsRewrite() const {
  // What is kept spare is no waste.
  const uint64_t free = free_.count() + waiting_.size();
  const uint64_t kept = std::min(free, SpareTarget());
  const uint64_t unused = free - kept, pages = free_.end() - kept;
  return pages >= kPagesToRewrite && unused * 4 > pages * 3;
}

Status Writer::StageWhole(const std::vector<SegmentEntry>& more, FreePages* pages, Staged* staged) {
  Root& root = staged->root;
  root = root_;
  ++root.state.generation;
  root.changes.clear();
  root.changes_count = 0;

  RandomRWFile* const file = file_.get();
  uint64_t file_bytes = 0;
  if (file != nullptr) {
    if (Status s = file->Size(&file_bytes); !s.ok()) return s;
  }
  PageSource source(path_, file_bytes,
                    [file](uint64_t offset, size_t size, char* buffer, size_t* bytes_read) {
                      return file->Read(offset, size, buffer, bytes_read);
                    });
  const auto any_page = [](uint32_t) { return Status::OK(); };

  std::vector<uint32_t> unused;
  const Tree old = ApplyEdits(tree_, MergeCells(root_.changes, {}, /*keep_removed=*/true), &unused);
  std::vector<Cell> cells;
  CollectCells(old, &cells);
  std::deque<std::string> storage;  // what moved cells point into; never moves
  size_t bytes = 0;
  for (Cell& cell : cells) {
    if (cell.kind == CellKind::kSpilled) {
      std::string body;
      std::vector<uint32_t> chain;
      Status s = ReadSpill(&source, newest_, cell, any_page, &body, &chain);
      if (!s.ok()) return s;
      Slice rest = storage.emplace_back(StageEntry(cell.number, body, pages, staged));
      GetCell(&rest, &cell);
    }
    bytes += cell.whole.size();
  }
  for (const SegmentEntry& entry : more) {
    std::string body;
    EncodeSegmentEntry(entry, &body);
    Slice rest = storage.emplace_back(StageEntry(entry.number, body, pages, staged));
    bytes += rest.size();
    GetCell(&rest, &cells.emplace_back());
    staged->file_flags.emplace_back(entry.number, entry.flags & kFileFlags);
  }
  if (bytes <= RootRoomForChanges(root, 0)) {
    for (const Cell& cell : cells) root.changes.append(cell.whole);
    root.changes_count = static_cast<uint16_t>(cells.size());
  } else {
    staged->tree = ApplyEdits({}, cells, &unused);
    SealTree(
        staged->tree, root.state.generation, [pages] { return pages->Allocate(); },
        &staged->images);
  }
  SetLinks(staged->tree, &root);
  SetCounters(Counters::kAhead, &root);
  return Status::OK();
}

Status Writer::Rewrite(const std::vector<SegmentEntry>& more) {
  CrashSiteScope rewriting(CrashSite::kManifestRewrite);
  FreePages pages(kRoots);
  Staged staged;
  Status s = StageWhole(more, &pages, &staged);
  if (!s.ok()) return s;
  Root older = staged.root;
  ++staged.root.state.generation;
  staged.images.push_back({0, EncodeRoot(older, 0)});
  staged.images.push_back({1, EncodeRoot(staged.root, 1)});

  FileSystem* const fs = options_.file_system.get();
  s = fs->RemoveFile(temp_path_);
  if (!s.ok() && !s.IsNotFound()) return s;
  std::unique_ptr<RandomRWFile> file;
  if (s = fs->NewRandomRWFile(temp_path_, /*create=*/true, &file); !s.ok()) return s;
  counts_.pages_written += staged.images.size();
  s = WriteImages(file.get(), &staged.images);
  if (s.ok() && !VARVE_PLANTED("rewrite not synced")) {
    ++counts_.syncs;
    s = file->Sync();
  }
  if (!s.ok()) {
    file.reset();
    // It does no harm if it stays: nobody reads it, and the next one removes it.
    (void)fs->RemoveFile(temp_path_);
    return s;
  }
  s = fs->RenameFile(temp_path_, path_);
  if (s.ok() && !VARVE_PLANTED("rename not synced")) s = fs->SyncDirectory(directory_);
  if (!s.ok()) return Poison(s);

  if (file_ != nullptr) ++counts_.rewrites;
  file_ = std::move(file);
  newest_ = 1;
  for (Promise& promise : promises_) {
    const ManifestState& state = staged.root.state;
    promise = {state.next_file_number, state.next_sequence, state.lowest_log};
  }
  free_ = std::move(pages);
  spills_.clear();
  waiting_.clear();
  Install(&staged);
  WriteSpare();
  return s;
}

}  // namespace varve::manifest
