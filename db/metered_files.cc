#include "db/metered_files.h"

#include <algorithm>
#include <string>
#include <utility>

namespace varve {

namespace {

// One open file, until it is closed.
class Handle {
 public:
  Handle(std::shared_ptr<SpaceAccount> account, SpaceAccount::FileRef file)
      : account_(std::move(account)), file_(std::move(file)) {}
  ~Handle() { Close(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Close() {
    if (std::exchange(open_, false)) account_->Closed(file_);
  }
  SpaceAccount& account() const { return *account_; }
  const SpaceAccount::FileRef& file() const { return file_; }
  Status Told(Status status) const { return account_->Told(file_, std::move(status)); }
  // Room for a file of this size, or why not.
  Status GrowTo(uint64_t size) const {
    return account_->GrowTo(file_, size) ? Status::OK() : account_->Refused(file_->path);
  }

 private:
  const std::shared_ptr<SpaceAccount> account_;
  const SpaceAccount::FileRef file_;
  bool open_ = true;
};

class MeteredReadFile final : public RandomAccessFile {
 public:
  MeteredReadFile(std::shared_ptr<SpaceAccount> account, SpaceAccount::FileRef file,
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

  const std::shared_ptr<SpaceAccount> account_;
  const SpaceAccount::FileRef file_;
  const std::string path_;
  const bool direct_;
  const std::shared_ptr<ReadSlot> slot_;
};

class MeteredWritableFile final : public WritableFile {
 public:
  MeteredWritableFile(std::shared_ptr<SpaceAccount> account, SpaceAccount::FileRef file,
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
  MeteredRWFile(std::shared_ptr<SpaceAccount> account, SpaceAccount::FileRef file,
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
    if (size < size_) handle_.account().Settle(handle_.file(), AllocationMax(size));
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
  MeteredLogFile(std::shared_ptr<SpaceAccount> account, SpaceAccount::FileRef file,
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

std::unique_ptr<RandomAccessFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                                 SpaceAccount::FileRef file,
                                                 std::unique_ptr<RandomAccessFile> base) {
  return std::make_unique<MeteredReadFile>(std::move(account), std::move(file), std::move(base));
}

std::unique_ptr<WritableFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                             SpaceAccount::FileRef file,
                                             std::unique_ptr<WritableFile> base) {
  return std::make_unique<MeteredWritableFile>(std::move(account), std::move(file),
                                               std::move(base));
}

std::unique_ptr<RandomRWFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                             SpaceAccount::FileRef file,
                                             std::unique_ptr<RandomRWFile> base, uint64_t size) {
  return std::make_unique<MeteredRWFile>(std::move(account), std::move(file), std::move(base),
                                         size);
}

std::unique_ptr<LogFile> NewMeteredFile(std::shared_ptr<SpaceAccount> account,
                                        SpaceAccount::FileRef file, std::unique_ptr<LogFile> base) {
  return std::make_unique<MeteredLogFile>(std::move(account), std::move(file), std::move(base));
}

}  // namespace varve
