#include "tests/support/sim_file_system.h"

#include <algorithm>
#include <cassert>

#include "util/hash.h"
#include "util/scheduler.h"

namespace varve {
namespace {

// Where another task of a test may go on, in every build.
void GiveWay() {
  if (Scheduler* scheduler = Scheduler::Current(); scheduler != nullptr) scheduler->Point();
}

}  // namespace

// ---- Open files ---------------------------------------------------------------------------

// An inode that stays as long as it is open, whatever its name.
class SimFileSystem::Handle {
 public:
  Handle(std::shared_ptr<SimFileSystem> fs, InodeNumber inode, std::string path)
      : fs_(std::move(fs)), inode_(inode), path_(std::move(path)) {
    ++fs_->open_[inode_];  // whoever makes one holds the mutex
  }
  ~Handle() { Release(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const {
    std::lock_guard<std::mutex> lock(fs_->mutex_);
    if (Status s = fs_->Check(kSimRead, path_); !s.ok()) return s;
    *bytes_read = fs_->disk_.Read(inode_, offset, size, buffer);
    return Status::OK();
  }
  Status Write(uint64_t offset, Slice data, bool mapped) {
    std::lock_guard<std::mutex> lock(fs_->mutex_);
    return fs_->Write(inode_, path_, offset, data, mapped);
  }
  Status Sync() { return fs_->Sync(inode_, path_); }
  Status Size(uint64_t* size) const {
    std::lock_guard<std::mutex> lock(fs_->mutex_);
    if (Status s = fs_->Check(kSimInfo, path_); !s.ok()) return s;
    *size = fs_->disk_.Size(inode_);
    return Status::OK();
  }
  Status Truncate(uint64_t size) {
    std::lock_guard<std::mutex> lock(fs_->mutex_);
    if (Status s = fs_->Check(kSimTruncate, path_); !s.ok()) return s;
    return fs_->Resize(inode_, path_, size);
  }
  Status Close() {
    Status s;
    {
      std::lock_guard<std::mutex> lock(fs_->mutex_);
      s = fs_->Check(kSimClose, path_);
    }
    Release();
    return s;
  }

 private:
  void Release() {
    if (released_) return;
    released_ = true;
    std::lock_guard<std::mutex> lock(fs_->mutex_);
    const auto open = fs_->open_.find(inode_);
    if (--open->second > 0) return;
    fs_->open_.erase(open);
    if (fs_->disk_.Links(inode_) == 0) fs_->disk_.Collect(fs_->open_);
  }

  const std::shared_ptr<SimFileSystem> fs_;
  const InodeNumber inode_;
  const std::string path_;
  bool released_ = false;
};

class SimFileSystem::Reader : public RandomAccessFile {
 public:
  Reader(std::shared_ptr<SimFileSystem> fs, InodeNumber inode, const std::string& path)
      : handle_(std::move(fs), inode, path) {}
  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    return handle_.Read(offset, size, buffer, bytes_read);
  }
  Status Size(uint64_t* size) const override { return handle_.Size(size); }

 private:
  Handle handle_;
};

class SimFileSystem::Writer : public WritableFile {
 public:
  Writer(std::shared_ptr<SimFileSystem> fs, InodeNumber inode, const std::string& path)
      : handle_(std::move(fs), inode, path) {}
  Status Append(Slice data) override {
    Status s = handle_.Write(size_, data, /*mapped=*/false);
    if (s.ok()) size_ += data.size();
    return s;
  }
  Status Sync() override { return handle_.Sync(); }
  Status Close() override { return handle_.Close(); }
  uint64_t size() const override { return size_; }

 private:
  Handle handle_;
  uint64_t size_ = 0;
};

class SimFileSystem::ReadWriter : public RandomRWFile {
 public:
  ReadWriter(std::shared_ptr<SimFileSystem> fs, InodeNumber inode, const std::string& path)
      : handle_(std::move(fs), inode, path) {}
  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    return handle_.Read(offset, size, buffer, bytes_read);
  }
  Status Write(uint64_t offset, Slice data) override {
    return handle_.Write(offset, data, /*mapped=*/false);
  }
  Status Sync() override { return handle_.Sync(); }
  Status Truncate(uint64_t size) override { return handle_.Truncate(size); }
  Status Size(uint64_t* size) const override { return handle_.Size(size); }
  Status Close() override { return handle_.Close(); }

