#ifndef VARVE_TESTS_METAMORPHIC_ROCKSDB_STORE_H_
#define VARVE_TESTS_METAMORPHIC_ROCKSDB_STORE_H_

#include <map>
#include <memory>
#include <string>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "tests/metamorphic/merge_operators.h"
#include "tests/metamorphic/store.h"

namespace varve::metamorphic {

// RocksDB as the second oracle, on a file system in memory. It shares no idea with the model: an
// answer that both give is what the interface means. Its own options are small and stay the same.
class RocksDbStore : public Store {
 public:
  RocksDbStore();
  ~RocksDbStore() override { (void)Close(); }
  const char* name() const override { return "RocksDB"; }

 protected:
  std::string OpenStore(const OptionMap& options) override;
  std::string CloseStore() override;
  std::string Write(const Operation& operation) override;
  std::string Ingest(const Operation& operation) override;
  std::string Get(const std::string& key, View view) override;
  std::string MultiGet(std::span<const std::string> keys, View view) override;
  std::unique_ptr<Cursor> NewCursor(const CursorRange& range) override;
  void TakeSnapshot(int slot) override { snapshots_[slot] = db_->GetSnapshot(); }
  void ReleaseSnapshot(int slot) override;
  void Mark(int slot) override;
  std::string Flush(bool wait) override;
  std::string SyncWal() override;
  std::string CompactRange(const Operation& operation) override;
  std::string SetOptions(const OptionMap&) override { return "OK"; }
  bool RunsThreads() const override { return true; }

 private:
  bool IsRefused(const Operation& entry) const;
  bool IsRefused(const rocksdb::WriteBatch& batch) const;
  // False if the view is of a mark that is from before the last open.
  bool ReadAt(View view, rocksdb::ReadOptions* options) const;

  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  MergeKind merge_ = MergeKind::kNone;
  std::map<int, const rocksdb::Snapshot*> snapshots_;
  std::map<int, const rocksdb::Snapshot*> marks_;  // a state of the past is a snapshot kept
};

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_ROCKSDB_STORE_H_
