#include "tests/metamorphic/rocksdb_store.h"

#include <utility>
#include <vector>

#include "rocksdb/merge_operator.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "tests/metamorphic/iterator_cursor.h"
#include "tests/metamorphic/merge_operators.h"

namespace varve::metamorphic {
namespace {

constexpr char kPath[] = "/rocksdb";

rocksdb::Options SmallOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.write_buffer_size = 256 << 10;
  // Sorted runs in level 0 alone: where deeper levels hold range tombstones a seek of an iterator
  // ends RocksDB 7.8.3 with a segmentation fault now and then.
  options.compaction_style = rocksdb::kCompactionStyleUniversal;
  options.num_levels = 1;
  options.compression = rocksdb::kNoCompression;
  options.max_background_jobs = 2;
  options.info_log_level = rocksdb::FATAL_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.allow_mmap_reads = false;
  return options;
}

class RocksDbAppend : public rocksdb::MergeOperator {
 public:
  const char* Name() const override { return "append"; }
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    std::optional<Slice> value;
    if (in.existing_value != nullptr) value = in.existing_value->ToStringView();
    for (const rocksdb::Slice& operand : in.operand_list) {
      out->new_value = MergeOne(MergeKind::kAppend, value, operand.ToStringView());
      value = out->new_value;
    }
    return true;
  }
};

class RocksDbAdd : public rocksdb::AssociativeMergeOperator {
 public:
  const char* Name() const override { return "add"; }
  bool Merge(const rocksdb::Slice&, const rocksdb::Slice* existing, const rocksdb::Slice& operand,
             std::string* result, rocksdb::Logger*) const override {
    std::optional<Slice> value;
    if (existing != nullptr) value = existing->ToStringView();
    *result = MergeOne(MergeKind::kAdd, value, operand.ToStringView());
    return true;
  }
};

// It owns the bytes that its bounds point to. A refresh makes another iterator: RocksDB's own does
// not go with snapshots.
class RocksDbCursor final : public IteratorCursor<rocksdb::Iterator> {
 public:
  RocksDbCursor(rocksdb::DB* db, const rocksdb::ReadOptions& options, const CursorRange& range)
      : IteratorCursor(nullptr), db_(db), options_(options), range_(range) {
    if (range_.lower) options_.iterate_lower_bound = &(lower_ = *range_.lower);
    if (range_.upper) options_.iterate_upper_bound = &(upper_ = *range_.upper);
    Renew();
  }

  std::string Refresh() override {
    Renew();
    return "OK";
  }

 private:
  void Renew() { iterator_.reset(db_->NewIterator(options_)); }

  rocksdb::DB* const db_;
  rocksdb::ReadOptions options_;
  const CursorRange range_;
  rocksdb::Slice lower_, upper_;
};

}  // namespace

RocksDbStore::RocksDbStore() : env_(rocksdb::NewMemEnv(rocksdb::Env::Default())) {}

std::string RocksDbStore::OpenStore(const OptionMap& changes) {
  rocksdb::Options options = SmallOptions(env_.get());
  const auto merge = changes.find("merge_operator");
  merge_ = merge == changes.end() ? MergeKind::kNone : MergeKindOf(merge->second);
  if (merge_ == MergeKind::kAppend) options.merge_operator = std::make_shared<RocksDbAppend>();
  if (merge_ == MergeKind::kAdd) options.merge_operator = std::make_shared<RocksDbAdd>();
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, kPath, &db);
  db_.reset(db);
  return status.ToString();
}

std::string RocksDbStore::CloseStore() {
  if (db_ == nullptr) return "OK";
  for (const auto& [slot, snapshot] : marks_) db_->ReleaseSnapshot(snapshot);
  marks_.clear();
  const rocksdb::Status status = db_->Close();
  db_.reset();
  return status.ToString();
}

bool RocksDbStore::ReadAt(View view, rocksdb::ReadOptions* options) const {
  if (view.mark >= 0) {
    const auto found = marks_.find(view.mark);
    if (found == marks_.end()) return false;
    options->snapshot = found->second;
  } else if (view.snapshot >= 0) {
    options->snapshot = snapshots_.at(view.snapshot);
  }
  return true;
}

void RocksDbStore::Mark(int slot) {
  const rocksdb::Snapshot*& snapshot = marks_[slot];
  if (snapshot != nullptr) db_->ReleaseSnapshot(snapshot);
  snapshot = db_->GetSnapshot();
}

void RocksDbStore::ReleaseSnapshot(int slot) {
  db_->ReleaseSnapshot(snapshots_.at(slot));
  snapshots_.erase(slot);
}

// RocksDB would log the write before it refuses it, and then refuse all that follow.
bool RocksDbStore::IsRefused(const Operation& entry) const {
  if (entry.kind == Kind::kMerge) return merge_ == MergeKind::kNone;
  return entry.kind == Kind::kDeleteRange && IsReversed(entry);
}