 private:
  Handle handle_;
};

class SimFileSystem::Log : public LogFile {
 public:
  Log(std::shared_ptr<SimFileSystem> fs, InodeNumber inode, const std::string& path,
      uint64_t capacity, bool mapped)
      : fs_(fs), handle_(std::move(fs), inode, path), capacity_(capacity), mapped_(mapped) {}
  uint64_t capacity() const override { return capacity_; }
  Status Copy(uint64_t offset, Slice data) override {
    assert(offset + data.size() <= capacity_);
    // Stores reach memory in any order: now and then a copy is cut in two, the second half first.
    size_t cut = 0;
    if (mapped_ && data.size() > 1) {
      std::lock_guard<std::mutex> lock(fs_->mutex_);
      if (fs_->Draw(4) == 0) cut = 1 + fs_->Draw(data.size() - 1);
    }
    if (cut > 0) {
      if (Status s = handle_.Write(offset + cut, data.substr(cut), mapped_); !s.ok()) return s;
      GiveWay();
      data = data.substr(0, cut);
    }
    return handle_.Write(offset, data, mapped_);
  }
  Status Sync() override { return handle_.Sync(); }
  Status Close() override { return handle_.Close(); }
  bool mapped() const override { return mapped_; }

 private:
  const std::shared_ptr<SimFileSystem> fs_;
  Handle handle_;
  const uint64_t capacity_;
  const bool mapped_;
};

class SimFileSystem::Lock : public FileLock {
 public:
  Lock(std::shared_ptr<SimFileSystem> fs, std::string path)
      : fs_(std::move(fs)), path_(std::move(path)) {}
  ~Lock() override {
    std::lock_guard<std::mutex> lock(fs_->mutex_);
    fs_->locks_.erase(path_);
  }

 private:
  const std::shared_ptr<SimFileSystem> fs_;
  const std::string path_;
};

// ---- For the harness ----------------------------------------------------------------------

std::shared_ptr<SimFileSystem> SimFileSystem::New(const SimOptions& options) {
  return New(options, SimDisk());
}

std::shared_ptr<SimFileSystem> SimFileSystem::New(const SimOptions& options, SimDisk disk) {
  return std::shared_ptr<SimFileSystem>(new SimFileSystem(options, std::move(disk)));
}

SimFileSystem::SimFileSystem(const SimOptions& options, SimDisk disk)
    : options_(options), disk_(std::move(disk)), random_(options.seed) {
  if (options_.record) history_.initial = disk_;
  if (!options_.track) disk_.StopTracking();
}

SimDisk SimFileSystem::disk() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return disk_;
}

uint64_t SimFileSystem::op_count() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return options_.record ? history_.ops.size() : disk_.clock();
}

void SimFileSystem::LieAboutSync(uint64_t nth) {
  std::lock_guard<std::mutex> lock(mutex_);
  syncs_to_lie_ = nth;
}

uint64_t SimFileSystem::first_lie() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return first_lie_;
}

void SimFileSystem::InjectFault(const SimFault& fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  fault_ = fault;
  fault_set_ = true;
  calls_counted_ = calls_failed_ = 0;
  first_failure_ = UINT64_MAX;
}

void SimFileSystem::ClearFault() {
  std::lock_guard<std::mutex> lock(mutex_);
  fault_set_ = false;
}

uint64_t SimFileSystem::calls_counted() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return calls_counted_;
}

uint64_t SimFileSystem::first_failure() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return first_failure_;
}

uint64_t SimFileSystem::calls_failed() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return calls_failed_;
}

void SimFileSystem::Freeze() {
  std::lock_guard<std::mutex> lock(mutex_);
  frozen_ = true;
}

uint64_t SimFileSystem::used_bytes_max() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return used_bytes_max_;
}

int SimFileSystem::open_files() const {
  std::lock_guard<std::mutex> lock(mutex_);
  int count = 0;
  for (const auto& [inode, handles] : open_) count += handles;
  return count;
}

void SimFileSystem::WatchDirectory(const std::string& directory) {
  std::lock_guard<std::mutex> lock(mutex_);
  watched_ = disk_.Find(directory);
  assert(watched_ != 0);
  watched_bytes_max_ = WatchedBytes();
}

