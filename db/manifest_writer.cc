#include "db/manifest_writer.h"

#include <algorithm>
#include <utility>

#include "util/crash_site.h"
#include "util/filename.h"
#include "util/planted.h"

namespace varve::manifest {
namespace {

// Kept free at the end of the file when its tail is cut, so that the next commits need no new room.
constexpr uint32_t kSparePages = 16;
// Generations jump by less than this at open, so that two opens from one root do not write one
// generation with two contents.
constexpr uint64_t kGenerationJump = uint64_t{1} << 40;

std::string LimitedBootId(Machine* machine) {
  std::string id = machine->BootId();
  if (id.size() > kBootIdBytesMax) id.resize(kBootIdBytesMax);
  return id;
}

}  // namespace

Writer::Writer(const ManifestOptions& options, std::string directory)
    : options_(options),
      directory_(std::move(directory)),
      path_(ManifestFileName(directory_)),
      temp_path_(ManifestTempFileName(directory_)),
      boot_id_(LimitedBootId(options.machine.get())) {}

Status Writer::Create(const ManifestEdit& content) {
  if (options_.comparator.size() > kComparatorBytesMax) {
    return Status::InvalidArgument("the comparator's name is longer than " +
                                   std::to_string(kComparatorBytesMax) + " bytes");
  }
  FileInfo info;
  Status s = options_.file_system->GetFileInfo(path_, &info);
  if (s.ok()) return Status::InvalidArgument(path_ + ": there is a manifest already");
  if (!s.IsNotFound()) return s;
  MutexLock lock(&commit_mutex_);
  database_id_ = {options_.machine->RandomSeed(), options_.machine->RandomSeed()};
  root_.state.database_id = database_id_;
  root_.state.comparator = options_.comparator;
  root_.state.mode_bits = options_.mode_bits;
  if (options_.mode_bits & kCacheMode) root_.state.incompatible_features |= kFeatureGhosts;
  root_.state.generation = options_.machine->RandomSeed() % kGenerationJump;
  root_.state.lowest_log = content.lowest_log;
  root_.state.durable_log = content.durable_log;
  root_.state.retained_sequence = content.retained_sequence;
  root_.state.clock_mark_ms = content.clock_mark_ms;
  root_.state.all_synced = content.all_synced.value_or(false);
  root_.segments = content.added.size();
  next_sequence_ = sequence_floor_ = std::max<SequenceNumber>(content.next_sequence, 1);
  std::vector<SegmentEntry> entries = content.added;
  std::sort(entries.begin(), entries.end(),
            [](const SegmentEntry& a, const SegmentEntry& b) { return a.number < b.number; });
  FileNumber highest = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (s = CheckEntry(entries[i]); !s.ok()) return s;
    if (i > 0 && entries[i].number == entries[i - 1].number) {
      return Status::InvalidArgument("segment " + std::to_string(entries[i].number) +
                                     " is there twice");
    }
    highest = std::max({highest, entries[i].number, entries[i].epoch});
  }
  {
    MutexLock state_lock(&state_mutex_);
    next_file_number_ = highest + 1;
  }
  return Rewrite(entries);
}

