#include "tests/metamorphic/rocksdb_store.h"

#include <utility>
#include <vector>

#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace varve::metamorphic {
namespace {

constexpr char kPath[] = "/rocksdb";

rocksdb::Options SmallOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.write_buffer_size = 256 << 10;
  options.target_file_size_base = 128 << 10;
  options.max_bytes_for_level_base = 512 << 10;
  options.compression = rocksdb::kNoCompression;
  options.max_background_jobs = 2;
  options.info_log_level = rocksdb::FATAL_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.allow_mmap_reads = false;
  return options;
}

// It owns the bytes that its bounds point to. A refresh makes another iterator: RocksDB's own does
// not go with snapshots.
class RocksDbCursor : public Cursor {
 public:
  RocksDbCursor(rocksdb::DB* db, const rocksdb::ReadOptions& options, const CursorRange& range)
      : db_(db), options_(options), range_(range) {
    if (range_.lower) options_.iterate_lower_bound = &(lower_ = *range_.lower);
    if (range_.upper) options_.iterate_upper_bound = &(upper_ = *range_.upper);
    Refresh();
  }

  bool Valid() override { return iterator_->Valid(); }
  void SeekToFirst() override { iterator_->SeekToFirst(); }
  void SeekToLast() override { iterator_->SeekToLast(); }
  void Seek(const std::string& target) override { iterator_->Seek(target); }
  void SeekForPrev(const std::string& target) override { iterator_->SeekForPrev(target); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  std::string Key() override { return iterator_->key().ToString(); }
  std::string Value() override { return iterator_->value().ToString(); }
  std::string Status() override { return iterator_->status().ToString(); }
  std::string Refresh() override {
    iterator_.reset(db_->NewIterator(options_));
    return "OK";
  }

 private:
  rocksdb::DB* const db_;
  rocksdb::ReadOptions options_;
  const CursorRange range_;
  rocksdb::Slice lower_, upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

rocksdb::Status Add(const Operation& entry, rocksdb::WriteBatch* batch) {
  if (entry.kind == Kind::kDelete) return batch->Delete(entry.key());
  return batch->Put(entry.key(), entry.value.Expand());
}

}  // namespace

RocksDbStore::RocksDbStore() : env_(rocksdb::NewMemEnv(rocksdb::Env::Default())) {}

std::string RocksDbStore::OpenStore(const OptionMap&) {
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(SmallOptions(env_.get()), kPath, &db);
  db_.reset(db);
  return status.ToString();
}

std::string RocksDbStore::CloseStore() {
  if (db_ == nullptr) return "OK";
  const rocksdb::Status status = db_->Close();
  db_.reset();
  return status.ToString();
}

rocksdb::ReadOptions RocksDbStore::ReadAt(int snapshot) const {
  rocksdb::ReadOptions options;
  if (snapshot >= 0) options.snapshot = snapshots_.at(snapshot);
  return options;
}

void RocksDbStore::ReleaseSnapshot(int slot) {
  db_->ReleaseSnapshot(snapshots_.at(slot));
  snapshots_.erase(slot);
}

std::string RocksDbStore::Write(const Operation& operation) {
  rocksdb::WriteOptions options;
  options.sync = operation.sync;
  options.disableWAL = operation.disable_wal;
  rocksdb::WriteBatch batch;
  if (operation.kind != Kind::kBatch) {
    const rocksdb::Status status = Add(operation, &batch);
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
        status = Add(part, &batch);
    }
    if (!status.ok()) answer += (status.IsNotFound() ? NotFound() : status.ToString()) + " ";
  }
  const int entries = static_cast<int>(batch.Count());
  return answer + std::to_string(entries) + " entries " + db_->Write(options, &batch).ToString();
}

std::string RocksDbStore::Get(const std::string& key, int snapshot) {
  std::string value;
  const rocksdb::Status status = db_->Get(ReadAt(snapshot), key, &value);
  if (status.IsNotFound()) return NotFound();
  return status.ok() ? Found(value) : status.ToString();
}

std::string RocksDbStore::MultiGet(std::span<const std::string> keys, int snapshot) {
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<std::string> values;
  const std::vector<rocksdb::Status> statuses = db_->MultiGet(ReadAt(snapshot), slices, &values);
  std::string answer;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].ok()) {
      answer += Found(values[i]);
    } else {
      answer += statuses[i].IsNotFound() ? NotFound() : statuses[i].ToString();
    }
    answer += "\n";
  }
  return answer;
}

std::unique_ptr<Cursor> RocksDbStore::NewCursor(const CursorRange& range) {
  return std::make_unique<RocksDbCursor>(db_.get(), ReadAt(range.snapshot), range);
}

std::string RocksDbStore::Flush(bool wait) {
  rocksdb::FlushOptions options;
  options.wait = wait;
  return db_->Flush(options).ToString();
}

// RocksDB refuses after unlogged writes, or without a log to sync; nothing a reader sees hangs on
// it.
std::string RocksDbStore::SyncWal() {
  const rocksdb::Status status = db_->SyncWAL();
  return status.IsNotSupported() ? "OK" : status.ToString();
}

}  // namespace varve::metamorphic