uint64_t SimFileSystem::TakeWatchedBytesMax() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(watched_bytes_max_, WatchedBytes());
}

std::vector<std::string> SimFileSystem::names_given() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return names_given_;
}

std::string SimFileSystem::ReadAll(const std::string& path) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const InodeNumber inode = disk_.Find(path);
  assert(inode != 0);
  std::string bytes(disk_.Size(inode), '\0');
  bytes.resize(disk_.Read(inode, 0, bytes.size(), bytes.data()));
  return bytes;
}

void SimFileSystem::Damage(const std::string& path, uint64_t offset, Slice bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  disk_.Damage(disk_.Find(path), offset, bytes);
}

// ---- What all calls share -----------------------------------------------------------------

Status SimFileSystem::Check(SimCall call, const std::string& path) {
  if (frozen_) return Status::IOError(path + ": the simulated process is dead");
  if (!fault_set_ || (fault_.calls & call) == 0) return Status::OK();
  if (path.find(fault_.path_part) == std::string::npos) return Status::OK();
  ++calls_counted_;
  if (calls_counted_ < fault_.nth || (calls_counted_ > fault_.nth && !fault_.forever)) {
    return Status::OK();
  }
  if (calls_failed_++ == 0) first_failure_ = options_.record ? history_.ops.size() : disk_.clock();
  return Status(fault_.code, path + ": injected fault");
}

Status SimFileSystem::Missing(const std::string& path) const {
  return Status::NotFound(path + ": No such file or directory");
}

void SimFileSystem::Record(SimOp op) {
  op.site = CurrentCrashSite();
  if (!op.new_entry.empty()) names_given_.push_back(op.new_entry);
  const bool watched = watched_ != 0 && MayGrow(op);
  disk_.Apply(op);
  if (watched) watched_bytes_max_ = std::max(watched_bytes_max_, WatchedBytes());
  if (options_.record) history_.ops.push_back(std::move(op));
}

void SimFileSystem::Did(CrashStep step) {
  std::lock_guard lock(mutex_);
  if (frozen_) return;
  SimOp op{.kind = SimOpKind::kStep};
  op.step = step;
  Record(std::move(op));
}

const std::string& SimFileSystem::LatestPath(InodeNumber inode, const std::string& path) const {
  const auto it = paths_.find(inode);
  return it == paths_.end() ? path : it->second;
}

uint64_t SimFileSystem::Draw(uint64_t bound) {
  random_ += 0x9e3779b97f4a7c15u;
  return Mix64(random_) % bound;
}

uint64_t SimFileSystem::UsedBytes() const { return disk_.UsedBytes(open_); }

// Whether a directory may take more after it than before.
bool SimFileSystem::MayGrow(const SimOp& op) const {
  switch (op.kind) {
    case SimOpKind::kWrite:
      return op.offset + op.data->size() > disk_.Size(op.inode);
    case SimOpKind::kResize:
    case SimOpKind::kLink:
    case SimOpKind::kRename:
      return true;
    default:
      return false;
  }
}

uint64_t SimFileSystem::WatchedBytes() const {
  uint64_t sum = 0;
  const auto take = [&](InodeNumber inode) {
    sum += std::max(disk_.Size(inode), disk_.AllocatedBytes(inode));
  };
  std::set<InodeNumber> named;
  for (const auto& [name, inode] : disk_.Entries(watched_)) {
    if (!disk_.IsDirectory(inode) && named.insert(inode).second) take(inode);
  }
  for (const auto& [inode, handles] : open_) {
    if (disk_.Links(inode) == 0) take(inode);
  }
  return sum;
}

Status SimFileSystem::Reserve(uint64_t bytes, const std::string& path) {
  if (options_.capacity_bytes == UINT64_MAX) return Status::OK();
  const uint64_t used = UsedBytes() + bytes;
  if (used > options_.capacity_bytes) return Status::NoSpace(path + ": No space left on device");
  used_bytes_max_ = std::max(used_bytes_max_, used);
  return Status::OK();
}

