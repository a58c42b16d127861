// One commit: staged in memory, its pages written, then its root.

#include <algorithm>
#include <iterator>
#include <utility>

#include "db/manifest_writer.h"
#include "db/reset_record.h"
#include "util/crash_site.h"
#include "util/planted.h"

namespace varve::manifest {
namespace {

constexpr size_t kWriteBytesMax = size_t{1} << 20;
// More changes than this are merged into the tree even where the root has room: each may touch a
// leaf of its own, and one commit should not pay for hundreds.
constexpr size_t kChangesMax = 64;

const Cell* FindIn(const std::vector<Cell>& cells, FileNumber number) {
  const auto at = std::lower_bound(cells.begin(), cells.end(), number,
                                   [](const Cell& c, FileNumber n) { return c.number < n; });
  return at != cells.end() && at->number == number ? &*at : nullptr;
}

bool Contains(const std::vector<FileNumber>& sorted, FileNumber number) {
  return std::binary_search(sorted.begin(), sorted.end(), number);
}

Status Refused(FileNumber number, const char* why) {
  return Status::InvalidArgument("manifest edit: segment " + std::to_string(number) + " " + why);
}

}  // namespace

Status CheckEntry(const SegmentEntry& entry) {
  if (entry.smallest_sequence > entry.largest_sequence || entry.largest_sequence > kMaxSequence) {
    return Refused(entry.number, "has sequences that are no range");
  }
  if ((entry.flags & kHasExpiry) && entry.min_expires_at > entry.max_expires_at) {
    return Refused(entry.number, "has an expiry that is no range");
  }
  if (!ValidExtensions(entry.extensions)) return Refused(entry.number, "has malformed extensions");
  if (const char* const wrong = CheckGhostFields(entry); wrong != nullptr) {
    return Refused(entry.number, wrong);
  }
  const size_t fixed_max = 16 * 12 + 2 * 5;  // every number of the entry at its longest
  if (entry.smallest.size() + entry.largest.size() + entry.extensions.size() >
      kBodyBytesMax - fixed_max) {
    return Refused(entry.number, "has keys or extensions that are too long");
  }
  return Status::OK();
}

bool Writer::Live(const std::vector<Cell>& changes, FileNumber number) const {
  if (const Cell* change = FindIn(changes, number)) return change->kind != CellKind::kRemoved;
  Cell cell;
  return FindCell(tree_, number, &cell);
}

uint64_t Writer::FileFlags(FileNumber number) const {
  const auto found = file_flags_.find(number);
  return found == file_flags_.end() ? 0 : found->second;
}

Status Writer::CheckEdit(const ManifestEdit& edit, const std::vector<Cell>& changes,
                         std::vector<FileNumber>* removed, std::vector<FileNumber>* gone) const {
  *removed = edit.removed;
  std::sort(removed->begin(), removed->end());
  for (size_t i = 0; i < removed->size(); ++i) {
    const FileNumber number = (*removed)[i];
    if (i > 0 && number == (*removed)[i - 1]) return Refused(number, "is removed twice");
    if (!Live(changes, number)) return Refused(number, "is removed and not there");
  }
  std::vector<FileNumber> added;
  if (Status s = CheckAdded(edit, changes, *removed, &added); !s.ok()) return s;
  std::sort(added.begin(), added.end());
  const auto twice = std::adjacent_find(added.begin(), added.end());
  if (twice != added.end()) return Refused(*twice, "is added twice");
  std::set_difference(removed->begin(), removed->end(), added.begin(), added.end(),
                      std::back_inserter(*gone));
  return Status::OK();
}

Status Writer::CheckAdded(const ManifestEdit& edit, const std::vector<Cell>& changes,
                          const std::vector<FileNumber>& removed,
                          std::vector<FileNumber>* added) const {
  FileNumber next_file_number;
  {
    MutexLock lock(&state_mutex_);
    next_file_number = next_file_number_;
  }
  for (const SegmentEntry& entry : edit.added) {
    if (Status s = CheckEntry(entry); !s.ok()) return s;
    const FileNumber number = entry.number;
    if (number >= next_file_number) return Refused(number, "is added and was never given out");
    if (Contains(removed, number)) {
      const std::vector<NumberedFile> before = FilesOf(number, FileFlags(number));
      const std::vector<NumberedFile> files = FilesOf(entry);
      if (!std::includes(before.begin(), before.end(), files.begin(), files.end())) {
        return Refused(number, "is replaced by an entry with a file that it did not have");
      }
    } else {
      if (Live(changes, number)) return Refused(number, "is added and there already");
      if (std::any_of(removed_.begin(), removed_.end(),
                      [number](const NumberedFile& file) { return file.number == number; })) {
        return Refused(number, "is added again after it was removed");
      }
    }
    added->push_back(number);
  }
  return Status::OK();
}

void Writer::StageFiles(const ManifestEdit& edit, Staged* staged) const {
  std::vector<NumberedFile> before, after;
  for (const FileNumber number : edit.removed) {
    for (const NumberedFile& file : FilesOf(number, FileFlags(number))) before.push_back(file);
    staged->file_flags.emplace_back(number, 0);
  }
  for (const SegmentEntry& entry : edit.added) {
    for (const NumberedFile& file : FilesOf(entry)) after.push_back(file);
    staged->file_flags.emplace_back(entry.number, entry.flags & kFileFlags);
  }
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(staged->removed));
}

