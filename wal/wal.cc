#include "wal/wal.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>
#include <vector>

#include "util/crash_site.h"
#include "util/filename.h"
#include "util/mutex.h"
#include "util/planted.h"
#include "util/thread.h"
#include "wal/log_format.h"
#include "wal/log_record.h"
#include "wal/log_recycler.h"
#include "wal/log_writer.h"

// The chain of logs. What one log does is in log_writer.h; this is about several of them, their
// syncs, and the latch.
//
// A sync goes through the logs that are not durable, oldest first (RULES R5.1, Checklist W17), and
// moves `durable_` after each. One thread does it, the others wait: those it covered then return,
// and one of the rest does the next. With sync_wait_ms_max set, a thread of our own does it, as
// nobody can walk away from an fsync he is in himself (Checklist W4).
//
// Lock order: `mutex_` is taken alone. No I/O happens under it.

namespace varve {

namespace {

using wal::kBlockBytes;
using wal::kDataOffset;
using wal::LogHeader;
using wal::LogRecycler;
using wal::LogWriter;

constexpr uint64_t kLogBytesMin = kDataOffset + kBlockBytes;

uint64_t RoundLogBytes(uint64_t log_bytes) {
  return std::clamp(wal::RoundUpToBlock(std::min(log_bytes, wal::kLogBytesMax)), kLogBytesMin,
                    wal::kLogBytesMax);
}

class PreparedLogImpl final : public PreparedLog {
 public:
  PreparedLogImpl(std::shared_ptr<FileSystem> file_system, std::string path,
                  std::unique_ptr<LogWriter> writer, MemoryCharge memory)
      : file_system_(std::move(file_system)),
        path_(std::move(path)),
        writer_(std::move(writer)),
        memory_(std::move(memory)),
        number_(writer_->number()) {}

  ~PreparedLogImpl() override {
    if (writer_ == nullptr) return;
    // If this fails the file stays as one that defines no data, and the next open removes it.
    (void)writer_->file()->Close();
    (void)file_system_->RemoveFile(path_);
  }

  FileNumber number() const override { return number_; }
  bool Fits(uint64_t payload_bytes) const override { return writer_->Fits(payload_bytes); }
  std::unique_ptr<LogWriter> Take(MemoryCharge* memory) {
    *memory = std::move(memory_);
    return std::move(writer_);
  }

 private:
  const std::shared_ptr<FileSystem> file_system_;
  const std::string path_;
  std::unique_ptr<LogWriter> writer_;
  MemoryCharge memory_;
  const FileNumber number_;
};

class WalImpl final : public Wal {
 public:
  explicit WalImpl(const WalOptions& options)
      : options_(options),
        file_system_(options.env.file_system),
        recycler_(file_system_, options.directory, options.recycled_files_max),
        log_bytes_(RoundLogBytes(options.log_bytes)),
        scratch_(new char[LogWriter::kScratchBytes]) {}
  ~WalImpl() override { (void)Close(); }

  Status Prepare(FileNumber number, uint64_t payload_bytes_min,
                 std::unique_ptr<PreparedLog>* log) override;
  Status Use(std::unique_ptr<PreparedLog> log) override;
  bool Fits(uint64_t payload_bytes) const override;
  Status Append(std::span<const Slice> parts, LogPosition* end) override;
  Status Sync(LogPosition upto) override;
  LogPosition end() const override;
  LogPosition durable() const override;
  Status latched() const override;
  FileNumber current() const override;
  Status Retire(FileNumber lowest_needed) override;
  Status Adopt(const std::string& name) override;
  Status DropRecycled() override { return recycler_.Clear(); }
  Status Restart() override;
  void SetLogBytes(uint64_t log_bytes) override {
    log_bytes_.store(RoundLogBytes(log_bytes), std::memory_order_relaxed);
  }
  Status Close() override;

 private:
  // A log that was used. Held by `logs_` and by a sync under way.
  struct Log {
    Log(PreparedLogImpl* prepared, LogPosition b) : writer(prepared->Take(&memory)), before(b) {}
    MemoryCharge memory;
    const std::unique_ptr<LogWriter> writer;
    const LogPosition before;               // the end of the record before its first
    uint64_t durable_offset = kDataOffset;  // guarded by the Wal's mutex_
  };