Status Writer::Open(ManifestState* state) {
  CrashSiteScope opening(CrashSite::kManifestOpen);
  FileSystem* const fs = options_.file_system.get();
  FileInfo info;
  if (Status s = fs->GetFileInfo(path_, &info); !s.ok()) return s;
  // A name left by a killed process may still vanish.
  if (!VARVE_PLANTED("names of the killed trusted")) {
    if (Status s = fs->SyncDirectory(directory_); !s.ok()) return s;
  }
  MutexLock lock(&commit_mutex_);
  if (Status s = fs->NewRandomRWFile(path_, /*create=*/false, &file_); !s.ok()) return s;
  uint64_t file_bytes;
  if (Status s = file_->Size(&file_bytes); !s.ok()) return s;
  RandomRWFile* const file = file_.get();
  PageSource source(path_, file_bytes,
                    [file](uint64_t offset, size_t size, char* buffer, size_t* bytes_read) {
                      return file->Read(offset, size, buffer, bytes_read);
                    });
  LoadedManifest loaded;
  if (Status s = LoadManifest(&source, &loaded); !s.ok()) return s;
  if (Status s = CheckWritable(loaded.root); !s.ok()) return s.WithContext(path_);
  if (loaded.root.state.comparator != options_.comparator) {
    return Status::InvalidArgument(path_ + ": the database's comparator is \"" +
                                   loaded.root.state.comparator + "\", not \"" +
                                   options_.comparator + "\"");
  }
  if (((loaded.root.state.mode_bits ^ options_.mode_bits) & kCacheMode) != 0) {
    const bool cache = (loaded.root.state.mode_bits & kCacheMode) != 0;
    return Status::InvalidArgument(path_ + ": this is a " + (cache ? "cache" : "database") +
                                   ", and cannot be opened as a " + (cache ? "database" : "cache"));
  }
  *state = TakeState(source, &loaded);
  for (const SegmentEntry& entry : state->segments) {
    if (const uint64_t flags = entry.flags & kFileFlags; flags != 0) {
      file_flags_[entry.number] = flags;
    }
  }
  root_ = std::move(loaded.root);
  if ((root_.state.mode_bits & kCacheMode) != 0) {
    // An open that ends before it has judged what it found leaves the next one the same evidence. A
    // clean end is soon no mark of it any more, and says that all is durable.
    root_.boot_id_is_kept = !VARVE_PLANTED("evidence used up by an open");
    root_.state.all_synced |= root_.state.clean_close;
    root_.state.unlogged &= !root_.state.clean_close;
  }
  tree_ = std::move(loaded.tree);
  spills_ = std::move(loaded.spills);
  database_id_ = root_.state.database_id;
  next_sequence_ = sequence_floor_ = root_.state.next_sequence;
  {
    MutexLock state_lock(&state_mutex_);
    next_file_number_ = std::max(root_.state.next_file_number, options_.highest_file + 1);
    if (VARVE_PLANTED("file number used again")) {
      const bool ahead =
          !root_.state.clean_close && next_file_number_ > options_.file_numbers_ahead;
      next_file_number_ -= ahead ? options_.file_numbers_ahead : 0;
    }
  }
  // The older of two roots is durable; the newest may be in the page cache only, so it goes first.
  newest_ = loaded.valid_roots == 2 ? 1 - loaded.slot : loaded.slot;
  if (VARVE_PLANTED("fresh root over the older")) newest_ = loaded.slot;
  if (Status s = WriteFreshRoots(); !s.ok()) return s;

  free_ = FreePages(std::max(source.pages(), kRoots));
  std::sort(loaded.pages.begin(), loaded.pages.end());
  uint32_t next = kRoots;
  for (const uint32_t page : loaded.pages) {
    free_.Free(next, page);
    next = page + 1;
  }
  free_.Free(next, free_.end());
  Status s = fs->RemoveFile(temp_path_);
  WriteSpare();
  Publish();
  return s.ok() || s.IsNotFound() ? poisoned() : s;
}

Status Writer::WriteFreshRoots() {
  root_.state.generation += options_.machine->RandomSeed() % kGenerationJump;
  for (uint32_t i = VARVE_PLANTED("one fresh root") ? 1 : 0; i < kRoots; ++i) {
    ++root_.state.generation;
    SetCounters(Counters::kAhead, &root_);
    if (Status s = WriteRoot(root_); !s.ok()) return s;
  }
  return Status::OK();
}

void Writer::SetCounters(Counters counters, Root* root) {
  ManifestState& state = root->state;
  MutexLock lock(&state_mutex_);
  state.next_file_number = next_file_number_;
  state.next_sequence = next_sequence_;
  state.clean_close = counters == Counters::kExact;
  if (counters == Counters::kAhead) {
    state.next_file_number += options_.file_numbers_ahead;
    state.next_sequence += std::min(options_.sequences_ahead, kMaxSequence + 1 - next_sequence_);
  }
  if (root->boot_id_is_kept) return;
  // A root that another build filled to the last byte may have no room for a longer one.
  const size_t room = RootRoomForChanges(*root, root->links.size()) + kBootIdBytesMax;
  state.boot_id = boot_id_.substr(0, room - std::min(room, root->changes.size()));
}

void Writer::Publish() {
  const Promise& newest = promises_[newest_];
  sequence_limit_.store(VARVE_PLANTED("sequences reserved in one root")
                            ? newest.next_sequence
                            : std::min(promises_[0].next_sequence, promises_[1].next_sequence),
                        std::memory_order_release);
  lowest_log_needed_.store(VARVE_PLANTED("logs freed by one root")
                               ? newest.lowest_log
                               : std::min(promises_[0].lowest_log, promises_[1].lowest_log),
                           std::memory_order_release);
  counts_.generation = root_.state.generation;
  counts_.segments = root_.segments;
  counts_.file_pages = free_.end();
  counts_.free_pages = free_.count();
  counts_.waiting_pages = waiting_.size();
  counts_.waiting_files = removed_.size();
  counts_.waiting_logs = promises_[0].lowest_log != promises_[1].lowest_log;
  counts_.tail_pages = TailToCut();
  MutexLock lock(&state_mutex_);
  file_number_limit_ = VARVE_PLANTED("numbers reserved in one root")
                           ? newest.next_file_number
                           : std::min(promises_[0].next_file_number, promises_[1].next_file_number);
  stats_ = counts_;
  last_reset_ = root_.state.last_reset;
}

Status Writer::Usable() const {
  MutexLock lock(&state_mutex_);
  if (!poisoned_.ok()) return poisoned_.WithContext("the manifest takes nothing since an error");
  return closed_ ? Status::Aborted(path_ + ": closed") : Status::OK();
}

Status Writer::Poison(const Status& error) {
  MutexLock lock(&state_mutex_);
  if (poisoned_.ok()) poisoned_ = error;
  return error;
}

Status Writer::poisoned() const {
  MutexLock lock(&state_mutex_);
  return poisoned_;
}