std::string Writer::StageEntry(FileNumber number, Slice body, FreePages* free, Staged* staged) {
  if (body.size() <= kInlineBodyBytesMax) return EncodeInlineCell(number, body);
  // Pages first, so that each can name the next; the last is made first.
  std::vector<uint32_t> chain((body.size() + kSpillBytesMax - 1) / kSpillBytesMax);
  for (uint32_t& page : chain) {
    page = free->Allocate();
    staged->taken.push_back(page);
  }
  PageLink next;
  for (size_t i = chain.size(); i-- > 0;) {
    std::string payload;
    PutPageLink(&payload, next);
    payload.append(body.substr(i * kSpillBytesMax, kSpillBytesMax));
    PageHeader header;
    header.page = chain[i];
    header.type = PageType::kSpill;
    header.generation = staged->root.state.generation;
    next.page = chain[i];
    next.generation = header.generation;
    staged->images.push_back({chain[i], EncodePage(header, payload, &next.checksum)});
  }
  staged->spills.emplace(chain.front(), std::move(chain));
  return EncodeSpilledCell(number, body.size(), next);
}

void Writer::DropChain(const Cell& cell, Staged* staged) {
  if (cell.kind != CellKind::kSpilled) return;
  const auto chain = spills_.find(cell.spill.page);
  staged->chains_dropped.push_back(chain->first);
  staged->pages_dropped.insert(staged->pages_dropped.end(), chain->second.begin(),
                               chain->second.end());
}

Status Writer::Stage(const ManifestEdit& edit, Counters counters, Staged* staged) {
  if (edit.next_sequence > kMaxSequence + 1) {
    return Status::InvalidArgument("manifest edit: the next sequence is past 2^56");
  }
  staged->root = root_;
  staged->tree = tree_;
  ManifestState& state = staged->root.state;
  ++state.generation;
  state.lowest_log = std::max(state.lowest_log, edit.lowest_log);
  state.durable_log = std::max(state.durable_log, edit.durable_log);
  state.retained_sequence = std::max(state.retained_sequence, edit.retained_sequence);
  state.clock_mark_ms =
      edit.sets_clock_mark ? edit.clock_mark_ms : std::max(state.clock_mark_ms, edit.clock_mark_ms);
  if (Status s = StageState(edit, &staged->root); !s.ok()) return s;
  next_sequence_ = std::max(next_sequence_, edit.next_sequence);
  if (edit.reset.has_value()) {
    // That log may be gone, so that no listing shows it. It must not be missed again.
    state.lowest_log = std::max<FileNumber>(state.lowest_log, state.durable_log.log + 1);
    ManifestEdit removal;
    removal.removed = AllNumbers();
    if (Status s = StageChanges(removal, staged); !s.ok()) return s;
  } else if (!edit.added.empty() || !edit.removed.empty()) {
    if (Status s = StageChanges(edit, staged); !s.ok()) return s;
  }
  SetCounters(counters, &staged->root);
  return Status::OK();
}