Status SimFileSystem::Create(SimOpKind kind, const std::string& path, InodeNumber* inode) {
  SimOp op{.kind = kind};
  op.path = path;
  op.directory = disk_.FindParent(path, &op.new_entry);
  if (op.directory == 0 || op.new_entry.empty()) return Missing(path);
  if (disk_.Find(path) != 0) return Status::IOError(path + ": File exists");
  *inode = op.inode = disk_.next_inode();
  paths_[*inode] = path;
  Record(std::move(op));
  return Status::OK();
}

Status SimFileSystem::Open(const std::string& path, InodeNumber* inode) {
  *inode = disk_.Find(path);
  if (*inode == 0) return Missing(path);
  if (disk_.IsDirectory(*inode)) return Status::IOError(path + ": Is a directory");
  return Status::OK();
}

Status SimFileSystem::Write(InodeNumber inode, const std::string& path, uint64_t offset, Slice data,
                            bool mapped) {
  Status s = Check(kSimWrite, path);
  const uint64_t size = disk_.Size(inode), end = offset + data.size();
  if (s.ok() && end > size) {
    s = Reserve(
        (end + kSimPageBytes - 1) / kSimPageBytes * kSimPageBytes - disk_.AllocatedBytes(inode),
        path);
  }
  if (frozen_) return s;
  // Of a write that fails a part may be there.
  if (!s.ok()) data = s.IsNoSpace() ? Slice() : data.substr(0, Draw(data.size() + 1));
  if (!data.empty()) {
    SimOp op{.kind = SimOpKind::kWrite};
    op.mapped = mapped;
    op.inode = inode;
    op.offset = offset;
    op.path = LatestPath(inode, path);
    op.data = std::make_shared<const std::string>(data);
    Record(std::move(op));
  }
  return s.ok() ? s : s.WithContext("write at offset " + std::to_string(offset));
}

Status SimFileSystem::Resize(InodeNumber inode, const std::string& path, uint64_t size) {
  if (size > disk_.Size(inode)) {
    if (Status s = Reserve(size - disk_.Size(inode), path); !s.ok()) return s;
  }
  SimOp op{.kind = SimOpKind::kResize};
  op.inode = inode;
  op.offset = size;
  op.path = LatestPath(inode, path);
  Record(std::move(op));
  return Status::OK();
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to, InodeNumber* inode) {
  SimOp op{.kind = SimOpKind::kRename};
  op.inode = *inode = disk_.Find(from);
  if (op.inode == 0) return Missing(from);
  op.directory = disk_.FindParent(from, &op.old_entry);
  const InodeNumber target = disk_.FindParent(to, &op.new_entry);
  if (target == 0) return Missing(to);
  op.path = from;
  if (from == to) return Status::OK();
  paths_[op.inode] = to;
  if (target == op.directory) {
    Record(std::move(op));
    return Status::OK();
  }
  // Between directories: two entries that reach the disk apart.
  SimOp link = op;
  link.kind = SimOpKind::kLink;
  link.directory = target;
  link.old_entry.clear();
  Record(std::move(link));
  op.kind = SimOpKind::kUnlink;
  op.new_entry.clear();
  Record(std::move(op));
  return Status::OK();
}

Status SimFileSystem::SyncInode(SimOpKind begin, InodeNumber inode, const std::string& path) {
  const bool directory = begin == SimOpKind::kDirectorySyncBegin;
  SimOp op{.kind = begin};
  op.inode = inode;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    op.path = LatestPath(inode, path);
    if (frozen_) return Check(kSimSync, path);
    Record(op);
    op.begin = disk_.clock();
  }
  GiveWay();
  std::lock_guard<std::mutex> lock(mutex_);
  const Status s = Check(directory ? kSimDirectorySync : kSimSync, path);
  if (frozen_) return s;
  op.kind = directory ? SimOpKind::kDirectorySyncEnd : SimOpKind::kSyncEnd;
  op.ok = s.ok();
  op.seed = Draw(UINT64_MAX);
  if (op.ok && syncs_to_lie_ > 0 && --syncs_to_lie_ == 0) {
    op.begin = 0;  // nothing was written before that
    first_lie_ = options_.record ? history_.ops.size() : disk_.clock();
  }
  Record(std::move(op));
  if (directory) disk_.Collect(open_);
  return s.WithContext("sync");
}

Status SimFileSystem::Sync(InodeNumber inode, const std::string& path) {
  return SyncInode(SimOpKind::kSyncBegin, inode, path);
}