bool RocksDbStore::IsRefused(const rocksdb::WriteBatch& batch) const {
  struct Judge : public rocksdb::WriteBatch::Handler {
    rocksdb::Status DeleteRangeCF(uint32_t, const rocksdb::Slice& start,
                                  const rocksdb::Slice& end) override {
      reversed |= start.compare(end) > 0;
      return rocksdb::Status::OK();
    }
    void Put(const rocksdb::Slice&, const rocksdb::Slice&) override {}
    void Delete(const rocksdb::Slice&) override {}
    void Merge(const rocksdb::Slice&, const rocksdb::Slice&) override {}
    bool reversed = false;
  };
  Judge judge;
  const bool readable = batch.Iterate(&judge).ok();
  return !readable || judge.reversed || (batch.HasMerge() && merge_ == MergeKind::kNone);
}

std::string RocksDbStore::Write(const Operation& operation) {
  rocksdb::WriteOptions options;
  options.sync = operation.sync;
  options.disableWAL = operation.disable_wal;
  rocksdb::WriteBatch batch;
  if (operation.kind != Kind::kBatch) {
    if (IsRefused(operation)) return kInvalidArgument;
    const rocksdb::Status status = AddEntry(operation, &batch);
    return (status.ok() ? db_->Write(options, &batch) : status).ToString();
  }
  std::string answer;
  for (const Operation& part : operation.parts) {
    rocksdb::Status status;
    switch (part.kind) {
      case Kind::kSavePoint:
        batch.SetSavePoint();
        break;
      case Kind::kRollback:
        status = batch.RollbackToSavePoint();
        break;
      case Kind::kPopSavePoint:
        status = batch.PopSavePoint();
        break;
      default:
        status = AddEntry(part, &batch);
    }
    if (!status.ok()) answer += (status.IsNotFound() ? kNotFound : status.ToString()) + " ";
  }
  answer += std::to_string(batch.Count()) + " entries ";
  if (IsRefused(batch)) return answer + kInvalidArgument;
  return answer + db_->Write(options, &batch).ToString();
}

// As a batch that does the same.
std::string RocksDbStore::Ingest(const Operation& operation) {
  rocksdb::WriteBatch ranges, entries;
  rocksdb::Status status;
  for (const Operation& part : operation.parts) {
    const bool is_range = part.kind == Kind::kDeleteRange;
    if (operation.oldest &&
        (is_range || part.kind == Kind::kDelete || Get(part.key(), View()) != kNotFound)) {
      continue;
    }
    if (status.ok()) status = AddEntry(part, is_range ? &ranges : &entries);
  }
  if (status.ok()) status = db_->Write(rocksdb::WriteOptions(), &ranges);
  if (status.ok()) status = db_->Write(rocksdb::WriteOptions(), &entries);
  return status.ToString();
}

std::string RocksDbStore::Get(const std::string& key, View view) {
  rocksdb::ReadOptions options;
  if (!ReadAt(view, &options)) return kNoOpinion;
  std::string value;
  const rocksdb::Status status = db_->Get(options, key, &value);
  if (status.IsNotFound()) return kNotFound;
  return status.ok() ? Found(value) : status.ToString();
}

std::string RocksDbStore::MultiGet(std::span<const std::string> keys, View view) {
  rocksdb::ReadOptions options;
  if (!ReadAt(view, &options)) return kNoOpinion;
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<std::string> values;
  const std::vector<rocksdb::Status> statuses = db_->MultiGet(options, slices, &values);
  std::string answer;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].ok()) {
      answer += Found(values[i]);
    } else {
      answer += statuses[i].IsNotFound() ? kNotFound : statuses[i].ToString();
    }
    answer += "\n";
  }
  return answer;
}

std::unique_ptr<Cursor> RocksDbStore::NewCursor(const CursorRange& range) {
  rocksdb::ReadOptions options;
  if (!ReadAt(range.view, &options)) return NewFailedCursor(kNoOpinion);
  return std::make_unique<RocksDbCursor>(db_.get(), options, range);
}

std::string RocksDbStore::Flush(bool wait) {
  rocksdb::FlushOptions options;
  options.wait = wait;
  return db_->Flush(options).ToString();
}

// What the range is makes no difference to a reader.
std::string RocksDbStore::CompactRange(const Operation& operation) {
  if (IsReversed(operation)) return kInvalidArgument;
  return db_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr).ToString();
}

// RocksDB refuses after unlogged writes, or without a log to sync; nothing a reader sees hangs on
// it.
std::string RocksDbStore::SyncWal() {
  const rocksdb::Status status = db_->SyncWAL();
  return status.IsNotSupported() ? "OK" : status.ToString();
}

}  // namespace varve::metamorphic
