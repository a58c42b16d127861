#ifndef VARVE_TESTS_TOOLS_BENCH_FAKE_DB_H_
#define VARVE_TESTS_TOOLS_BENCH_FAKE_DB_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "varve/db.h"

namespace varve::bench {

// A map behind the DB interface, which can be told to answer wrongly: the bench must notice. Only
// what a replay calls does something. One thread.
class FakeDb : public DB {
 public:
  // Called with each key and what would be the answer, null for "not there"; may change it.
  std::function<void(Slice key, std::unique_ptr<std::string>* value)> on_get;
  Status write_status;  // of every write that follows
  int flushes = 0;
  std::map<std::string, std::string, std::less<>> entries;

  Status Close() override { return Status::OK(); }
  Status Put(const WriteOptions&, Slice key, Slice value) override;
  Status Delete(const WriteOptions&, Slice key) override;
  Status DeleteRange(const WriteOptions&, Slice, Slice) override { return write_status; }
  Status Merge(const WriteOptions&, Slice, Slice) override { return write_status; }
  Status Touch(const WriteOptions&, Slice) override { return write_status; }
  Status ExpireAt(const WriteOptions&, Slice, uint64_t) override { return write_status; }
  Status Write(const WriteOptions&, const WriteBatch&) override;
  Status Get(const ReadOptions&, Slice key, PinnedValue* value) override;
  void MultiGet(const ReadOptions&, std::span<const Slice>, std::span<PinnedValue>,
                std::span<Status>) override {}
  std::unique_ptr<Iterator> NewIterator(const ReadOptions&) override { return nullptr; }
  std::unique_ptr<Snapshot> GetSnapshot() override { return nullptr; }
  Status Flush(const FlushOptions&) override;
  Status CompactRange(const CompactRangeOptions&, std::optional<Slice>,
                      std::optional<Slice>) override {
    return Status::OK();
  }
  Status SyncWAL() override { return Status::OK(); }
  Status Checkpoint(const std::string&) override { return Status::NotSupported(); }
  Status Ingest(const std::vector<std::string>&, const IngestOptions&) override {
    return Status::NotSupported();
  }
  Status Resume() override { return Status::OK(); }
  Status PauseBackgroundWork() override { return Status::OK(); }
  Status ContinueBackgroundWork() override { return Status::OK(); }
  Status SetOptions(const std::map<std::string, std::string>&) override { return Status::OK(); }
  bool GetProperty(Slice, std::string*) override { return false; }
  bool GetIntProperty(Slice, uint64_t*) override { return false; }
  Status GetApproximateSizes(std::span<const Range>, uint64_t*) override { return Status::OK(); }
};

}  // namespace varve::bench

#endif  // VARVE_TESTS_TOOLS_BENCH_FAKE_DB_H_
