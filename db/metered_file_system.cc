#include "db/metered_file_system.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "util/filename.h"
#include "util/mutex.h"
#include "util/thread.h"

namespace varve {

namespace {

constexpr uint64_t kBlockBytes = 4096;
// Extents in an inode, and in a block of the tree of extents.
constexpr uint64_t kInodeExtents = 4;
constexpr uint64_t kBlockExtents = 340;

// What LOCK holds, a process id.
constexpr uint64_t kLockBytes = kBlockBytes;

}  // namespace

uint64_t MeteredFileSystem::AllocationMax(uint64_t size) {
  const uint64_t blocks = (size + kBlockBytes - 1) / kBlockBytes;
  uint64_t map_blocks = 0;
  // As scattered as can be: an extent for each block.
  for (uint64_t extents = blocks; extents > kInodeExtents;) {
    extents = (extents + kBlockExtents - 1) / kBlockExtents;
    map_blocks += extents;
    if (extents == 1) break;
  }
  return (blocks + map_blocks) * kBlockBytes;
}

namespace {

// A file that is read, and can be taken from its readers. A read announces itself before it looks
// whether the file is still there, so whoever takes it away waits for those who saw it.
class ReadSlot {
 public:
  explicit ReadSlot(std::unique_ptr<RandomAccessFile> file) : file_(file.release()) {}
  ~ReadSlot() { Take(); }
  ReadSlot(const ReadSlot&) = delete;
  ReadSlot& operator=(const ReadSlot&) = delete;

  // Sequentially consistent, all of it: either Take() sees the read counted, or that finds null.
  RandomAccessFile* Begin() {
    reading_.fetch_add(1);
    return file_.load();
  }
  void End() { reading_.fetch_sub(1); }
  // Closes it; false if it was before.
  bool Take() {
    const std::unique_ptr<RandomAccessFile> file(file_.exchange(nullptr));
    if (file == nullptr) return false;
    for (SpinWait wait; reading_.load() != 0;) wait.Once();
    return true;
  }

 private:
  std::atomic<uint32_t> reading_{0};
  std::atomic<RandomAccessFile*> file_;  // null once it was taken
};

}  // namespace

// The files of the directory, by path, and what each is charged with.
class MeteredFileSystem::Account {
 public:
  struct File {
    std::string path;  // while linked
    uint64_t charged = 0;
    uint64_t grown = 0;  // the last time: if that fails below, it is not there
    int handles = 0;
    bool linked = true;
    std::shared_ptr<SpaceGrant> grant;  // that it draws from; null: what is free
    std::vector<std::shared_ptr<ReadSlot>> readers;
  };
  using FileRef = std::shared_ptr<File>;

  Account(std::shared_ptr<FileSystem> base, const std::string& directory,
          std::shared_ptr<SpaceLedger> ledger)
      : base_(std::move(base)),
        directory_(directory),
        prefix_(JoinPath(directory, "")),
        ledger_(std::move(ledger)) {}

  FileSystem* base() const { return base_.get(); }
  SpaceLedger* ledger() const { return ledger_.get(); }

  // Whether the path is of a file in the directory.
  bool Mine(const std::string& path) const {
    return path.size() > prefix_.size() && path.compare(0, prefix_.size(), prefix_) == 0 &&
           path.find('/', prefix_.size()) == std::string::npos;
  }
  std::string PathOf(const std::string& name) const { return prefix_ + name; }
  const std::string& directory() const { return directory_; }

  // A file that is about to be created, or is there already; with one more handle.
  FileRef Open(const std::string& path, const std::shared_ptr<SpaceGrant>& grant) {
    MutexLock lock(&mu_);
    FileRef& file = files_[path];
    if (file == nullptr) {
      file = std::make_shared<File>();
      file->path = path;
      file->grant = grant;
    }
    ++file->handles;
    return file;
  }

  // A handle was closed.
  void Closed(const FileRef& file) {
    uint64_t credit = 0;
    std::shared_ptr<SpaceGrant> grant;
    {
      MutexLock lock(&mu_);
      if (--file->handles == 0 && !file->linked) TakeCharge(file.get(), &credit, &grant);
    }
    GiveBack(credit, grant);
  }