  // Writes both header pages and makes them and the name durable.
  Status WriteHeaders(const LogHeader& header, LogFile* file);

  void Latch(const Status& status);
  LogPosition EndLocked() const REQUIRES(mutex_);
  // Syncs what is not durable, up to log `last`, oldest first. Gives the mutex up meanwhile.
  // Requires syncing_, set by the caller; errors are latched.
  void SyncLogs(FileNumber last) REQUIRES(mutex_);
  Status SyncOne(Log* log, uint64_t* covered);
  void SyncThread();

  // ---- Constant --------------------------------------------------------------------------------
  const WalOptions options_;
  const std::shared_ptr<FileSystem> file_system_;

  // ---- Internally synchronised -----------------------------------------------------------------
  LogRecycler recycler_;
  // Relaxed: whoever changes it does not expect a file that is being made to follow.
  std::atomic<uint64_t> log_bytes_;
  // Set after latch_. Acquire-release, so that who sees it finds the error; a reader who is late
  // frames a record after a failed sync, but none after a failed write, which is his own.
  std::atomic<bool> is_latched_{false};
  // durable_ for Append: the low half of the log's number, then the offset in units. Relaxed: it is
  // a fact about the disk, and a late reader records an earlier one.
  std::atomic<uint64_t> packed_durable_{0};

  // ---- Of the caller of Append and Use ---------------------------------------------------------
  Log* appender_ = nullptr;  // logs_.back()
  const std::unique_ptr<char[]> scratch_;

