// The write path of DBImpl: what a commit group's leader does. See docs/architecture.md, "A write".

#include <algorithm>
#include <utility>

#include "db/admit_batch.h"
#include "db/db_impl.h"
#include "db/single_writer.h"
#include "db/write_batch_internal.h"
#include "util/crash_site.h"
#include "util/hash.h"
#include "util/planted.h"
#include "util/stopwatch.h"

namespace varve {

namespace {

// A group is inserted by its writers side by side from this size on: below, waking them costs more
// than it saves.
constexpr size_t kParallelInsertBytes = 32 << 10;

class BatchWriter : public WriteQueue::Writer {
 public:
  BatchWriter(const WriteBatch& batch, const BatchContents& contents, uint64_t ttl_ms)
      : data_(batch.Data()), entries_(WriteBatchInternal::Entries(data_)) {
    entry_parts = {&entries_, 1};
    entry_bytes = entries_.size();
    data_bytes = WriteBatchInternal::DataBytesMax(data_);
    count = WriteBatchInternal::Count(data_);
    range_deletes = contents.range_deletes;
    time_.put_ttl_ms = ttl_ms;
    puts_expire = ttl_ms != CommitTime::kNever;
    needs_time = puts_expire || contents.ttls;
    expires = needs_time || contents.expiries;
    if (puts_expire) data_bytes += size_t{kExpiresAtBytes} * count;
  }
  Status InsertInto(MemTable* memtable, bool concurrently) override {
    return WriteBatchInternal::InsertInto(data_, first_sequence, memtable, concurrently, time_);
  }
  void SetCommitTime(uint64_t now_ms) override {
    time_.known = true;
    time_.now_ms = now_ms;
    WriteBatchInternal::EncodeCommitTime(time_bytes_, time_);
    time_entry = Slice(time_bytes_, sizeof(time_bytes_));
  }

 private:
  CommitTime time_;
  char time_bytes_[WriteBatchInternal::kCommitTimeBytes];
  const Slice data_;
  const Slice entries_;
};

}  // namespace

Status DBImpl::PutTtl(const WriteOptions& options, uint64_t* ttl_ms) const {
  if (options.ttl.has_value()) return WriteBatchInternal::TtlMillis(*options.ttl, ttl_ms);
  const uint64_t by_default = live_.default_ttl_ms.load(std::memory_order_relaxed);
  *ttl_ms = by_default == 0 ? CommitTime::kNever : by_default;
  return Status::OK();
}

Status DBImpl::CheckMergeTtl(const WriteOptions& options) const {
  uint64_t ttl_ms;
  Status status = PutTtl(options, &ttl_ms);
  if (!status.ok() || ttl_ms == CommitTime::kNever) return status;
  return Status::NotSupported("Merge: operands cannot expire; write them with ttl = kNoTtl");
}

Status DBImpl::Put(const WriteOptions& options, Slice key, Slice value) {
  uint64_t ttl_ms;
  if (Status status = PutTtl(options, &ttl_ms); !status.ok()) [[unlikely]]
    return status;
  SingleWriter writer;
  if (Status status = writer.InitPut(key, value, ttl_ms); !status.ok()) [[unlikely]]
    return status;
  if (admission_ != nullptr && !admission_->Admit(Hash64(key), key.size() + value.size())) {
    SingleWriter refused;
    if (Status status = refused.InitRefused(key); !status.ok()) return status;
    CountRefused({1, key.size() + value.size()});
    return Enter(options, &refused);
  }
  return Enter(options, &writer);
}

void DBImpl::CountRefused(const RefusedEntries& refused) {
  if (options_.statistics == nullptr) return;
  options_.statistics->Add(Counter::kRefusedEntries, refused.entries);
  options_.statistics->Add(Counter::kRefusedBytes, refused.bytes);
}

Status DBImpl::Delete(const WriteOptions& options, Slice key) {
  SingleWriter writer;
  if (Status status = writer.InitDelete(key); !status.ok()) [[unlikely]]
    return status;
  return Enter(options, &writer);
}

Status DBImpl::DeleteRange(const WriteOptions& options, Slice start, Slice end) {
  SingleWriter writer;
  Status status = writer.InitDeleteRange(start, end);
  if (status.ok()) status = WriteBatchInternal::CheckRange(reads_->comparator(), start, end);
  if (!status.ok()) return status;
  if (reads_->comparator().CompareUserKeys(start, end) == 0) return WriteNothing(options);
  return Enter(options, &writer);
}

Status DBImpl::Merge(const WriteOptions& options, Slice key, Slice operand) {
  SingleWriter writer;
  Status status = writer.InitMerge(key, operand);
  if (status.ok()) status = WriteBatchInternal::CheckMerge(options_.merge_operator.get());
  if (status.ok()) status = CheckMergeTtl(options);
  return status.ok() ? Enter(options, &writer) : status;
}

Status DBImpl::Write(const WriteOptions& options, const WriteBatch& batch) {
  BatchContents contents;
  Status status = WriteBatchInternal::CheckForWrite(batch, reads_->comparator(),
                                                    options_.merge_operator.get(), &contents);
  uint64_t ttl_ms = CommitTime::kNever;
  if (status.ok()) status = PutTtl(options, &ttl_ms);
  if (status.ok() && contents.merges) status = CheckMergeTtl(options);
  if (!status.ok()) return status;
  if (batch.Count() == 0) return WriteNothing(options);
  if (admission_ != nullptr) {
    WriteBatch admitted;
    RefusedEntries refused;
    status = AdmitBatch(batch, admission_.get(), &admitted, &refused);
    if (!status.ok()) return status;
    if (refused.entries != 0) {
      CountRefused(refused);
      BatchWriter writer(admitted, contents, ttl_ms);
      return Enter(options, &writer);
    }
  }
  BatchWriter writer(batch, contents, ttl_ms);
  return Enter(options, &writer);
}

Status DBImpl::WriteNothing(const WriteOptions& options) {
  return options.sync ? SyncWAL() : CheckOpen();
}

Status DBImpl::SetDurability(const WriteOptions& options, WriteQueue::Writer* writer) {
  if (options.sync && options.disable_wal) {
    return Status::InvalidArgument("WriteOptions: sync and disable_wal are both set");
  }
  // By itself, before it joins a group whose other writes are taken.
  if (options.sync && in_memory_only_.load(std::memory_order_relaxed)) [[unlikely]]
    return WriteError();
  if (Status status = CheckBatch(*writer); !status.ok()) [[unlikely]]
    return status;
  writer->disable_wal = options.disable_wal;
  writer->sync_is_asked = options.sync;
  writer->sync =
      options.sync || (options_.wal_sync == WalSyncMode::kAlways && !options.disable_wal);
  return Status::OK();
}

Status DBImpl::Enter(const WriteOptions& options, WriteQueue::Writer* writer) {
  if (Status status = SetDurability(options, writer); !status.ok()) return status;
  Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kWrite);
  if (queue_.Join(writer)) {
    queue_.GroupOf(writer, &group_);
    const Status status = CommitGroup();
    queue_.Finish(group_, status);
    CrashStepDone(CrashStep::kGroupWoken);
  }
  return writer->status;
}