Status Writer::StageState(const ManifestEdit& edit, Root* root) const {
  ManifestState& state = root->state;
  const bool of_caches = edit.condemned.has_value() || edit.unlogged.has_value() ||
                         edit.all_synced.has_value() || edit.reset.has_value();
  if (of_caches && (state.mode_bits & kCacheMode) == 0) {
    return Status::InvalidArgument("manifest edit: a database has no state of a cache");
  }
  state.condemned = edit.condemned.value_or(state.condemned);
  state.unlogged = edit.unlogged.value_or(state.unlogged);
  state.all_synced = edit.all_synced.value_or(state.all_synced);
  if (edit.judged) root->boot_id_is_kept = false;
  if (!edit.reset.has_value()) return Status::OK();
  if (!edit.added.empty() || !edit.removed.empty()) {
    return Status::InvalidArgument("manifest edit: a reset adds and removes nothing besides");
  }
  const uint64_t before = state.last_reset.has_value() ? state.last_reset->resets : 0;
  state.last_reset = edit.reset;
  state.last_reset->segments = root_.segments;
  state.last_reset->resets = before + 1;
  const size_t bytes = EncodeLastReset(state.last_reset).size() + root->extensions.size();
  // Later builds have filled the place: they lose the count, and nothing else.
  if (bytes > kRootExtensionBytesMax) state.last_reset.reset();
  return Status::OK();
}

std::vector<FileNumber> Writer::AllNumbers() const {
  std::vector<uint32_t> unused;
  const Tree all = ApplyEdits(tree_, MergeCells(root_.changes, {}, /*keep_removed=*/true), &unused);
  std::vector<Cell> cells;
  CollectCells(all, &cells);
  std::vector<FileNumber> numbers;
  for (const Cell& cell : cells) numbers.push_back(cell.number);
  return numbers;
}

Status Writer::StageChanges(const ManifestEdit& edit, Staged* staged) {
  const std::vector<Cell> before = MergeCells(root_.changes, {}, /*keep_removed=*/true);
  std::vector<FileNumber> removed, gone;
  if (Status s = CheckEdit(edit, before, &removed, &gone); !s.ok()) return s;
  StageFiles(edit, staged);

  std::vector<std::string> storage;  // what the cells point into; never moves
  storage.reserve(edit.added.size() + gone.size());
  std::vector<Cell> edits;
  std::vector<FileNumber> forgotten;  // gone, and the tree never had it: no trace stays
  const auto push = [&](std::string encoded) {
    Slice rest = storage.emplace_back(std::move(encoded));
    GetCell(&rest, &edits.emplace_back());
  };
  bool merge = false;
  for (const FileNumber number : removed) {
    if (const Cell* change = FindIn(before, number)) DropChain(*change, staged);
    Cell cell;
    const bool in_tree = FindCell(tree_, number, &cell);
    // Not to keep its many pages for a change that may stay in the root for long.
    merge |= in_tree && cell.kind == CellKind::kSpilled;
    if (!Contains(gone, number)) continue;
    if (!in_tree) forgotten.push_back(number);
    push(EncodeRemovedCell(number));
  }
  for (const SegmentEntry& entry : edit.added) {
    std::string body;
    EncodeSegmentEntry(entry, &body);
    push(StageEntry(entry.number, body, &free_, staged));
  }
  std::sort(edits.begin(), edits.end(),
            [](const Cell& a, const Cell& b) { return a.number < b.number; });
  std::vector<Cell> changes = MergeCells(root_.changes, edits, /*keep_removed=*/true);
  std::erase_if(changes, [&](const Cell& cell) {
    return cell.kind == CellKind::kRemoved && Contains(forgotten, cell.number);
  });

  Root& root = staged->root;
  root.segments = root_.segments + edit.added.size() - removed.size();
  size_t bytes = 0;
  for (const Cell& cell : changes) bytes += cell.whole.size();
  root.changes.clear();
  root.changes_count = 0;
  if (merge || changes.size() > kChangesMax ||
      bytes > RootRoomForChanges(root, root.links.size())) {
    MergeIntoTree(changes, staged);
    return Status::OK();
  }
  for (const Cell& cell : changes) root.changes.append(cell.whole);
  root.changes_count = static_cast<uint16_t>(changes.size());
  return Status::OK();
}

