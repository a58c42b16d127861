#include "tests/support/fault_file_system.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "util/mutex.h"

namespace varve {

class FaultFileSystem::State {
 public:
  // What becomes of one operation.
  struct Verdict {
    Status status;  // OK: it happens
    size_t torn_bytes = Fault::kNotTorn;
    bool after_the_fact = false;

    bool torn() const { return torn_bytes != Fault::kNotTorn; }
  };

  size_t Inject(Fault fault) {
    MutexLock lock(&mutex_);
    faults_.push_back(Entry{std::move(fault)});
    return faults_.size() - 1;
  }

  void Remove(size_t fault) {
    MutexLock lock(&mutex_);
    faults_.at(fault).live = false;
  }

  void RemoveAll() {
    MutexLock lock(&mutex_);
    for (Entry& entry : faults_) entry.live = false;
  }

  uint64_t hits(size_t fault) const {
    MutexLock lock(&mutex_);
    return faults_.at(fault).hits;
  }

  uint64_t count(FaultOp op) const {
    MutexLock lock(&mutex_);
    return counts_[static_cast<size_t>(op)];
  }

  // Counts the operation, which is of all the kinds in `ops`, and judges it.
  Verdict Judge(std::initializer_list<FaultOp> ops, const std::string& path) {
    Verdict verdict;
    std::function<void(const std::string&)> action;
    {
      MutexLock lock(&mutex_);
      for (const FaultOp op : ops) ++counts_[static_cast<size_t>(op)];
      bool decided = false;
      for (Entry& entry : faults_) {
        const Fault& fault = entry.fault;
        if (!entry.live || std::find(ops.begin(), ops.end(), fault.op) == ops.end() ||
            path.find(fault.path_part) == std::string::npos) {
          continue;
        }
        ++entry.matched;
        const bool applies =
            fault.forever ? entry.matched >= fault.nth : entry.matched == fault.nth;
        if (!applies || decided) continue;
        decided = true;
        ++entry.hits;
        verdict = {fault.status, fault.torn_bytes, fault.after_the_fact};
        action = fault.action;
      }
    }
    if (action) action(path);
    return verdict;
  }

  // Runs `operation` as the verdict on it says.
  template <typename Operation>
  Status Run(std::initializer_list<FaultOp> ops, const std::string& path, Operation&& operation) {
    const Verdict verdict = Judge(ops, path);
    if (!verdict.status.ok() && !verdict.after_the_fact) return verdict.status;
    Status s = operation();
    return s.ok() ? verdict.status : s;
  }

  // The same for `write(data)`, which may be torn.
  template <typename Write>
  Status RunWrite(FaultOp op, const std::string& path, Slice data, Write&& write) {
    const Verdict verdict = Judge({op}, path);
    if (verdict.torn()) {
      Status s = write(data.substr(0, std::min(verdict.torn_bytes, data.size())));
      return s.ok() ? verdict.status : s;
    }
    if (!verdict.status.ok() && !verdict.after_the_fact) return verdict.status;
    Status s = write(data);
    return s.ok() ? verdict.status : s;
  }

  // The same for `read()`, which sets *bytes_read and may be cut short.
  template <typename Read>
  Status RunRead(const std::string& path, size_t* bytes_read, Read&& read) {
    const Verdict verdict = Judge({FaultOp::kRead}, path);
    *bytes_read = 0;
    if (!verdict.status.ok() && !verdict.after_the_fact) return verdict.status;
    Status s = read();
    if (s.ok()) *bytes_read = std::min(*bytes_read, verdict.torn_bytes);
    return s.ok() ? verdict.status : s;
  }

 private:
  struct Entry {
    Fault fault;
    uint64_t matched = 0;
    uint64_t hits = 0;
    bool live = true;
  };

  mutable Mutex mutex_;
  std::vector<Entry> faults_ GUARDED_BY(mutex_);
  uint64_t counts_[kFaultOps] GUARDED_BY(mutex_) = {};
};

namespace {

using StatePtr = std::shared_ptr<FaultFileSystem::State>;

class FaultRandomAccessFile final : public RandomAccessFile {
 public:
  FaultRandomAccessFile(std::string path, StatePtr state, std::unique_ptr<RandomAccessFile> base)
      : path_(std::move(path)), state_(std::move(state)), base_(std::move(base)) {}

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    return state_->RunRead(path_, bytes_read,
                           [&] { return base_->Read(offset, size, buffer, bytes_read); });
  }

  void MultiRead(ReadRequest* requests, size_t count) const override {
    for (size_t i = 0; i < count; ++i) {
      ReadRequest& request = requests[i];
      request.status = state_->RunRead(path_, &request.bytes_read, [&] {
        base_->MultiRead(&request, 1);
        return request.status;
      });
    }
  }

