#include "db/checkpoint.h"

#include <algorithm>
#include <vector>

#include "db/ghost.h"
#include "db/manifest.h"
#include "util/crash_site.h"
#include "util/filename.h"
#include "util/planted.h"

namespace varve {

namespace {

constexpr size_t kCopyBytes = 1 << 20;

Status CopyFile(FileSystem* file_system, const std::string& from, const std::string& to,
                uint64_t bytes, RateLimiter* limiter) {
  std::unique_ptr<RandomAccessFile> source;
  Status status = file_system->NewRandomAccessFile(from, /*direct=*/false, &source);
  if (!status.ok()) return status;
  std::unique_ptr<WritableFile> copy;
  status = file_system->NewWritableFile(to, bytes, &copy);
  if (!status.ok()) return status;
  std::string buffer(std::min<uint64_t>(bytes, kCopyBytes), '\0');
  for (uint64_t offset = 0; status.ok() && offset < bytes;) {
    const size_t wanted = std::min<uint64_t>(bytes - offset, buffer.size());
    if (limiter != nullptr) limiter->Request(wanted, RateLimiter::Priority::kLow);
    size_t read = 0;
    status = source->Read(offset, wanted, buffer.data(), &read);
    if (status.ok() && read < wanted) {
      status =
          Status::Corruption(from + ": ends at " + std::to_string(offset + read) +
                             ", but the manifest gives it " + std::to_string(bytes) + " bytes");
    }
    if (status.ok()) status = copy->Append(Slice(buffer.data(), read));
    offset += read;
  }
  if (status.ok()) status = copy->Sync();
  const Status closed = copy->Close();
  return status.ok() ? closed : status;
}

// A directory of a database that is being made. Unless it is published it is removed, with all in
// it.
class Draft {
 public:
  Draft(FileSystem* file_system, std::string directory)
      : file_system_(file_system), wanted_(std::move(directory)) {
    while (wanted_.size() > 1 && wanted_.back() == '/') wanted_.pop_back();
    path_ = wanted_ + ".checkpoint.tmp";
  }
  ~Draft() {
    if (lock_ != nullptr && CheckLeftovers().ok()) Remove().ok();
  }

  // Makes the directory, takes its lock, and removes what an earlier attempt left.
  Status Begin() {
    Status status = CheckWanted();
    if (status.ok()) status = file_system_->CreateDirectory(path_);
    if (!status.ok()) return status;
    status = file_system_->LockFile(LockFileName(path_), &lock_);
    if (!status.ok()) {
      if (!status.IsBusy()) file_system_->RemoveDirectory(path_).ok();  // if it is empty
      return status;
    }
    status = CheckLeftovers();
    return status.ok() ? RemoveFiles() : status;
  }
  const std::string& path() const { return path_; }

  Status Publish() {
    Status status = file_system_->RenameFile(path_, wanted_);
    if (!status.ok()) return status;
    path_ = wanted_;
    status = file_system_->SyncDirectory(ParentDirectory(wanted_));
    if (status.ok()) lock_.reset();
    return status;
  }

 private:
  Status CheckWanted() {
    FileInfo info;
    Status status = file_system_->GetFileInfo(wanted_, &info);
    if (status.IsNotFound()) return Status::OK();
    if (!status.ok()) return status;
    if (!info.is_directory) return Status::InvalidArgument(wanted_ + ": not a directory");
    std::vector<std::string> names;
    status = file_system_->ListDirectory(wanted_, &names);
    if (status.ok() && !names.empty()) status = Status::InvalidArgument(wanted_ + ": not empty");
    return status;
  }

  // An attempt that was cut short leaves segments and manifests: no logs, nothing unknown. With
  // such files the directory is somebody else's, and is left alone.
  Status CheckLeftovers() {
    std::vector<std::string> names;
    Status status = file_system_->ListDirectory(path_, &names);
    if (!status.ok()) return status;
    for (const std::string& name : names) {
      FileNumber number;
      FileType type;
      if (!ParseFileName(name, &number, &type) || type == FileType::kLog ||
          type == FileType::kRecycledLog) {
        return Status::InvalidArgument(JoinPath(path_, name) + ": in the way of a checkpoint");
      }
    }
    return Status::OK();
  }