// ---- FileSystem ---------------------------------------------------------------------------

Status SimFileSystem::NewRandomAccessFile(const std::string& path, bool /*direct*/,
                                          std::unique_ptr<RandomAccessFile>* file) {
  std::unique_ptr<RandomAccessFile> made;  // freed, if at all, without the mutex
  Status s;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    InodeNumber inode = 0;
    s = Check(kSimOpen, path);
    if (s.ok()) s = Open(path, &inode);
    if (s.ok()) made = std::make_unique<Reader>(shared_from_this(), inode, path);
  }
  if (s.ok()) *file = std::move(made);
  return s;
}

Status SimFileSystem::NewWritableFile(const std::string& path, uint64_t /*expected_bytes*/,
                                      std::unique_ptr<WritableFile>* file) {
  std::unique_ptr<WritableFile> made;  // freed, if at all, without the mutex
  Status s;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    InodeNumber inode = 0;
    s = Check(kSimCreate, path);
    if (s.ok()) s = Create(SimOpKind::kCreate, path, &inode);
    if (s.ok()) made = std::make_unique<Writer>(shared_from_this(), inode, path);
  }
  if (s.ok()) *file = std::move(made);
  return s;
}

Status SimFileSystem::NewRandomRWFile(const std::string& path, bool create,
                                      std::unique_ptr<RandomRWFile>* file) {
  std::unique_ptr<RandomRWFile> made;  // freed, if at all, without the mutex
  Status s;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    InodeNumber inode = 0;
    s = Check(create ? kSimCreate : kSimOpen, path);
    if (s.ok()) s = create ? Create(SimOpKind::kCreate, path, &inode) : Open(path, &inode);
    if (s.ok()) made = std::make_unique<ReadWriter>(shared_from_this(), inode, path);
  }
  if (s.ok()) *file = std::move(made);
  return s;
}

Status SimFileSystem::NewLogFile(const std::string& path, const LogFileOptions& options,
                                 std::unique_ptr<LogFile>* file) {
  std::unique_ptr<LogFile> made;
  InodeNumber inode = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    Status s = Check(kSimCreate, path);
    if (s.ok()) s = Create(SimOpKind::kCreate, path, &inode);
    if (!s.ok()) return s;
    made = std::make_unique<Log>(shared_from_this(), inode, path, options.capacity,
                                 options_.mapped_logs && options.allow_mapped);
    // Zeros need no pages: what is written is the length.
    for (const uint64_t size : {options.capacity / 2, options.capacity}) {
      s = Check(kSimWrite, path);
      if (s.ok()) s = Resize(inode, path, size);
      if (!s.ok()) return s;
    }
  }
  Status s = Sync(inode, path);
  if (s.ok()) *file = std::move(made);
  return s;
}

Status SimFileSystem::ReuseLogFile(const std::string& old_path, const std::string& new_path,
                                   const LogFileOptions& options, std::unique_ptr<LogFile>* file) {
  std::unique_ptr<LogFile> made;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    InodeNumber inode = 0;
    Status s = Check(kSimRename, old_path);
    if (s.ok()) s = Open(old_path, &inode);
    if (!s.ok()) return s;
    if (disk_.Size(inode) != options.capacity) {
      return Status::InvalidArgument(old_path + ": size " + std::to_string(disk_.Size(inode)) +
                                     ", wanted " + std::to_string(options.capacity));
    }
    if (disk_.Find(new_path) != 0) return Status::IOError(new_path + ": File exists");
    if (s = Rename(old_path, new_path, &inode); !s.ok()) return s;
    made = std::make_unique<Log>(shared_from_this(), inode, new_path, options.capacity,
                                 options_.mapped_logs && options.allow_mapped);
  }
  *file = std::move(made);
  return Status::OK();
}

Status SimFileSystem::GetFileInfo(const std::string& path, FileInfo* info) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Status s = Check(kSimInfo, path); !s.ok()) return s;
  const InodeNumber inode = disk_.Find(path);
  if (inode == 0) return Missing(path);
  info->size = disk_.Size(inode);
  info->allocated_bytes = disk_.AllocatedBytes(inode);
  info->is_directory = disk_.IsDirectory(inode);
  info->links = disk_.Links(inode);
  return Status::OK();
}