  Status Size(uint64_t* size) const override { return base_->Size(size); }
  bool direct() const override { return base_->direct(); }

 private:
  const std::string path_;
  const StatePtr state_;
  const std::unique_ptr<RandomAccessFile> base_;
};

class FaultWritableFile final : public WritableFile {
 public:
  FaultWritableFile(std::string path, StatePtr state, std::unique_ptr<WritableFile> base)
      : path_(std::move(path)), state_(std::move(state)), base_(std::move(base)) {}

  Status Append(Slice data) override {
    return state_->RunWrite(FaultOp::kWrite, path_, data,
                            [&](Slice part) { return base_->Append(part); });
  }
  Status Sync() override {
    return state_->Run({FaultOp::kSync}, path_, [&] { return base_->Sync(); });
  }
  Status Close() override {
    return state_->Run({FaultOp::kClose}, path_, [&] { return base_->Close(); });
  }
  uint64_t size() const override { return base_->size(); }

 private:
  const std::string path_;
  const StatePtr state_;
  const std::unique_ptr<WritableFile> base_;
};

class FaultRandomRWFile final : public RandomRWFile {
 public:
  FaultRandomRWFile(std::string path, StatePtr state, std::unique_ptr<RandomRWFile> base)
      : path_(std::move(path)), state_(std::move(state)), base_(std::move(base)) {}

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    return state_->RunRead(path_, bytes_read,
                           [&] { return base_->Read(offset, size, buffer, bytes_read); });
  }
  Status Write(uint64_t offset, Slice data) override {
    return state_->RunWrite(FaultOp::kWrite, path_, data,
                            [&](Slice part) { return base_->Write(offset, part); });
  }
  Status Sync() override {
    return state_->Run({FaultOp::kSync}, path_, [&] { return base_->Sync(); });
  }
  Status Truncate(uint64_t size) override {
    return state_->Run({FaultOp::kWrite}, path_, [&] { return base_->Truncate(size); });
  }
  Status Size(uint64_t* size) const override { return base_->Size(size); }
  Status Close() override {
    return state_->Run({FaultOp::kClose}, path_, [&] { return base_->Close(); });
  }

 private:
  const std::string path_;
  const StatePtr state_;
  const std::unique_ptr<RandomRWFile> base_;
};

class FaultLogFile final : public LogFile {
 public:
  FaultLogFile(std::string path, StatePtr state, std::unique_ptr<LogFile> base)
      : path_(std::move(path)), state_(std::move(state)), base_(std::move(base)) {}

  uint64_t capacity() const override { return base_->capacity(); }
  Status Copy(uint64_t offset, Slice data) override {
    return state_->RunWrite(FaultOp::kCopy, path_, data,
                            [&](Slice part) { return base_->Copy(offset, part); });
  }
  Status Sync() override {
    return state_->Run({FaultOp::kSync}, path_, [&] { return base_->Sync(); });
  }
  Status Close() override {
    return state_->Run({FaultOp::kClose}, path_, [&] { return base_->Close(); });
  }
  bool mapped() const override { return base_->mapped(); }

 private:
  const std::string path_;
  const StatePtr state_;
  const std::unique_ptr<LogFile> base_;
};

// Runs `open(&base)` and wraps what it gives. A failure reported after the fact leaves what was
// created on the disk and gives nothing out.
template <typename Wrapper, typename File, typename OpenBase>
Status OpenWrapped(const StatePtr& state, std::initializer_list<FaultOp> ops,
                   const std::string& path, const std::string& name, std::unique_ptr<File>* file,
                   OpenBase&& open) {
  std::unique_ptr<File> base;
  Status s = state->Run(ops, path, [&] { return open(&base); });
  if (s.ok()) *file = std::make_unique<Wrapper>(name, state, std::move(base));
  return s;
}

}  // namespace

std::shared_ptr<FaultFileSystem> FaultFileSystem::New(std::shared_ptr<FileSystem> base) {
  return std::shared_ptr<FaultFileSystem>(new FaultFileSystem(std::move(base)));
}

FaultFileSystem::FaultFileSystem(std::shared_ptr<FileSystem> base)
    : base_(std::move(base)), state_(std::make_shared<State>()) {}

FaultFileSystem::~FaultFileSystem() = default;

size_t FaultFileSystem::Inject(Fault fault) { return state_->Inject(std::move(fault)); }
void FaultFileSystem::Remove(size_t fault) { state_->Remove(fault); }
void FaultFileSystem::RemoveAll() { state_->RemoveAll(); }
uint64_t FaultFileSystem::hits(size_t fault) const { return state_->hits(fault); }
uint64_t FaultFileSystem::count(FaultOp op) const { return state_->count(op); }

