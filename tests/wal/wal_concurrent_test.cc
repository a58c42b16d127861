#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/wal/wal_test_util.h"
#include "util/mutex.h"
#include "util/random.h"
#include "util/thread.h"
#include "wal/log_format.h"
#include "wal/wal.h"

// One thread appends and switches logs, others sync, retire and look. Beneath is a file system that
// checks what a log file is asked to do:
//  - a sync begins only when every byte is copied that it will be said to cover (RULES R5.1),
//  - one log is synced at a time,
//  - a block that is known durable is never written again (RULES R5.2),
//  - no copy goes where one went before.

namespace varve {
namespace {

using wal::kDataOffset;

// What the checks know of all logs.
class Checks {
 public:
  void SyncBegins(const std::string& path) {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(syncing_) << path;
    syncing_ = true;
  }
  void SyncEnds() {
    MutexLock lock(&mutex_);
    syncing_ = false;
  }

 private:
  Mutex mutex_;
  bool syncing_ GUARDED_BY(mutex_) = false;
};

class CheckedLogFile final : public LogFile {
 public:
  CheckedLogFile(std::string path, std::unique_ptr<LogFile> base, std::shared_ptr<Checks> checks)
      : path_(std::move(path)), base_(std::move(base)), checks_(std::move(checks)) {}

  uint64_t capacity() const override { return base_->capacity(); }
  bool mapped() const override { return base_->mapped(); }
  Status Close() override { return base_->Close(); }

  Status Copy(uint64_t offset, Slice data) override {
    if (offset >= kDataOffset) {
      EXPECT_GE(offset, copied_to_.load()) << path_ << ": written twice";
      EXPECT_GE(offset, blocks_synced_to_.load()) << path_ << ": a synced block is written again";
      used_ = true;
    }
    // Not often: on a loaded machine each costs milliseconds.
    if (offset / wal::kUnitBytes % 64 == 0) std::this_thread::yield();
    Status status = base_->Copy(offset, data);
    copied_to_ = std::max(kDataOffset, offset + data.size());
    return status;
  }

  Status Sync() override {
    if (!used_) return base_->Sync();  // of the headers: no other log is concerned
    checks_->SyncBegins(path_);
    const uint64_t covered = copied_to_;
    if (covered / wal::kUnitBytes % 16 == 0) std::this_thread::yield();
    Status status = base_->Sync();
    // From here on the log may say that it is durable up to here.
    synced_to_ = covered;
    checks_->SyncEnds();
    return status;
  }

  // The caller was told that the log is durable up to `offset`.
  void ToldDurable(uint64_t offset) {
    EXPECT_LE(offset, synced_to_.load()) << path_ << ": said to be durable, but was not";
    const uint64_t blocks = (offset + wal::kBlockBytes - 1) / wal::kBlockBytes * wal::kBlockBytes;
    uint64_t before = blocks_synced_to_;
    while (before < blocks && !blocks_synced_to_.compare_exchange_weak(before, blocks)) {
    }
  }

 private:
  const std::string path_;
  const std::unique_ptr<LogFile> base_;
  const std::shared_ptr<Checks> checks_;
  std::atomic<bool> used_{false};
  std::atomic<uint64_t> copied_to_{0}, synced_to_{kDataOffset}, blocks_synced_to_{0};
};

// Only what a Wal calls.
class CheckedFileSystem final : public FileSystem {
 public:
  explicit CheckedFileSystem(std::shared_ptr<FileSystem> base) : base_(std::move(base)) {}

  Status NewLogFile(const std::string& path, const LogFileOptions& options,
                    std::unique_ptr<LogFile>* file) override {
    return Wrap(base_->NewLogFile(path, options, file), path, file);
  }
  Status ReuseLogFile(const std::string& old_path, const std::string& new_path,
                      const LogFileOptions& options, std::unique_ptr<LogFile>* file) override {
    return Wrap(base_->ReuseLogFile(old_path, new_path, options, file), new_path, file);
  }
  Status GetFileInfo(const std::string& path, FileInfo* info) override {
    return base_->GetFileInfo(path, info);
  }
  Status RemoveFile(const std::string& path) override { return base_->RemoveFile(path); }
  Status RenameFile(const std::string& from, const std::string& to) override {
    return base_->RenameFile(from, to);
  }
  Status SyncDirectory(const std::string& path) override { return base_->SyncDirectory(path); }

  Status NewRandomAccessFile(const std::string&, bool,
                             std::unique_ptr<RandomAccessFile>*) override {
    return Unexpected();
  }
  Status NewWritableFile(const std::string&, uint64_t, std::unique_ptr<WritableFile>*) override {
    return Unexpected();
  }
  Status NewRandomRWFile(const std::string&, bool, std::unique_ptr<RandomRWFile>*) override {
    return Unexpected();
  }
  Status ListDirectory(const std::string&, std::vector<std::string>*) override {
    return Unexpected();
  }
  Status CreateDirectory(const std::string&) override { return Unexpected(); }
  Status RemoveDirectory(const std::string&) override { return Unexpected(); }
  Status LinkFile(const std::string&, const std::string&) override { return Unexpected(); }
  Status LockFile(const std::string&, std::unique_ptr<FileLock>*) override { return Unexpected(); }
  Status GetFreeSpace(const std::string&, uint64_t*) override { return Unexpected(); }