Status DBImpl::Lead(const std::function<Status()>& work, bool in_memory_too) {
  ExclusiveWriter lead;
  queue_.Join(&lead);
  Status status = CheckOpen();
  if (!in_memory_too || !in_memory_only_.load(std::memory_order_relaxed)) {
    if (status.ok()) status = WriteError();
  }
  if (status.ok()) status = work();
  queue_.Finish({&lead}, status);
  return status;
}

Status DBImpl::CommitGroup() {
  uint64_t count = 0, range_deletes = 0;
  size_t entry_bytes = 0, data_bytes = 0;
  bool sync = false, sync_is_asked = false, needs_time = false, expires = false;
  GroupNeeds needs;
  for (const WriteQueue::Writer* writer : group_) {
    count += writer->count;
    range_deletes += writer->range_deletes;
    entry_bytes += writer->entry_bytes;
    data_bytes += writer->data_bytes;
    sync |= writer->sync;
    sync_is_asked |= writer->sync_is_asked;
    needs_time |= writer->needs_time;
    expires |= writer->expires;
    needs.load.Add(LoadOf(*writer));
  }
  const bool in_memory_only = in_memory_only_.load(std::memory_order_relaxed);
  const bool logged = !group_[0]->disable_wal && !in_memory_only;
  Status status = CheckOpen();
  if (status.ok() && (!in_memory_only || sync_is_asked)) status = WriteError();
  if (status.ok()) Throttle(data_bytes);
  if (status.ok() && in_memory_only) {
    status = MakeRoomInMemory(MemTable::BytesMax(count, data_bytes, range_deletes));
  } else if (status.ok()) {
    const size_t time_bytes = needs_time ? group_.size() * WriteBatchInternal::kCommitTimeBytes : 0;
    needs.record_bytes = WriteBatchInternal::kHeaderBytes + time_bytes + entry_bytes;
    needs.memtable_bytes = MemTable::BytesMax(count, data_bytes, range_deletes);
    needs.logged = logged;
    status = MakeRoom(needs);
  }
  if (status.ok()) status = ReserveSequences(count);
  CrashStepDone(CrashStep::kGroupElected);
  if (!status.ok()) return status;  // nothing has changed: the next write may do better

  if (needs_time) [[unlikely]] {
    if (status = SetCommitTime(); !status.ok()) return status;
  }
  if (expires) reads_->time().Use();
  BackgroundErrorSource source = BackgroundErrorSource::kLog;
  if (logged) status = LogGroup(count, sync);
  if (status.ok()) {
    source = BackgroundErrorSource::kWrite;
    status = InsertGroup(entry_bytes);
  }
  if (!status.ok()) {
    LatchError(status, source);
    if (in_memory_only) RefuseWrites();
    return status;
  }
  active_.memtable->ChargeMemory();
  active_.unlogged |= !logged;
  active_.load.Add(needs.load);
  next_sequence_ += count;
  reads_->PublishSequence(next_sequence_ - 1);
  if (Statistics* const statistics = options_.statistics.get(); statistics != nullptr) {
    statistics->Add(Counter::kWrites, group_.size());
    statistics->Add(Counter::kWriteEntries, count);
    statistics->Add(Counter::kWriteBytes, data_bytes);
  }
  return Status::OK();
}