  // Whether the file may take so many bytes more; if so they are charged.
  bool Grow(const FileRef& file, uint64_t bytes) {
    std::shared_ptr<SpaceGrant> grant;
    {
      MutexLock lock(&mu_);
      grant = file->grant;
    }
    if (!Draw(bytes, grant)) return false;
    MutexLock lock(&mu_);
    file->charged += bytes;
    file->grown = bytes;
    if (!file->linked) unlinked_bytes_ += bytes;
    return true;
  }
  // Whether it may take as much as AllocationMax() says of this size.
  bool GrowTo(const FileRef& file, uint64_t size) {
    const uint64_t wanted = AllocationMax(size);
    uint64_t charged;
    {
      MutexLock lock(&mu_);
      charged = file->charged;
    }
    return wanted <= charged || Grow(file, wanted - charged);
  }

  // The file takes so much and will not change.
  void Settle(const FileRef& file, uint64_t bytes) {
    uint64_t credit = 0;
    std::shared_ptr<SpaceGrant> grant;
    {
      MutexLock lock(&mu_);
      if (bytes < file->charged) {
        credit = file->charged - bytes;
        grant = file->grant;
      } else if (bytes > file->charged) {
        ledger_->Charge(bytes - file->charged);  // it is there, whatever was thought
      }
      file->charged = bytes;
    }
    GiveBack(credit, grant);
  }
  // The same, as the file system says; nothing changes where it says nothing.
  void SettleAsFound(const FileRef& file) {
    std::string path;
    {
      MutexLock lock(&mu_);
      if (!file->linked) return;
      path = file->path;
    }
    FileInfo info;
    if (base_->GetFileInfo(path, &info).ok()) {
      Settle(file, std::max(info.size, info.allocated_bytes));
    }
  }

  void Unlinked(const std::string& path) {
    uint64_t credit = 0;
    std::shared_ptr<SpaceGrant> grant;
    {
      MutexLock lock(&mu_);
      const auto found = files_.find(path);
      if (found == files_.end()) return;
      const FileRef file = std::move(found->second);
      files_.erase(found);
      Unlink(file.get(), &credit, &grant);
    }
    GiveBack(credit, grant);
  }
  void Renamed(const std::string& from, const std::string& to) {
    uint64_t credit = 0;
    std::shared_ptr<SpaceGrant> grant;
    {
      MutexLock lock(&mu_);
      FileRef moved;
      if (const auto found = files_.find(from); found != files_.end()) {
        moved = std::move(found->second);
        files_.erase(found);
      }
      if (const auto found = files_.find(to); found != files_.end()) {
        Unlink(found->second.get(), &credit, &grant);
        files_.erase(found);
      }
      if (moved != nullptr && Mine(to)) {
        moved->path = to;
        files_.emplace(to, std::move(moved));
      } else if (moved != nullptr) {  // out of the directory
        uint64_t more = 0;
        Unlink(moved.get(), &more, &grant);
        ledger_->Credit(more);
      }
    }
    GiveBack(credit, grant);
  }
  // A creation failed; if it has left a file all the same, that stays charged.
  void NotCreated(const FileRef& file) {
    FileInfo info;
    if (base_->GetFileInfo(file->path, &info).IsNotFound()) Unlinked(file->path);
    Closed(file);
  }

  void AddReader(const FileRef& file, const std::shared_ptr<ReadSlot>& reader) {
    MutexLock lock(&mu_);
    file->readers.push_back(reader);
  }
  void CloseReader(const FileRef& file, const std::shared_ptr<ReadSlot>& reader) {
    {
      MutexLock lock(&mu_);
      std::erase(file->readers, reader);
    }
    if (reader->Take()) Closed(file);
  }
  void CloseReaders(const std::string& path) {
    FileRef file;
    std::vector<std::shared_ptr<ReadSlot>> readers;
    {
      MutexLock lock(&mu_);
      const auto found = files_.find(path);
      if (found == files_.end()) return;
      file = found->second;
      readers.swap(file->readers);
    }
    for (const auto& reader : readers) {
      if (reader->Take()) Closed(file);
    }
  }

  uint64_t Charged(const std::string& path) const {
    MutexLock lock(&mu_);
    const auto found = files_.find(path);
    return found == files_.end() ? 0 : found->second->charged;
  }

  uint64_t unlinked_bytes() const {
    MutexLock lock(&mu_);
    return unlinked_bytes_;
  }