Status SimFileSystem::ListDirectory(const std::string& path, std::vector<std::string>* names) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Status s = Check(kSimList, path); !s.ok()) return s;
  const InodeNumber inode = disk_.Find(path);
  if (inode == 0) return Missing(path);
  if (!disk_.IsDirectory(inode)) return Status::IOError(path + ": Not a directory");
  names->clear();
  for (const auto& [name, child] : disk_.Entries(inode)) names->push_back(name);
  return Status::OK();
}

Status SimFileSystem::CreateDirectory(const std::string& path) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Status s = Check(kSimMakeDirectory, path); !s.ok()) return s;
  InodeNumber inode = disk_.Find(path);
  if (inode == 0) return Create(SimOpKind::kMakeDirectory, path, &inode);
  return disk_.IsDirectory(inode) ? Status::OK() : Status::IOError(path + ": File exists");
}

Status SimFileSystem::Unlink(const std::string& path) {
  SimOp op{.kind = SimOpKind::kUnlink};
  op.path = path;
  op.inode = disk_.Find(path);
  op.directory = disk_.FindParent(path, &op.old_entry);
  const InodeNumber inode = op.inode;
  Record(std::move(op));
  if (disk_.Links(inode) == 0 && open_.count(inode) == 0) disk_.Collect(open_);
  return Status::OK();
}

Status SimFileSystem::RemoveDirectory(const std::string& path) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Status s = Check(kSimRemove, path); !s.ok()) return s;
  const InodeNumber inode = disk_.Find(path);
  if (inode == 0) return Missing(path);
  if (!disk_.IsDirectory(inode)) return Status::IOError(path + ": Not a directory");
  if (!disk_.Entries(inode).empty()) return Status::IOError(path + ": Directory not empty");
  return Unlink(path);
}

Status SimFileSystem::RemoveFile(const std::string& path) {
  std::lock_guard<std::mutex> lock(mutex_);
  InodeNumber inode = 0;
  Status s = Check(kSimRemove, path);
  if (s.ok()) s = Open(path, &inode);
  return s.ok() ? Unlink(path) : s;
}

Status SimFileSystem::RenameFile(const std::string& from, const std::string& to) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Status s = Check(kSimRename, from); !s.ok()) return s;
  InodeNumber inode = 0;
  return Rename(from, to, &inode);
}

Status SimFileSystem::LinkFile(const std::string& from, const std::string& to) {
  std::lock_guard<std::mutex> lock(mutex_);
  SimOp op{.kind = SimOpKind::kLink};
  Status s = Check(kSimLink, from);
  if (s.ok()) s = Open(from, &op.inode);
  if (!s.ok()) return s;
  op.directory = disk_.FindParent(to, &op.new_entry);
  if (op.directory == 0) return Missing(to);
  if (disk_.Find(to) != 0) return Status::IOError(to + ": File exists");
  op.path = to;
  Record(std::move(op));
  return Status::OK();
}

Status SimFileSystem::SyncDirectory(const std::string& path) {
  InodeNumber inode = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    inode = disk_.Find(path);
    if (inode == 0) return Missing(path);
    if (!disk_.IsDirectory(inode)) return Status::IOError(path + ": Not a directory");
  }
  return SyncInode(SimOpKind::kDirectorySyncBegin, inode, path);
}

Status SimFileSystem::LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    if (Status s = Check(kSimLock, path); !s.ok()) return s;
    InodeNumber inode = disk_.Find(path);
    if (inode == 0) {
      if (Status s = Create(SimOpKind::kCreate, path, &inode); !s.ok()) return s;
    }
    if (!locks_.insert(path).second) return Status::Busy(path + ": held by another opener");
  }
  *lock = std::make_unique<Lock>(shared_from_this(), path);
  return Status::OK();
}

Status SimFileSystem::GetFreeSpace(const std::string& path, uint64_t* bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Status s = Check(kSimInfo, path); !s.ok()) return s;
  const uint64_t used = UsedBytes();
  *bytes = options_.capacity_bytes == UINT64_MAX ? uint64_t{1} << 40
           : used < options_.capacity_bytes      ? options_.capacity_bytes - used
                                                 : 0;
  return Status::OK();
}

}  // namespace varve