Status DBImpl::SetCommitTime() {
  const uint64_t now_ms = reads_->time().NowMillis();
  if (now_ms == 0) {
    return Status::IOError(path_ + ": nothing can expire, as the manifest takes no clock mark");
  }
  for (WriteQueue::Writer* writer : group_) {
    if (writer->needs_time) writer->SetCommitTime(now_ms);
  }
  return Status::OK();
}

Status DBImpl::SealClockMark(uint64_t mark_ms) {
  // No open serves anything of a condemned directory; coming back makes up for it.
  if (in_memory_only_.load(std::memory_order_relaxed)) return Status::OK();
  // A manifest that still works is not put at risk: Resume() may need it. Time stands still.
  if (Status status = BackgroundError(); !status.ok()) return status;
  ManifestEdit edit;
  edit.clock_mark_ms = mark_ms;
  const Status status = manifest_->Commit(edit);
  if (status.ok()) return Seal();
  if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  return status;
}

Status DBImpl::LogGroup(uint64_t count, bool sync) {
  // Ends what a batch before said of puts without a ttl.
  char no_ttl[WriteBatchInternal::kCommitTimeBytes];
  WriteBatchInternal::EncodeCommitTime(no_ttl, {true});
  bool puts_expire = false;
  char header[WriteBatchInternal::kHeaderBytes];
  WriteBatchInternal::EncodeHeader(header, next_sequence_, static_cast<uint32_t>(count));
  record_.clear();
  record_.emplace_back(header, sizeof(header));
  for (const WriteQueue::Writer* writer : group_) {
    if (!writer->time_entry.empty()) {
      record_.push_back(writer->time_entry);
      puts_expire = writer->puts_expire;
    } else if (puts_expire) {
      record_.emplace_back(no_ttl, sizeof(no_ttl));
      puts_expire = false;
    }
    record_.insert(record_.end(), writer->entry_parts.begin(), writer->entry_parts.end());
  }
  Status status = wal_->Append(record_, &active_.log_end);
  if (!status.ok()) return status;
  CrashStepDone(CrashStep::kGroupWritten);
  if (sync) {
    status = wal_->Sync(active_.log_end);
    CrashStepDone(CrashStep::kGroupSynced);
    return status;
  }
  return options_.wal_sync == WalSyncMode::kNever ? Status::OK() : syncer_->Appended();
}

Status DBImpl::InsertGroup(size_t entry_bytes) {
  SequenceNumber sequence = next_sequence_;
  for (WriteQueue::Writer* writer : group_) {
    writer->first_sequence = sequence;
    sequence += writer->count;
  }
  if (group_.size() > 1 && entry_bytes >= kParallelInsertBytes) {
    return queue_.InsertInParallel(group_, active_.memtable.get());
  }
  for (WriteQueue::Writer* writer : group_) {
    Status status = writer->InsertInto(active_.memtable.get(), /*concurrently=*/false);
    if (!status.ok()) return status;
  }
  return Status::OK();
}