  // `position` was told to be durable; `path` is its log's.
  void ToldDurable(const std::string& path, LogPosition position) {
    MutexLock lock(&mutex_);
    // Gone if the log was retired since.
    if (auto file = open_.find(path); file != open_.end()) {
      file->second->ToldDurable(position.offset);
    }
  }

 private:
  Status Wrap(Status status, const std::string& path, std::unique_ptr<LogFile>* file) {
    if (!status.ok()) return status;
    auto checked = std::make_unique<Registered>(this, path, std::move(*file));
    *file = std::move(checked);
    return status;
  }

  Status Unexpected() {
    ADD_FAILURE();
    return Status::NotSupported();
  }

  // Known to the file system as long as it lives.
  class Registered final : public LogFile {
   public:
    Registered(CheckedFileSystem* owner, const std::string& path, std::unique_ptr<LogFile> base)
        : owner_(owner), path_(path), file_(path, std::move(base), owner->checks_) {
      MutexLock lock(&owner_->mutex_);
      owner_->open_[path_] = &file_;
    }
    ~Registered() override { Forget(); }
    uint64_t capacity() const override { return file_.capacity(); }
    bool mapped() const override { return file_.mapped(); }
    Status Copy(uint64_t offset, Slice data) override { return file_.Copy(offset, data); }
    Status Sync() override { return file_.Sync(); }
    Status Close() override {
      Forget();
      return file_.Close();
    }

   private:
    void Forget() {
      MutexLock lock(&owner_->mutex_);
      auto found = owner_->open_.find(path_);
      if (found != owner_->open_.end() && found->second == &file_) owner_->open_.erase(found);
    }
    CheckedFileSystem* const owner_;
    const std::string path_;
    CheckedLogFile file_;
  };

  const std::shared_ptr<FileSystem> base_;
  const std::shared_ptr<Checks> checks_ = std::make_shared<Checks>();
  Mutex mutex_;
  std::map<std::string, CheckedLogFile*> open_ GUARDED_BY(mutex_);
};

class WalConcurrentTest : public WalTest {
 protected:
  void Run(uint64_t sync_wait_ms_max, int appends) {
    auto checked = std::make_shared<CheckedFileSystem>(env_.file_system);
    options_.env.file_system = checked;
    options_.sync_wait_ms_max = sync_wait_ms_max;
    Reopen();

    Switch(1);
    std::atomic<bool> done{false};
    std::atomic<uint64_t> syncs{0};
    std::vector<Thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back("sync", [&, i] {
        Random random(i + 1);
        do {  // once at least, should this thread begin when all is over
          const LogPosition upto = wal_->end();
          const Status status = wal_->Sync(upto);
          ASSERT_TRUE(status.ok()) << status.ToString();
          const LogPosition durable = wal_->durable();
          EXPECT_GE(durable, upto);
          if (durable.log != 0) checked->ToldDurable(Path(durable.log), durable);
          ++syncs;
          if (random.Uniform(4) == 0) SleepFor(random.Uniform(200000));
        } while (!done);
      });
    }
    threads.emplace_back("retire", [&] {
      while (!done) {
        const FileNumber durable = wal_->durable().log;
        const Status status = wal_->Retire(durable);
        EXPECT_TRUE(status.ok()) << status.ToString();
        SleepFor(300000);
      }
    });

    Random random(9);
    FileNumber number = 1;
    LogPosition last;
    for (int i = 0; i < appends; ++i) {
      const std::string payload = Bytes(random.Uniform(8) == 0 ? 5000 : random.Uniform(200), i);
      if (!wal_->Fits(payload.size())) Switch(++number);
      if (HasFatalFailure()) break;
      const LogPosition end = Append(payload);
      EXPECT_LT(last, end);
      last = end;
      if (i % 64 == 0) SleepFor(50000);
      if (i % 500 == 499) Sync(end);
    }
    done = true;
    threads.clear();
    EXPECT_GT(syncs, 0u);
    EXPECT_GT(number, 3u);

    // What was not retired is there.
    ReplayOptions options = Replaying(wal_->durable());
    options.lowest_needed = wal_->current();
    Status status = Replay(options);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(result_.end, wal_->end());
    EXPECT_TRUE(sink_.payloads ==
                std::vector<std::string>(appended_.end() - sink_.payloads.size(), appended_.end()));
  }
};

TEST_F(WalConcurrentTest, AppendsSyncsAndSwitchesInParallel) { Run(0, 1000); }

TEST_F(WalConcurrentTest, TheSameWithAThreadThatSyncs) { Run(60000, 1000); }

}  // namespace
}  // namespace varve