Status Writer::Commit(const ManifestEdit& edit) {
  MutexLock lock(&commit_mutex_);
  if (Status s = Usable(); !s.ok()) return s;
  return CommitLocked(edit, Counters::kAhead);
}

Status Writer::CommitLocked(const ManifestEdit& edit, Counters counters) {
  Staged staged;
  Status s = Stage(edit, counters, &staged);
  if (s.ok()) s = WritePages(&staged);
  if (!s.ok()) {
    TakeBack(staged);
    return s;
  }
  CrashSiteScope writing(CrashSite::kManifestRoot);
  if (s = WriteRoot(staged.root); !s.ok()) return s;
  Install(&staged);
  WriteSpare();
  return s;
}

Status Writer::Seal() {
  MutexLock lock(&commit_mutex_);
  if (Status s = Usable(); !s.ok()) return s;
  if (Status s = CommitLocked({}, Counters::kAhead); !s.ok()) return s;
  CutTail();
  if (WantsRewrite() && !Rewrite().ok()) ++counts_.rewrites_failed;
  Publish();
  return poisoned();
}

uint32_t Writer::TailToCut() const {
  const uint32_t tail = free_.Tail();
  const auto kept = static_cast<uint32_t>(std::max<uint64_t>(kSparePages, SpareTarget()));
  return tail <= kept + kSparePages ? 0 : tail - kept;
}

void Writer::CutTail() {
  const uint32_t cut = TailToCut();
  if (cut == 0) return;
  // If it fails the file is longer than it need be, and no less whole.
  if (file_->Truncate(uint64_t{free_.end() - cut} * kPageBytes).ok()) free_.CutTail(cut);
}

void Writer::WriteSpare() {
  const uint64_t have = free_.count() + waiting_.size();
  if (have >= SpareTarget() || file_ == nullptr || !poisoned().ok()) return;
  const auto pages = static_cast<uint32_t>(SpareTarget() - have);
  const std::string zeros(size_t{pages} * kPageBytes, '\0');
  // Nothing refers to these places. Without room the file is as whole as before, perhaps longer.
  if (!file_->Write(uint64_t{free_.end()} * kPageBytes, zeros).ok()) return;
  // A file system may allocate only now.
  ++counts_.syncs;
  if (Status s = file_->Sync(); !s.ok()) {
    (void)Poison(s);
    return;
  }
  counts_.pages_written += pages;
  free_.Append(pages);
  Publish();
}

Status Writer::NewFileNumber(FileNumber* number) {
  while (true) {
    if (Status s = Usable(); !s.ok()) return s;
    {
      MutexLock lock(&state_mutex_);
      if (next_file_number_ < file_number_limit_) {
        *number = next_file_number_++;
        return Status::OK();
      }
    }
    // Not by Commit(): of many who wait here, one renews.
    MutexLock lock(&commit_mutex_);
    {
      MutexLock state_lock(&state_mutex_);
      if (next_file_number_ < file_number_limit_) continue;
    }
    if (Status s = Usable(); !s.ok()) return s;
    if (Status s = CommitLocked({}, Counters::kAhead); !s.ok()) return s;
  }
}

Status Writer::ReserveSequences(SequenceNumber upto) {
  if (upto > kMaxSequence + 1) return Status::NoSpace("sequence numbers are exhausted");
  while (sequence_limit() < upto) {
    MutexLock lock(&commit_mutex_);
    if (Status s = Usable(); !s.ok()) return s;
    if (sequence_limit() >= upto) break;
    ManifestEdit edit;
    edit.next_sequence = upto;
    if (Status s = CommitLocked(edit, Counters::kAhead); !s.ok()) return s;
  }
  return Usable();
}

Status Writer::Close(const ManifestEdit& last) {
  MutexLock lock(&commit_mutex_);
  Status s = Usable();
  if (s.IsAborted()) return Status::OK();  // closed
  if (!s.ok()) return s;
  if (last.next_sequence < sequence_floor_ || last.next_sequence > sequence_limit()) {
    return Status::InvalidArgument("manifest close: sequence " +
                                   std::to_string(last.next_sequence) + " cannot be the next one");
  }
  {
    MutexLock state_lock(&state_mutex_);
    closed_ = true;  // no number is given out any more, so the counters are exact
  }
  next_sequence_ = last.next_sequence;
  if (s = CommitLocked(last, Counters::kExact); !s.ok()) return s;
  return CommitLocked({}, Counters::kExact);
}

void Writer::Shut() {
  MutexLock lock(&commit_mutex_);
  {
    MutexLock state_lock(&state_mutex_);
    closed_ = true;
  }
  file_.reset();
}

std::vector<NumberedFile> Writer::TakeReleased() {
  MutexLock lock(&state_mutex_);
  return std::exchange(released_, {});
}

std::optional<CacheResetInfo> Writer::last_reset() const {
  MutexLock lock(&state_mutex_);
  return last_reset_;
}

ManifestStats Writer::stats() const {
  MutexLock lock(&state_mutex_);
  return stats_;
}

}  // namespace varve::manifest