  // The manifest first, and for good: were its name lost later than those of segments, a crash
  // would leave a database with holes.
  Status RemoveFiles() {
    std::vector<std::string> names;
    Status status = file_system_->ListDirectory(path_, &names);
    const std::string manifest = ManifestFileName(path_);
    if (status.ok()) {
      status = file_system_->RemoveFile(manifest);
      if (status.IsNotFound()) status = Status::OK();
    }
    if (status.ok()) status = file_system_->SyncDirectory(path_);
    if (!status.ok()) return status;
    for (const std::string& name : names) {
      FileNumber number;
      FileType type;
      if (!ParseFileName(name, &number, &type) || type == FileType::kLock) continue;
      if (JoinPath(path_, name) == manifest) continue;
      const Status removed = file_system_->RemoveFile(JoinPath(path_, name));
      if (status.ok()) status = removed;
    }
    return status;
  }

  Status Remove() {
    Status status = RemoveFiles();
    if (status.ok()) status = file_system_->RemoveFile(LockFileName(path_));
    lock_.reset();
    if (status.ok()) status = file_system_->RemoveDirectory(path_);
    return status;
  }

  FileSystem* const file_system_;
  std::string wanted_;
  std::string path_;  // where it is now
  std::unique_ptr<FileLock> lock_;
};

Status TakeFile(const CheckpointSource& source, const NumberedFile& file, uint64_t bytes,
                const std::string& directory, CheckpointResult* result) {
  FileSystem* const file_system = source.options->env.file_system.get();
  const std::string from = FileName(source.directory, file);
  const std::string to = FileName(directory, file);
  if (file_system->LinkFile(from, to).ok()) {
    ++result->files_linked;
    return Status::OK();
  }
  // Another device, a file system without links, too many of them: whatever it is, if a copy
  // cannot be made either, that says why.
  Status status = CopyFile(file_system, from, to, bytes, source.limiter);
  if (!status.ok()) return status;
  ++result->files_copied;
  result->bytes_copied += bytes;
  return status;
}

// Calls `visit` with the entries of all segments and ghosts (RULES R2.1).
template <typename Visit>
void ForEachEntry(const Version& version, Visit visit) {
  version.ForEachSegment(
      [&](const std::shared_ptr<SegmentFile>& segment) { visit(segment->entry()); });
  if (VARVE_PLANTED("checkpoint without ghosts")) return;
  for (const auto& ghost : version.ghosts()) visit(ghost->entry());
}

Status WriteManifest(const CheckpointSource& source, const std::string& directory) {
  ManifestEdit content;
  content.retained_sequence = source.version->retained_sequence();
  content.clock_mark_ms = source.clock_mark_ms;
  SequenceNumber last = content.retained_sequence;
  ForEachEntry(*source.version, [&](const SegmentEntry& entry) {
    content.added.push_back(entry);
    last = std::max(last, entry.largest_sequence);
  });
  content.next_sequence = last + 1;
  ManifestOptions options;
  options.file_system = source.options->env.file_system;
  options.machine = source.options->env.machine;
  options.comparator = source.options->comparator->Name();
  if (source.options->cache()) options.mode_bits |= kCacheMode;
  std::unique_ptr<Manifest> manifest;
  Status status = Manifest::Create(options, directory, content, &manifest);
  if (!status.ok()) return status;
  ManifestEdit last_edit;
  last_edit.next_sequence = content.next_sequence;
  return manifest->Close(last_edit);
}

}  // namespace

Status MakeCheckpoint(const CheckpointSource& source, const std::string& directory,
                      CheckpointResult* result) {
  CrashSiteScope making(CrashSite::kCheckpoint);
  FileSystem* const file_system = source.options->env.file_system.get();
  Draft draft(file_system, directory);
  Status status = draft.Begin();
  if (!status.ok()) return status;
  std::vector<SegmentEntry> entries;
  ForEachEntry(*source.version, [&](const SegmentEntry& entry) { entries.push_back(entry); });
  for (const SegmentEntry& entry : entries) {
    for (const NumberedFile& file : FilesOf(entry)) {
      const uint64_t bytes = BytesOf(entry, file.type);
      status = TakeFile(source, file, bytes, draft.path(), result);
      if (!status.ok()) return status;
    }
  }
  status = file_system->SyncDirectory(draft.path());
  if (status.ok()) status = WriteManifest(source, draft.path());
  return status.ok() ? draft.Publish() : status;
}

}  // namespace varve
