#ifndef VARVE_TESTS_METAMORPHIC_ROCKSDB_STORE_H_
#define VARVE_TESTS_METAMORPHIC_ROCKSDB_STORE_H_

#include <map>
#include <memory>
#include <string>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
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
  std::string Get(const std::string& key, int snapshot) override;
  std::string MultiGet(std::span<const std::string> keys, int snapshot) override;
  std::unique_ptr<Cursor> NewCursor(const CursorRange& range) override;
  void TakeSnapshot(int slot) override { snapshots_[slot] = db_->GetSnapshot(); }
  void ReleaseSnapshot(int slot) override;
  std::string Flush(bool wait) override;
  std::string SyncWal() override;
  std::string SetOptions(const OptionMap&) override { return "OK"; }
  bool RunsThreads() const override { return true; }

 private:
  rocksdb::ReadOptions ReadAt(int snapshot) const;

  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::map<int, const rocksdb::Snapshot*> snapshots_;
};

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_ROCKSDB_STORE_H_