  // What an operation below on the file returned.
  Status Told(const FileRef& file, Status status) {
    if (!status.IsNoSpace()) [[likely]]
      return status;
    const SpaceLedger::State state = ledger_->state();
    MutexLock lock(&mu_);
    ++full_errors_;
    const uint64_t others = state.used - std::min(state.used, std::exchange(file->grown, 0));
    ledger_->SetLimit(std::min(state.limit, others));
    return status;
  }
  uint64_t full_errors() const {
    MutexLock lock(&mu_);
    return full_errors_;
  }
  void ProbeAfterFull(uint64_t now, uint64_t nanos_min, uint64_t nanos_max, uint64_t step) {
    const SpaceLedger::State state = ledger_->state();
    MutexLock lock(&mu_);
    if (state.limit == SpaceLedger::kUnlimited) return;
    if (full_errors_ != full_errors_seen_) {  // since the last look
      full_errors_seen_ = full_errors_;
      probe_nanos_ = std::clamp(2 * probe_nanos_, nanos_min, nanos_max);
      probe_at_ = now + probe_nanos_;
    }
    if (now < probe_at_) return;
    probe_at_ = now + nanos_min;
    const uint64_t limit = state.limit + std::max(step, state.limit / 16);
    const bool enough = limit >= state.capacity;
    if (enough) probe_nanos_ = 0;
    ledger_->SetLimit(enough ? SpaceLedger::kUnlimited : limit);
  }

  Status Refused(const std::string& path) const {
    const SpaceLedger::State state = ledger_->state();
    const uint64_t all = std::min(state.capacity, state.limit);
    return Status::NoSpace(
        path + ": capacity_bytes = " + std::to_string(state.capacity) + " is used up: " +
        std::to_string(state.used) + " by files, " + std::to_string(state.reserved) + " promised" +
        (all < state.capacity ? ", and the file system has only " + std::to_string(all) : ""));
  }

 private:
  bool Draw(uint64_t bytes, const std::shared_ptr<SpaceGrant>& grant) {
    if (grant != nullptr) return grant->Draw(bytes);
    SpaceLedger::Reservation room;
    if (!ledger_->TryReserve(bytes, &room)) return false;
    room.Commit(bytes);
    return true;
  }
  void GiveBack(uint64_t bytes, const std::shared_ptr<SpaceGrant>& grant) {
    if (bytes == 0) return;
    if (grant != nullptr) {
      grant->Return(bytes);
    } else {
      ledger_->Credit(bytes);
    }
  }
  void TakeCharge(File* file, uint64_t* credit, std::shared_ptr<SpaceGrant>* grant) REQUIRES(mu_) {
    *credit = std::exchange(file->charged, 0);
    *grant = file->grant;
    unlinked_bytes_ -= *credit;
  }
  void Unlink(File* file, uint64_t* credit, std::shared_ptr<SpaceGrant>* grant) REQUIRES(mu_) {
    file->linked = false;
    unlinked_bytes_ += file->charged;
    if (file->handles == 0) TakeCharge(file, credit, grant);
  }

  const std::shared_ptr<FileSystem> base_;
  const std::string directory_;
  const std::string prefix_;  // of the paths of its files
  const std::shared_ptr<SpaceLedger> ledger_;