  // ---- Guarded ---------------------------------------------------------------------------------
  mutable Mutex mutex_;
  CondVar sync_done_;   // durable_, latch_ or syncing_ changed
  CondVar sync_asked_;  // asked_ or closing_ changed
  std::deque<std::shared_ptr<Log>> logs_ GUARDED_BY(mutex_);  // ascending; the last one is in use
  LogPosition durable_ GUARDED_BY(mutex_);
  bool syncing_ GUARDED_BY(mutex_) = false;
  LogPosition asked_ GUARDED_BY(mutex_);  // what the sync thread is to make durable
  bool closing_ GUARDED_BY(mutex_) = false;
  Status latch_ GUARDED_BY(mutex_);
  Thread sync_thread_ GUARDED_BY(mutex_);
};

Status WalImpl::WriteHeaders(const LogHeader& header, LogFile* file) {
  std::string page = EncodeLogHeader(header);
  page.resize(kBlockBytes, '\0');
  for (int i = 0; i < wal::kHeaderCopies; ++i) {
    if (Status status = file->Copy(i * kBlockBytes, page); !status.ok()) return status;
  }
  if (!VARVE_PLANTED("log header not synced")) {
    if (Status status = file->Sync(); !status.ok()) return status;
  }
  if (VARVE_PLANTED("log name not synced")) return Status::OK();
  return file_system_->SyncDirectory(options_.directory);
}

Status WalImpl::Prepare(FileNumber number, uint64_t payload_bytes_min,
                        std::unique_ptr<PreparedLog>* log) {
  CrashSiteScope making(CrashSite::kLogMake);
  if (number == 0) return Status::InvalidArgument("log number 0");
  if (payload_bytes_min > wal::kPayloadBytesMax) {
    return Status::InvalidArgument("a log record of " + std::to_string(payload_bytes_min) +
                                   " bytes; the most is " + std::to_string(wal::kPayloadBytesMax));
  }
  if (Status status = latched(); !status.ok()) return status;

  LogFileOptions file_options;
  const uint64_t log_bytes = log_bytes_.load(std::memory_order_relaxed);
  file_options.capacity =
      std::max(log_bytes, wal::RoundUpToBlock(kDataOffset + wal::RecordBytes(payload_bytes_min)));
  file_options.allow_mapped = options_.mapped && file_options.capacity == log_bytes;

  const std::string path = LogFileName(options_.directory, number);
  std::unique_ptr<LogFile> file;
  bool recycled = false;
  Status status;
  if (file_options.capacity == log_bytes) {
    status = recycler_.Make(number, file_options, &file, &recycled);
  } else {
    status = file_system_->NewLogFile(path, file_options, &file);
  }
  LogHeader header;
  if (status.ok()) {
    header.compat = recycled ? 0 : wal::kCompatZeroed;
    header.number = number;
    header.nonce = options_.env.machine->RandomSeed();
    header.capacity = file_options.capacity;
    status = WriteHeaders(header, file.get());
  }
  if (!status.ok()) {
    // The number is burnt. What may be left of the file defines no data, whatever became of it.
    if (file != nullptr) {
      (void)file->Close();
      (void)file_system_->RemoveFile(path);
    }
    return status;
  }
  MemoryCharge memory(options_.memory, MemoryPart::kLogs, file->mapped() ? header.capacity : 0);
  *log = std::make_unique<PreparedLogImpl>(
      file_system_, path, std::make_unique<LogWriter>(header, std::move(file)), std::move(memory));
  return status;
}

Status WalImpl::Use(std::unique_ptr<PreparedLog> log) {
  const FileNumber number = log->number();
  MutexLock lock(&mutex_);
  if (!latch_.ok()) return latch_;
  const LogPosition before = EndLocked();
  if (!logs_.empty() && number <= logs_.back()->writer->number()) {
    return Status::InvalidArgument("log " + std::to_string(number) + " after log " +
                                   std::to_string(logs_.back()->writer->number()));
  }
  // What a record can say of positions in earlier logs; 0 is "none".
  for (FileNumber earlier : {before.log, durable_.log}) {
    if (earlier != 0 && number - earlier > UINT32_MAX) {
      return Status::InvalidArgument("log " + std::to_string(number) + " is too far from log " +
                                     std::to_string(earlier));
    }
  }
  logs_.push_back(std::make_shared<Log>(static_cast<PreparedLogImpl*>(log.get()), before));
  appender_ = logs_.back().get();
  CrashStepDone(CrashStep::kLogRotated);
  return Status::OK();
}

bool WalImpl::Fits(uint64_t payload_bytes) const {
  return appender_ != nullptr && appender_->writer->Fits(payload_bytes);
}

Status WalImpl::Append(std::span<const Slice> parts, LogPosition* end) {
  CrashSiteScope appending(CrashSite::kLogAppend);
  if (is_latched_.load(std::memory_order_acquire)) return latched();
  uint64_t payload_bytes = 0;
  for (Slice part : parts) payload_bytes += part.size();
  if (!Fits(payload_bytes)) {
    return Status::InvalidArgument("a record of " + std::to_string(payload_bytes) +
                                   " bytes does not fit the log in use");
  }
  LogWriter* writer = appender_->writer.get();
  const uint64_t packed = packed_durable_.load(std::memory_order_relaxed);
  LogPosition durable;
  if (packed != 0) {
    const uint32_t distance =
        static_cast<uint32_t>(writer->number()) - static_cast<uint32_t>(packed >> 32);
    durable = {writer->number() - distance, (packed & UINT32_MAX) * wal::kUnitBytes};
  }
  uint64_t bytes = 0;
  const Status status =
      writer->Append(parts, payload_bytes, appender_->before, durable, scratch_.get(), &bytes);
  if (!status.ok()) {
    Latch(status);
    return status;
  }
  *end = {writer->number(), writer->given_out()};
  if (options_.statistics != nullptr) {
    options_.statistics->Add(Counter::kWalBytes, bytes);
    options_.statistics->Add(Counter::kWalGroups, 1);
  }
  return status;
}

void WalImpl::Latch(const Status& status) {
  MutexLock lock(&mutex_);
  if (latch_.ok()) latch_ = status;
  is_latched_.store(true, std::memory_order_release);
  sync_done_.SignalAll();
}

LogPosition WalImpl::EndLocked() const {
  if (logs_.empty()) return {};
  const Log& log = *logs_.back();
  const uint64_t complete = log.writer->complete();
  return complete == kDataOffset ? log.before : LogPosition{log.writer->number(), complete};
}

Status WalImpl::Sync(LogPosition upto) {
  const uint64_t wait_nanos = options_.sync_wait_ms_max * 1000000;
  const uint64_t begin = wait_nanos == 0 ? 0 : options_.env.clock->MonotonicNanos();
  bool timed_out = false;
  MutexLock lock(&mutex_);
  if (upto > std::max(EndLocked(), durable_)) {
    return Status::InvalidArgument("sync of the log to " + upto.ToString() + ", which ends at " +
                                   EndLocked().ToString());
  }
  while (durable_ < upto) {
    if (!latch_.ok()) return latch_;
    if (closing_) return Status::Aborted("the log is closed");
    if (wait_nanos == 0) {
      if (syncing_) {
        sync_done_.Wait(&mutex_);
      } else {
        syncing_ = true;
        SyncLogs(upto.log);
        syncing_ = false;
        sync_done_.SignalAll();
      }
      continue;
    }
    asked_ = std::max(asked_, upto);
    if (!sync_thread_.running()) {
      if (Status status = sync_thread_.Start("varve_log_sync", [this] { SyncThread(); });
          !status.ok()) {
        return status;
      }
    }
    sync_asked_.Signal();
    const uint64_t passed = options_.env.clock->MonotonicNanos() - begin;
    if (timed_out || passed >= wait_nanos) {
      return Status::TimedOut("sync of the log to " + upto.ToString() + " has not returned in " +
                              std::to_string(options_.sync_wait_ms_max) +
                              " ms; what it covers may become durable or not");
    }
    timed_out = !sync_done_.WaitFor(&mutex_, wait_nanos - passed);
  }
  return Status::OK();
}

void WalImpl::SyncThread() {
  MutexLock lock(&mutex_);
  while (!closing_) {
    if (durable_ < asked_ && latch_.ok()) {
      syncing_ = true;
      SyncLogs(asked_.log);
      syncing_ = false;
      sync_done_.SignalAll();
    } else {
      sync_asked_.Wait(&mutex_);
    }
  }
}

void WalImpl::SyncLogs(FileNumber last) {
  const std::vector<std::shared_ptr<Log>> logs(logs_.begin(), logs_.end());
  for (const std::shared_ptr<Log>& log : logs) {
    if (log->writer->number() > last) break;
    if (log->durable_offset >= log->writer->given_out()) continue;
    if (VARVE_PLANTED("last log synced alone") && log->writer->number() < last) continue;
    mutex_.Unlock();
    uint64_t covered = 0;
    const Status status = SyncOne(log.get(), &covered);
    if (!status.ok() && !VARVE_PLANTED("failed sync passed over")) Latch(status);
    mutex_.Lock();
    if (!status.ok() && !VARVE_PLANTED("failed sync passed over")) return;
    log->durable_offset = covered;
    durable_ = {log->writer->number(), covered};
    packed_durable_.store(durable_.log << 32 | covered / wal::kUnitBytes,
                          std::memory_order_relaxed);
    sync_done_.SignalAll();
  }
}

Status WalImpl::SyncOne(Log* log, uint64_t* covered) {
  CrashSiteScope syncing(CrashSite::kLogSync);
  *covered = log->writer->BeginSync();
  for (SpinWait wait; log->writer->complete() < *covered;) {
    if (is_latched_.load(std::memory_order_acquire)) return latched();
    wait.Once();
  }
  Statistics* const statistics = options_.statistics.get();
  const bool timed = statistics != nullptr && statistics->latencies_enabled();
  const uint64_t begin = timed ? options_.env.clock->MonotonicNanos() : 0;
  if (VARVE_PLANTED("log data not synced")) return Status::OK();
  const Status status = log->writer->file()->Sync();
  if (statistics != nullptr) statistics->Add(Counter::kWalSyncs, 1);
  if (timed) {
    statistics->Record(Latency::kWalSync, options_.env.clock->MonotonicNanos() - begin);
  }
  return status;
}

LogPosition WalImpl::end() const {
  MutexLock lock(&mutex_);
  return EndLocked();
}

LogPosition WalImpl::durable() const {
  MutexLock lock(&mutex_);
  return durable_;
}

Status WalImpl::latched() const {
  MutexLock lock(&mutex_);
  return latch_;
}

FileNumber WalImpl::current() const {
  MutexLock lock(&mutex_);
  return logs_.empty() ? 0 : logs_.back()->writer->number();
}

Status WalImpl::Retire(FileNumber lowest_needed) {
  CrashSiteScope recycling(CrashSite::kLogRecycle);
  std::vector<std::shared_ptr<Log>> released;
  {
    MutexLock lock(&mutex_);
    if (!latch_.ok()) return latch_;
    size_t count = 0;
    for (; count + 1 < logs_.size(); ++count) {
      const Log& log = *logs_[count];
      if (log.writer->number() >= lowest_needed) break;
      if (log.durable_offset < log.writer->given_out()) {
        return Status::InvalidArgument("log " + std::to_string(log.writer->number()) +
                                       " is not durable to its end");
      }
    }
    released.assign(logs_.begin(), logs_.begin() + count);
    logs_.erase(logs_.begin(), logs_.begin() + count);
  }
  Status first;
  for (const std::shared_ptr<Log>& log : released) {
    Status status = log->writer->file()->Close();
    if (first.ok()) first = status;
    status = recycler_.Put(log->writer->number(), /*recycled=*/false,
                           log_bytes_.load(std::memory_order_relaxed));
    if (first.ok()) first = status;
  }
  return first;
}

Status WalImpl::Adopt(const std::string& name) {
  CrashSiteScope recycling(CrashSite::kLogRecycle);
  FileNumber number;
  FileType type;
  if (!ParseFileName(name, &number, &type) ||
      (type != FileType::kLog && type != FileType::kRecycledLog)) {
    return Status::InvalidArgument(name + " is not the name of a log");
  }
  return recycler_.Put(number, type == FileType::kRecycledLog,
                       log_bytes_.load(std::memory_order_relaxed));
}

Status WalImpl::Restart() {
  const uint64_t wait_nanos = options_.sync_wait_ms_max * 1000000;
  const uint64_t begin = options_.env.clock->MonotonicNanos();
  std::deque<std::shared_ptr<Log>> forgotten;
  {
    MutexLock lock(&mutex_);
    while (syncing_) {
      if (wait_nanos == 0) {
        sync_done_.Wait(&mutex_);
        continue;
      }
      const uint64_t passed = options_.env.clock->MonotonicNanos() - begin;
      if (passed >= wait_nanos) return Status::TimedOut("a sync of the log is still under way");
      sync_done_.WaitFor(&mutex_, wait_nanos - passed);
    }
    if (closing_) return Status::Aborted("the log is closed");
    durable_ = std::max(durable_, EndLocked());
    packed_durable_.store(durable_.log << 32 | durable_.offset / wal::kUnitBytes,
                          std::memory_order_relaxed);
    asked_ = {};
    appender_ = nullptr;
    std::swap(forgotten, logs_);
    latch_ = Status::OK();
    is_latched_.store(false, std::memory_order_release);
    sync_done_.SignalAll();
  }
  for (const std::shared_ptr<Log>& log : forgotten) {
    // Not reused, as no sync of theirs can be believed. What stays goes at the next open.
    (void)log->writer->file()->Close();
    (void)file_system_->RemoveFile(LogFileName(options_.directory, log->writer->number()));
  }
  return Status::OK();
}

Status WalImpl::Close() {
  Thread sync_thread;
  {
    MutexLock lock(&mutex_);
    if (closing_) return Status::OK();
    closing_ = true;
    if (latch_.ok()) latch_ = Status::Aborted("the log is closed");
    is_latched_.store(true, std::memory_order_release);
    sync_asked_.SignalAll();
    sync_done_.SignalAll();
    sync_thread = std::move(sync_thread_);
  }
  sync_thread.Join();
  MutexLock lock(&mutex_);
  Status first;
  for (const std::shared_ptr<Log>& log : logs_) {
    Status status = log->writer->file()->Close();
    if (first.ok()) first = status;
  }
  return first;
}

}  // namespace

Status Wal::Create(const WalOptions& options, std::unique_ptr<Wal>* wal) {
  if (options.env.file_system == nullptr || options.env.machine == nullptr ||
      options.env.clock == nullptr) {
    return Status::InvalidArgument("WalOptions.env has a null member");
  }
  *wal = std::make_unique<WalImpl>(options);
  return Status::OK();
}

}  // namespace varve