Status FaultFileSystem::NewRandomAccessFile(const std::string& path, bool direct,
                                            std::unique_ptr<RandomAccessFile>* file) {
  return OpenWrapped<FaultRandomAccessFile>(state_, {FaultOp::kOpen}, path, path, file,
                                            [&](std::unique_ptr<RandomAccessFile>* base) {
                                              return base_->NewRandomAccessFile(path, direct, base);
                                            });
}

Status FaultFileSystem::NewWritableFile(const std::string& path, uint64_t expected_bytes,
                                        std::unique_ptr<WritableFile>* file) {
  return OpenWrapped<FaultWritableFile>(state_, {FaultOp::kOpen, FaultOp::kCreate}, path, path,
                                        file, [&](std::unique_ptr<WritableFile>* base) {
                                          return base_->NewWritableFile(path, expected_bytes, base);
                                        });
}

Status FaultFileSystem::NewRandomRWFile(const std::string& path, bool create,
                                        std::unique_ptr<RandomRWFile>* file) {
  const auto open = [&](std::unique_ptr<RandomRWFile>* base) {
    return base_->NewRandomRWFile(path, create, base);
  };
  if (create) {
    return OpenWrapped<FaultRandomRWFile>(state_, {FaultOp::kOpen, FaultOp::kCreate}, path, path,
                                          file, open);
  }
  return OpenWrapped<FaultRandomRWFile>(state_, {FaultOp::kOpen}, path, path, file, open);
}

Status FaultFileSystem::NewLogFile(const std::string& path, const LogFileOptions& options,
                                   std::unique_ptr<LogFile>* file) {
  return OpenWrapped<FaultLogFile>(
      state_, {FaultOp::kOpen, FaultOp::kCreate}, path, path, file,
      [&](std::unique_ptr<LogFile>* base) { return base_->NewLogFile(path, options, base); });
}

// Matched by either name: a fault on ".recycled" and one on the log's new number both see it.
Status FaultFileSystem::ReuseLogFile(const std::string& old_path, const std::string& new_path,
                                     const LogFileOptions& options,
                                     std::unique_ptr<LogFile>* file) {
  return OpenWrapped<FaultLogFile>(state_, {FaultOp::kOpen, FaultOp::kRename},
                                   old_path + " -> " + new_path, new_path, file,
                                   [&](std::unique_ptr<LogFile>* base) {
                                     return base_->ReuseLogFile(old_path, new_path, options, base);
                                   });
}

Status FaultFileSystem::GetFileInfo(const std::string& path, FileInfo* info) {
  return state_->Run({FaultOp::kList}, path, [&] { return base_->GetFileInfo(path, info); });
}

Status FaultFileSystem::ListDirectory(const std::string& path, std::vector<std::string>* names) {
  return state_->Run({FaultOp::kList}, path, [&] { return base_->ListDirectory(path, names); });
}

Status FaultFileSystem::CreateDirectory(const std::string& path) {
  return state_->Run({FaultOp::kOther}, path, [&] { return base_->CreateDirectory(path); });
}

Status FaultFileSystem::RemoveDirectory(const std::string& path) {
  return state_->Run({FaultOp::kRemove}, path, [&] { return base_->RemoveDirectory(path); });
}

Status FaultFileSystem::RemoveFile(const std::string& path) {
  return state_->Run({FaultOp::kRemove}, path, [&] { return base_->RemoveFile(path); });
}

// Matched by either name, as above.
Status FaultFileSystem::RenameFile(const std::string& from, const std::string& to) {
  return state_->Run({FaultOp::kRename}, from + " -> " + to,
                     [&] { return base_->RenameFile(from, to); });
}

Status FaultFileSystem::LinkFile(const std::string& from, const std::string& to) {
  return state_->Run({FaultOp::kOther}, from + " -> " + to,
                     [&] { return base_->LinkFile(from, to); });
}

Status FaultFileSystem::SyncDirectory(const std::string& path) {
  return state_->Run({FaultOp::kDirectorySync}, path, [&] { return base_->SyncDirectory(path); });
}

Status FaultFileSystem::LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) {
  return state_->Run({FaultOp::kOther}, path, [&] { return base_->LockFile(path, lock); });
}

Status FaultFileSystem::GetFreeSpace(const std::string& path, uint64_t* bytes) {
  return state_->Run({FaultOp::kOther}, path, [&] { return base_->GetFreeSpace(path, bytes); });
}

}  // namespace varve