  // Before the locks of grants and of the ledger.
  mutable Mutex mu_;
  std::map<std::string, FileRef> files_ GUARDED_BY(mu_);
  uint64_t unlinked_bytes_ GUARDED_BY(mu_) = 0;
  uint64_t full_errors_ GUARDED_BY(mu_) = 0;
  uint64_t full_errors_seen_ GUARDED_BY(mu_) = 0;
  uint64_t probe_at_ GUARDED_BY(mu_) = 0;
  uint64_t probe_nanos_ GUARDED_BY(mu_) = 0;
};

namespace {

using Account = MeteredFileSystem::Account;

// One open file, until it is closed.
class Handle {
 public:
  Handle(std::shared_ptr<Account> account, Account::FileRef file)
      : account_(std::move(account)), file_(std::move(file)) {}
  ~Handle() { Close(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Close() {
    if (std::exchange(open_, false)) account_->Closed(file_);
  }
  Account& account() const { return *account_; }
  const Account::FileRef& file() const { return file_; }
  Status Told(Status status) const { return account_->Told(file_, std::move(status)); }
  // Room for a file of this size, or why not.
  Status GrowTo(uint64_t size) const {
    return account_->GrowTo(file_, size) ? Status::OK() : account_->Refused(file_->path);
  }

 private:
  const std::shared_ptr<Account> account_;
  const Account::FileRef file_;
  bool open_ = true;
};

class MeteredReadFile final : public RandomAccessFile {
 public:
  MeteredReadFile(std::shared_ptr<Account> account, Account::FileRef file,
                  std::unique_ptr<RandomAccessFile> base)
      : account_(std::move(account)),
        file_(std::move(file)),
        path_(file_->path),
        direct_(base->direct()),
        slot_(std::make_shared<ReadSlot>(std::move(base))) {
    account_->AddReader(file_, slot_);
  }
  ~MeteredReadFile() override { account_->CloseReader(file_, slot_); }

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    const Reading file(slot_.get());
    return file.get() == nullptr ? Gone() : file.get()->Read(offset, size, buffer, bytes_read);
  }
  void MultiRead(ReadRequest* requests, size_t count) const override {
    const Reading file(slot_.get());
    if (file.get() != nullptr) return file.get()->MultiRead(requests, count);
    for (size_t i = 0; i < count; ++i) requests[i].status = Gone();
  }
  Status Size(uint64_t* size) const override {
    const Reading file(slot_.get());
    return file.get() == nullptr ? Gone() : file.get()->Size(size);
  }
  bool direct() const override {
    const Reading file(slot_.get());
    return file.get() == nullptr ? direct_ : file.get()->direct();
  }

 private:
  class Reading {
   public:
    explicit Reading(ReadSlot* slot) : slot_(slot), file_(slot->Begin()) {}
    ~Reading() { slot_->End(); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    RandomAccessFile* get() const { return file_; }

   private:
    ReadSlot* const slot_;
    RandomAccessFile* const file_;
  };

  Status Gone() const { return Status::Aborted(path_ + ": evicted; what read it is revoked"); }

  const std::shared_ptr<Account> account_;
  const Account::FileRef file_;
  const std::string path_;
  const bool direct_;
  const std::shared_ptr<ReadSlot> slot_;
};

class MeteredWritableFile final : public WritableFile {
 public:
  MeteredWritableFile(std::shared_ptr<Account> account, Account::FileRef file,
                      std::unique_ptr<WritableFile> base)
      : handle_(std::move(account), std::move(file)), base_(std::move(base)) {}

  Status Append(Slice data) override {
    if (refused_.ok()) refused_ = handle_.GrowTo(base_->size() + data.size());
    if (!refused_.ok()) return refused_;
    synced_ = false;
    return handle_.Told(base_->Append(data));
  }
  Status Sync() override {
    if (!refused_.ok()) return refused_;
    Status status = handle_.Told(base_->Sync());
    synced_ = status.ok();
    return status;
  }
  Status Close() override {
    Status status = handle_.Told(base_->Close());
    if (status.ok() && synced_) handle_.account().SettleAsFound(handle_.file());
    synced_ = false;
    handle_.Close();
    return status;
  }
  uint64_t size() const override { return base_->size(); }

 private:
  Handle handle_;  // outlives the file below, as the file is closed with that
  std::unique_ptr<WritableFile> base_;
  Status refused_;  // for want of room: the file is to be given up
  bool synced_ = false;
};

class MeteredRWFile final : public RandomRWFile {
 public:
  MeteredRWFile(std::shared_ptr<Account> account, Account::FileRef file,
                std::unique_ptr<RandomRWFile> base, uint64_t size)
      : handle_(std::move(account), std::move(file)), base_(std::move(base)), size_(size) {}

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    return base_->Read(offset, size, buffer, bytes_read);
  }
  Status Write(uint64_t offset, Slice data) override {
    const uint64_t end = offset + data.size();
    if (end > size_) {
      if (Status status = handle_.GrowTo(end); !status.ok()) return status;
    }
    Status status = handle_.Told(base_->Write(offset, data));
    if (status.ok()) {
      size_ = std::max(size_, end);
    } else {
      // Part of it may be there. What is not is asked for anew, before the file system is.
      if (!base_->Size(&size_).ok()) size_ = std::max(size_, end);
      handle_.account().SettleAsFound(handle_.file());
    }
    return status;
  }
  Status Sync() override { return handle_.Told(base_->Sync()); }
  Status Truncate(uint64_t size) override {
    if (size > size_) {
      if (Status status = handle_.GrowTo(size); !status.ok()) return status;
    }
    Status status = handle_.Told(base_->Truncate(size));
    if (!status.ok()) return status;
    if (size < size_)
      handle_.account().Settle(handle_.file(), MeteredFileSystem::AllocationMax(size));
    size_ = size;
    return status;
  }
  Status Size(uint64_t* size) const override { return base_->Size(size); }
  Status Close() override {
    Status status = base_->Close();
    handle_.Close();
    return status;
  }

 private:
  Handle handle_;
  std::unique_ptr<RandomRWFile> base_;
  uint64_t size_;
};

class MeteredLogFile final : public LogFile {
 public:
  MeteredLogFile(std::shared_ptr<Account> account, Account::FileRef file,
                 std::unique_ptr<LogFile> base)
      : handle_(std::move(account), std::move(file)), base_(std::move(base)) {}