void Writer::MergeIntoTree(const std::vector<Cell>& changes, Staged* staged) {
  for (const Cell& change : changes) {
    Cell old;
    if (FindCell(tree_, change.number, &old)) DropChain(old, staged);
  }
  staged->tree = ApplyEdits(tree_, changes, &staged->pages_dropped);
  FreePages* const free = &free_;
  const auto allocate = [free, staged] {
    staged->taken.push_back(free->Allocate());
    return staged->taken.back();
  };
  SealTree(staged->tree, staged->root.state.generation, allocate, &staged->images);
  SetLinks(staged->tree, &staged->root);
}

void Writer::TakeBack(const Staged& staged) {
  for (const uint32_t page : staged.taken) free_.Free(page);
}

Status WriteImages(RandomRWFile* file, std::vector<PageImage>* images) {
  std::sort(images->begin(), images->end(),
            [](const PageImage& a, const PageImage& b) { return a.page < b.page; });
  for (size_t i = 0; i < images->size();) {
    const uint32_t first = (*images)[i].page;
    std::string run = std::move((*images)[i].bytes);
    for (++i; i < images->size() && run.size() < kWriteBytesMax &&
              (*images)[i].page == first + run.size() / kPageBytes;
         ++i) {
      run.append((*images)[i].bytes);
    }
    if (Status s = file->Write(uint64_t{first} * kPageBytes, run); !s.ok()) return s;
  }
  return Status::OK();
}

Status Writer::WritePages(Staged* staged) {
  if (staged->images.empty()) return Status::OK();
  CrashSiteScope writing(CrashSite::kManifestPages);
  CrashStepDone(CrashStep::kManifestPagesTaken);
  counts_.pages_written += staged->images.size();
  // Nothing refers to these places, whatever they now hold.
  if (Status s = WriteImages(file_.get(), &staged->images); !s.ok()) return s;
  ++counts_.syncs;
  if (VARVE_PLANTED("manifest pages not synced")) return Status::OK();
  Status s = file_->Sync();
  return s.ok() ? s : Poison(s);
}

Status Writer::WriteRoot(const Root& root) {
  const uint32_t slot = 1 - newest_;
  ++counts_.pages_written;
  Status s = file_->Write(uint64_t{slot} * kPageBytes, EncodeRoot(root, slot));
  if (s.ok() && !VARVE_PLANTED("root not synced")) {
    ++counts_.syncs;
    s = file_->Sync();
  }
  if (!s.ok()) return Poison(s);
  newest_ = slot;
  promises_[slot] = {root.state.next_file_number, root.state.next_sequence, root.state.lowest_log};
  ++counts_.commits;
  return s;
}

void Writer::Install(Staged* staged) {
  for (const uint32_t page : waiting_) free_.Free(page);
  waiting_ = std::move(staged->pages_dropped);
  if (VARVE_PLANTED("page freed at once")) {
    for (const uint32_t page : waiting_) free_.Free(page);
    waiting_.clear();
  }
  for (const uint32_t first : staged->chains_dropped) spills_.erase(first);
  spills_.merge(staged->spills);
  {
    MutexLock lock(&state_mutex_);
    released_.insert(released_.end(), removed_.begin(), removed_.end());
  }
  removed_ = std::move(staged->removed);
  if (VARVE_PLANTED("unlinked before the seal")) {
    MutexLock lock(&state_mutex_);
    released_.insert(released_.end(), removed_.begin(), removed_.end());
    removed_.clear();
  }
  for (const auto& [number, flags] : staged->file_flags) {
    if (flags == 0) {
      file_flags_.erase(number);
    } else {
      file_flags_[number] = flags;
    }
  }
  root_ = std::move(staged->root);
  tree_ = std::move(staged->tree);
  Publish();
  CrashStepDone(CrashStep::kManifestPublished);
}

}  // namespace varve::manifest
