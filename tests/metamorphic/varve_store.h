#ifndef VARVE_TESTS_METAMORPHIC_VARVE_STORE_H_
#define VARVE_TESTS_METAMORPHIC_VARVE_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/metamorphic/store.h"
#include "varve/db.h"

namespace varve::metamorphic {

// The engine under test, in the directory `path` of `file_system`. After each close the directory
// has to hold exactly the live files.
class VarveStore : public Store {
 public:
  // `option_set` 0: its options are those of each open. Another: it draws its own where nobody can
  // tell from the answers, so that two databases that are not alike answer alike.
  VarveStore(std::shared_ptr<FileSystem> file_system, std::string path, uint64_t option_set = 0);
  ~VarveStore() override { (void)Close(); }
  const char* name() const override {
    return option_set_ == 0 ? "Varve" : "Varve under other options";
  }

 protected:
  std::string OpenStore(const OptionMap& options) override;
  std::string CloseStore() override;
  std::string Write(const Operation& operation) override;
  std::string Ingest(const Operation& operation) override;
  std::string Get(const std::string& key, View view) override;
  std::string MultiGet(std::span<const std::string> keys, View view) override;
  std::unique_ptr<Cursor> NewCursor(const CursorRange& range) override;
  void TakeSnapshot(int slot) override { snapshots_[slot] = db_->GetSnapshot(); }
  void ReleaseSnapshot(int slot) override { snapshots_.erase(slot); }
  void Mark(int slot) override;
  std::string Flush(bool wait) override;
  std::string SyncWal() override;
  std::string CompactRange(const Operation& operation) override;
  std::string ScanCheckpoint() override;
  std::string SetOptions(const OptionMap& options) override;
  bool RunsThreads() const override { return true; }
  std::string PauseBackgroundWork() override;
  std::string ContinueBackgroundWork() override;

 private:
  std::string WriteBatchOf(const Operation& operation, const WriteOptions& options);
  // Into files of their own; in the order of the keys, ranges into the last.
  Status WriteFiles(const Operation& operation, std::vector<std::string>* files);
  std::string RemoveCheckpoint();
  std::string ScanDatabase(const std::string& path);
  ReadOptions ReadAt(View view) const;

  const std::shared_ptr<FileSystem> file_system_;
  const std::string path_;
  const uint64_t option_set_;
  Options options_;
  std::unique_ptr<DB> db_;
  // What the last checkpoint held; it is to hold that still when it goes. Empty: there is none.
  std::string checkpoint_;
  std::map<int, std::unique_ptr<Snapshot>> snapshots_;
  std::map<int, uint64_t> marks_;  // sequences
};

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_VARVE_STORE_H_