  uint64_t capacity() const override { return base_->capacity(); }
  Status Copy(uint64_t offset, Slice data) override { return base_->Copy(offset, data); }
  Status Sync() override { return base_->Sync(); }
  Status Close() override {
    Status status = base_->Close();
    handle_.Close();
    return status;
  }
  bool mapped() const override { return base_->mapped(); }

 private:
  Handle handle_;
  std::unique_ptr<LogFile> base_;
};

}  // namespace

std::shared_ptr<MeteredFileSystem> MeteredFileSystem::New(std::shared_ptr<FileSystem> base,
                                                          const std::string& directory,
                                                          std::shared_ptr<SpaceLedger> ledger) {
  return std::shared_ptr<MeteredFileSystem>(new MeteredFileSystem(
      std::make_shared<Account>(std::move(base), directory, std::move(ledger)), nullptr));
}

MeteredFileSystem::MeteredFileSystem(std::shared_ptr<Account> account,
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
    const Account::FileRef file = account_->Open(path, nullptr);
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
  const Account::FileRef ref = account_->Open(path, nullptr);
  std::unique_ptr<RandomAccessFile> base;
  Status status = account_->base()->NewRandomAccessFile(path, direct, &base);
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  *file = std::make_unique<MeteredReadFile>(account_, ref, std::move(base));
  return status;
}

Status MeteredFileSystem::NewWritableFile(const std::string& path, uint64_t expected_bytes,
                                          std::unique_ptr<WritableFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewWritableFile(path, expected_bytes, file);
  const Account::FileRef ref = account_->Open(path, grant_);
  std::unique_ptr<WritableFile> base;
  Status status =
      account_->Told(ref, account_->base()->NewWritableFile(path, expected_bytes, &base));
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  *file = std::make_unique<MeteredWritableFile>(account_, ref, std::move(base));
  return status;
}

Status MeteredFileSystem::NewRandomRWFile(const std::string& path, bool create,
                                          std::unique_ptr<RandomRWFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewRandomRWFile(path, create, file);
  const Account::FileRef ref = account_->Open(path, grant_);
  std::unique_ptr<RandomRWFile> base;
  Status status = account_->Told(ref, account_->base()->NewRandomRWFile(path, create, &base));
  uint64_t size = 0;
  if (status.ok()) status = base->Size(&size);
  if (!status.ok()) {
    account_->NotCreated(ref);
    return status;
  }
  *file = std::make_unique<MeteredRWFile>(account_, ref, std::move(base), size);
  return status;
}

Status MeteredFileSystem::NewLogFile(const std::string& path, const LogFileOptions& options,
                                     std::unique_ptr<LogFile>* file) {
  if (!account_->Mine(path)) return account_->base()->NewLogFile(path, options, file);
  const Account::FileRef ref = account_->Open(path, grant_);
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
  *file = std::make_unique<MeteredLogFile>(account_, ref, std::move(base));
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
  *file = std::make_unique<MeteredLogFile>(account_, account_->Open(new_path, nullptr),
                                           std::move(base));
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
    const Account::FileRef file = account_->Open(path, nullptr);
    account_->Settle(file, kLockBytes);
    account_->Closed(file);
  }
  return account_->base()->LockFile(path, lock);
}

Status MeteredFileSystem::GetFreeSpace(const std::string& path, uint64_t* bytes) {
  return account_->base()->GetFreeSpace(path, bytes);
}

}  // namespace varve
