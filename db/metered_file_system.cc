#include "db/metered_file_system.h"

#include <algorithm>
#include <utility>

#include "db/metered_files.h"

namespace varve {

namespace {

// What LOCK holds, a process id.
constexpr uint64_t kLockBytes = 4096;

}  // namespace

std::shared_ptr<MeteredFileSystem> MeteredFileSystem::New(std::shared_ptr<FileSystem> base,
                                                          const std::string& directory,
                                                          std::shared_ptr<SpaceLedger> ledger) {
  return std::shared_ptr<MeteredFileSystem>(new MeteredFileSystem(
      std::make_shared<SpaceAccount>(std::move(base), directory, std::move(ledger)), nullptr));
}

MeteredFileSystem::MeteredFileSystem(std::shared_ptr<SpaceAccount> account,
                                     std::shared_ptr<SpaceGrant> grant)
    : account_(std::move(account)), grant_(std::move(grant)) {}

MeteredFileSystem::~MeteredFileSystem() = default;

Status MeteredFileSystem::ChargeDirectory() {
  std::vector<std::string> names;
  Status status = account_->base()->ListDirectory(account_->directory(), &names);
  if (!status.ok()) return status;
  for (const std::string& name : names) {
    const std::string path = account_->PathOf(name);
    FileInfo info;
    status = account_->base()->GetFileInfo(path, &info);
    if (status.IsNotFound()) continue;
    if (!status.ok()) return status;
    if (info.is_directory) continue;
    const SpaceAccount::FileRef file = account_->Open(path, nullptr);
    // LOCK is charged already.
    account_->Settle(file, std::max({file->charged, info.size, info.allocated_bytes}));
    account_->Closed(file);
  }
  return Status::OK();
}

std::shared_ptr<MeteredFileSystem> MeteredFileSystem::Drawing(
    std::shared_ptr<SpaceGrant> grant) const {
  return std::shared_ptr<MeteredFileSystem>(new MeteredFileSystem(account_, std::move(grant)));
}

void MeteredFileSystem::CloseReaders(const std::string& path) { account_->CloseReaders(path); }

uint64_t MeteredFileSystem::charged(const std::string& path) const {
  return account_->Charged(path);
}

uint64_t MeteredFileSystem::unlinked_bytes() const { return account_->unlinked_bytes(); }
uint64_t MeteredFileSystem::full_errors() const { return account_->full_errors(); }
void MeteredFileSystem::ProbeAfterFull(uint64_t now_nanos, uint64_t nanos_min, uint64_t nanos_max,
                                       uint64_t step_bytes) {
  account_->ProbeAfterFull(now_nanos, nanos_min, nanos_max, step_bytes);
}

Status MeteredFileSystem::NewRandomAccessFile(const std::string& path, bool direct,
                                              std::unique_ptr<RandomAccessFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewRandomAccessFile(path, direct, file);
  // Before it is opened: from then on an unlink does not give its room back.
  const SpaceAccount::FileRef ref = account_->Open(path, nullptr);
  std::unique_ptr<RandomAccessFile> base;
  Status status = account_->base()->NewRandomAccessFile(path, direct, &base);
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  *file = NewMeteredFile(account_, ref, std::move(base));
  return status;
}

Status MeteredFileSystem::NewWritableFile(const std::string& path, uint64_t expected_bytes,
                                          std::unique_ptr<WritableFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewWritableFile(path, expected_bytes, file);
  const SpaceAccount::FileRef ref = account_->Open(path, grant_);
  std::unique_ptr<WritableFile> base;
  Status status =
      account_->Told(ref, account_->base()->NewWritableFile(path, expected_bytes, &base));
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  *file = NewMeteredFile(account_, ref, std::move(base));
  return status;
}

Status MeteredFileSystem::NewRandomRWFile(const std::string& path, bool create,
                                          std::unique_ptr<RandomRWFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewRandomRWFile(path, create, file);
  const SpaceAccount::FileRef ref = account_->Open(path, grant_);
  std::unique_ptr<RandomRWFile> base;
  Status status = account_->Told(ref, account_->base()->NewRandomRWFile(path, create, &base));
  uint64_t size = 0;
  if (status.ok()) status = base->Size(&size);
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  *file = NewMeteredFile(account_, ref, std::move(base), size);
  return status;
}

Status MeteredFileSystem::NewLogFile(const std::string& path, const LogFileOptions& options,
                                     std::unique_ptr<LogFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewLogFile(path, options, file);
  const SpaceAccount::FileRef ref = account_->Open(path, grant_);
  Status status;
  std::unique_ptr<LogFile> base;
  if (!account_->GrowTo(ref, options.capacity)) {
    status = account_->Refused(path);
  } else {
    status = account_->Told(ref, account_->base()->NewLogFile(path, options, &base));
  }
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  account_->SettleAsFound(ref);
  *file = NewMeteredFile(account_, ref, std::move(base));
  return status;
}

Status MeteredFileSystem::ReuseLogFile(const std::string& old_path, const std::string& new_path,
                                       const LogFileOptions& options,
                                       std::unique_ptr<LogFile>* file) {
  if (!account_->Mine(new_path) || !account_->Mine(old_path)) {
    return account_->base()->ReuseLogFile(old_path, new_path, options, file);
  }
  std::unique_ptr<LogFile> base;
  Status status = account_->base()->ReuseLogFile(old_path, new_path, options, &base);
  if (!status.ok()) return status;
  account_->Renamed(old_path, new_path);
  *file = NewMeteredFile(account_, account_->Open(new_path, nullptr), std::move(base));
  return status;
}

Status MeteredFileSystem::GetFileInfo(const std::string& path, FileInfo* info) {
  return account_->base()->GetFileInfo(path, info);
}
Status MeteredFileSystem::ListDirectory(const std::string& path, std::vector<std::string>* names) {
  return account_->base()->ListDirectory(path, names);
}
Status MeteredFileSystem::CreateDirectory(const std::string& path) {
  return account_->base()->CreateDirectory(path);
}
Status MeteredFileSystem::RemoveDirectory(const std::string& path) {
  return account_->base()->RemoveDirectory(path);
}

Status MeteredFileSystem::RemoveFile(const std::string& path) {
  Status status = account_->base()->RemoveFile(path);
  if ((status.ok() || status.IsNotFound()) && account_->Mine(path)) account_->Unlinked(path);
  return status;
}

Status MeteredFileSystem::RenameFile(const std::string& from, const std::string& to) {
  Status status = account_->base()->RenameFile(from, to);
  if (status.ok() && (account_->Mine(from) || account_->Mine(to))) account_->Renamed(from, to);
  return status;
}

Status MeteredFileSystem::LinkFile(const std::string& from, const std::string& to) {
  return account_->base()->LinkFile(from, to);
}
Status MeteredFileSystem::SyncDirectory(const std::string& path) {
  return account_->base()->SyncDirectory(path);
}

Status MeteredFileSystem::LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) {
  if (account_->Mine(path)) {
    // Without asking: until it is held nobody may make room.
    const SpaceAccount::FileRef file = account_->Open(path, nullptr);
    account_->Settle(file, kLockBytes);
    account_->Closed(file);
  }
  return account_->base()->LockFile(path, lock);
}

Status MeteredFileSystem::GetFreeSpace(const std::string& path, uint64_t* bytes) {
  return account_->base()->GetFreeSpace(path, bytes);
}

}  // namespace varve