Status DBImpl::MakeRoom(const GroupNeeds& needs) {
  if (needs.logged && unlogged_in_memory_) {
    if (Status status = FlushUnlogged(); !status.ok()) return status;
  }
  Status status = TryMakeRoom(needs);
  if (status.IsNoSpace() && room_ != nullptr) [[unlikely]]
    return WaitForRoom(needs, std::move(status));
  return status;
}

Status DBImpl::TryMakeRoom(const GroupNeeds& needs) {
  const size_t limit = live_.memtable_bytes.load(std::memory_order_relaxed);
  const bool empty = active_.memtable->empty();
  bool full = !empty && active_.memtable->used_bytes() + needs.memtable_bytes > limit;
  if (needs.logged && active_.log != 0 && !full) {
    if (wal_->Fits(needs.record_bytes)) [[likely]]
      return AdmitToMemtable(needs.load);
    full = !empty;
  }
  if (full) {
    if (Status status = SwitchMemtable(); !status.ok()) return status;
  }
  if (Status status = AdmitToMemtable(needs.load); !status.ok()) return status;
  if (!needs.logged) {
    if (options_.cache() && !unlogged_marked_ && !VARVE_PLANTED("unlogged writes not marked")) {
      if (Status status = MarkUnlogged(true); !status.ok()) return status;
    }
    unlogged_in_memory_ = true;
    return Status::OK();
  }
  std::unique_ptr<PreparedLog> log;
  Status status;
  {
    Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kLogWait);
    status = log_supply_->Take(needs.record_bytes, &log);
  }
  if (!status.ok()) return status;
  const FileNumber number = log->number();
  status = wal_->Use(std::move(log));
  if (!status.ok()) return status;
  active_.log = number;
  // Not where it would be the room that a write waits for next.
  if (room_ == nullptr || !room_->wanted()) log_supply_->MakeSpare();
  return Status::OK();
}

Status DBImpl::SwitchMemtable() {
  if (Status status = WaitForMemtableRoom(); !status.ok()) return status;
  return ReplaceActive();
}

std::shared_ptr<MemTable> DBImpl::NewMemTable() const {
  return std::make_shared<MemTable>(
      reads_->comparator(),
      active_.memtable == nullptr ? std::string() : active_.memtable->CommonPrefix(),
      live_.memtable_bytes.load(std::memory_order_relaxed), reads_->memory_budget());
}

Status DBImpl::ReplaceActive() {
  Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kMemtableSwitch);
  Table fresh;
  if (Status status = manifest_->NewFileNumber(&fresh.epoch); !status.ok()) return status;
  fresh.memtable = NewMemTable();
  {
    MutexLock lock(&mu_);
    immutables_.push_back(std::move(active_));
    ++tables_switched_;
    active_ = std::move(fresh);
    active_memtable_ = active_.memtable;
    PublishView();
    ScheduleFlush();
    UpdateStall();
  }
  events_.Deliver();
  RunAhead();
  return Status::OK();
}

Status DBImpl::FlushUnlogged() {
  if (!unlogged_in_memory_) return Status::OK();
  FlushGoal all;
  Status status = FlushAll(/*with_active=*/active_.unlogged, &all);
  if (status.ok()) status = WaitForFlush(all);
  if (status.ok() && unlogged_marked_) {
    status = MarkUnlogged(false);
  } else if (status.ok() && !VARVE_PLANTED("unlogged flush not sealed")) {
    status = Seal();  // durable only in both roots (RULES R4.2)
  }
  if (status.ok()) unlogged_in_memory_ = false;
  return status;
}

Status DBImpl::MarkUnlogged(bool unlogged) {
  ManifestEdit edit;
  edit.unlogged = unlogged;
  Status status = manifest_->Commit(edit);
  if (status.ok()) {
    unlogged_marked_ = true;  // one root at least says so, or will not be believed alone
    status = Seal();
  } else if (const Status poisoned = manifest_->poisoned(); !poisoned.ok()) {
    LatchError(poisoned, BackgroundErrorSource::kManifest);
  }
  if (status.ok()) unlogged_marked_ = unlogged;
  return status;
}

Status DBImpl::ReserveSequences(uint64_t count) {
  if (next_sequence_ + count <= manifest_->sequence_limit()) [[likely]]
    return Status::OK();
  // Of sequences that were never on disk none is used again there: coming back reserves anew.
  if (in_memory_only_.load(std::memory_order_relaxed) && count <= kMaxSequence - next_sequence_) {
    return Status::OK();
  }
  if (count > kMaxSequence - next_sequence_) {
    return Status::NoSpace(path_ + ": the sequence numbers are used up");
  }
  return manifest_->ReserveSequences(next_sequence_ + count);
}

}  // namespace varve
