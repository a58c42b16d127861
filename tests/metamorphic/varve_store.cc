#include "tests/metamorphic/varve_store.h"

#include <utility>
#include <vector>

#include "tests/metamorphic/iterator_cursor.h"
#include "tests/metamorphic/live_files.h"
#include "tests/metamorphic/varve_options.h"
#include "util/hash.h"
#include "util/random.h"
#include "varve/segment_writer.h"

namespace varve::metamorphic {
namespace {

// What the interface promises as an answer that all stores give; the whole message of anything
// else.
std::string Text(const Status& status) {
  if (status.IsNotFound()) return kNotFound;
  if (status.IsInvalidArgument()) return kInvalidArgument;
  return status.IsTooOld() ? kTooOld : status.ToString();
}

std::string CheckpointPath(const std::string& path) { return path + "-checkpoint"; }

class VarveCursor final : public IteratorCursor<Iterator> {
 public:
  using IteratorCursor::IteratorCursor;
  std::string Status() override { return Text(iterator_->status()); }
  std::string Refresh() override { return Text(iterator_->Refresh()); }
};

}  // namespace

VarveStore::VarveStore(std::shared_ptr<FileSystem> file_system, std::string path,
                       uint64_t option_set)
    : file_system_(std::move(file_system)), path_(std::move(path)), option_set_(option_set) {}

std::string VarveStore::OpenStore(const OptionMap& changes) {
  options_ = Options();
  options_.env.file_system = file_system_;
  options_.create_if_missing = true;
  Status status = ApplyOptions(changes, &options_);
  if (status.ok() && option_set_ != 0) {
    // By those of the list, so that each open has others, and a part of the list the same.
    uint64_t seed = Mix64(option_set_);
    for (const auto& [name, value] : changes) seed = Mix64(seed + Hash64(name + "=" + value));
    Random random(seed);
    status = ApplyOptions(DrawOptions(&random), &options_);
  }
  if (status.ok()) status = DB::Open(options_, path_, &db_);
  return Text(status);
}

std::string VarveStore::CloseStore() {
  if (db_ == nullptr) return "OK";
  if (const std::string answer = RemoveCheckpoint(); answer != "OK") return answer;
  const Status status = db_->Close();
  db_.reset();
  return status.ok() ? CheckLiveFiles(file_system_.get(), path_) : Text(status);
}

void VarveStore::Mark(int slot) {
  uint64_t sequence = 0;
  (void)db_->GetIntProperty("varve.last-sequence", &sequence);
  marks_[slot] = sequence;
}

ReadOptions VarveStore::ReadAt(View view) const {
  ReadOptions options;
  if (view.mark >= 0) {
    options.at_sequence = marks_.at(view.mark);
  } else if (view.snapshot >= 0) {
    options.snapshot = snapshots_.at(view.snapshot).get();
  }
  return options;
}

std::string VarveStore::Write(const Operation& operation) {
  WriteOptions options;
  options.sync = operation.sync;
  options.disable_wal = operation.disable_wal;
  switch (operation.kind) {
    case Kind::kPut:
      return Text(db_->Put(options, operation.key(), operation.value.Expand()));
    case Kind::kDelete:
      return Text(db_->Delete(options, operation.key()));
    case Kind::kDeleteRange:
      return Text(db_->DeleteRange(options, *operation.lower, *operation.upper));
    case Kind::kMerge:
      return Text(db_->Merge(options, operation.key(), operation.value.Expand()));
    default:
      return WriteBatchOf(operation, options);
  }
}

std::string VarveStore::WriteBatchOf(const Operation& operation, const WriteOptions& options) {
  WriteBatch batch;
  std::string answer;
  for (const Operation& part : operation.parts) {
    Status status;
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
    if (!status.ok()) answer += Text(status) + " ";
  }
  const uint32_t entries = batch.Count();
  return answer + std::to_string(entries) + " entries " + Text(db_->Write(options, batch));
}

std::string VarveStore::Ingest(const Operation& operation) {
  std::vector<std::string> files;
  Status status = WriteFiles(operation, &files);
  IngestOptions options;
  options.place = operation.oldest ? IngestPlace::kOldest : IngestPlace::kNewest;
  options.verify_checksums = !operation.no_wait;
  if (status.ok()) status = db_->Ingest(files, options);
  for (const std::string& file : files) {
    const Status removed = file_system_->RemoveFile(file);
    if (status.ok()) status = removed;
  }
  return status.ToString();
}

Status VarveStore::WriteFiles(const Operation& operation, std::vector<std::string>* files) {
  const size_t per_file = operation.parts.size() / operation.count + 1;
  Status status;
  for (size_t at = 0; status.ok() && at < operation.parts.size();) {
    files->push_back(path_ + "-ingest-" + std::to_string(files->size()));
    SegmentWriter writer(options_, files->back());
    for (size_t end = at + per_file; status.ok() && at < operation.parts.size() && at < end; ++at) {
      const Operation& part = operation.parts[at];
      switch (part.kind) {
        case Kind::kDelete:
          status = writer.Delete(part.key());
          break;
        case Kind::kDeleteRange:
          status = writer.DeleteRange(*part.lower, *part.upper);
          break;
        case Kind::kMerge:
          status = writer.Merge(part.key(), part.value.Expand());
          break;
        default:
          status = writer.Put(part.key(), part.value.Expand());
      }
    }
    if (status.ok()) status = writer.Finish();
  }
  return status;
}

std::string VarveStore::Get(const std::string& key, View view) {
  PinnedValue value;
  const Status status = db_->Get(ReadAt(view), key, &value);
  return status.ok() ? Found(value) : Text(status);
}

std::string VarveStore::MultiGet(std::span<const std::string> keys, View view) {
  const std::vector<Slice> slices(keys.begin(), keys.end());
  std::vector<PinnedValue> values(keys.size());
  std::vector<Status> statuses(keys.size());
  db_->MultiGet(ReadAt(view), slices, values, statuses);
  std::string answer;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsTooOld()) return kTooOld;
    answer += (statuses[i].ok() ? Found(values[i]) : Text(statuses[i])) + "\n";
  }
  return answer;
}

std::unique_ptr<Cursor> VarveStore::NewCursor(const CursorRange& range) {
  ReadOptions options = ReadAt(range.view);
  if (range.lower) options.lower_bound = *range.lower;
  if (range.upper) options.upper_bound = *range.upper;
  return std::make_unique<VarveCursor>(db_->NewIterator(options));
}

std::string VarveStore::Flush(bool wait) { return Text(db_->Flush({.wait = wait})); }
std::string VarveStore::SyncWal() { return Text(db_->SyncWAL()); }
std::string VarveStore::CompactRange(const Operation& operation) {
  std::optional<Slice> begin, end;
  if (operation.lower) begin = *operation.lower;
  if (operation.upper) end = *operation.upper;
  return Text(db_->CompactRange({.rewrite_deepest = operation.rewrite}, begin, end));
}

std::string VarveStore::ScanCheckpoint() {
  if (const std::string answer = RemoveCheckpoint(); answer != "OK") return answer;
  const std::string path = CheckpointPath(path_);
  if (const Status status = db_->Checkpoint(path); !status.ok()) return status.ToString();
  return checkpoint_ = ScanDatabase(path);
}

std::string VarveStore::RemoveCheckpoint() {
  if (checkpoint_.empty()) return "OK";
  const std::string path = CheckpointPath(path_);
  const std::string now = ScanDatabase(path);
  if (now != std::exchange(checkpoint_, "")) return "a checkpoint changed: " + now;
  return Text(DB::Destroy(options_, path));
}

std::string VarveStore::ScanDatabase(const std::string& path) {
  std::unique_ptr<DB> db;
  Status status = DB::Open(options_, path, &db);
  if (!status.ok()) return Text(status);
  const std::string answer = Scan(std::make_unique<VarveCursor>(db->NewIterator({})).get());
  status = db->Close();
  if (!status.ok()) return Text(status);
  const std::string files = CheckLiveFiles(file_system_.get(), path);
  return files == "OK" ? answer : files;
}

std::string VarveStore::PauseBackgroundWork() { return Text(db_->PauseBackgroundWork()); }
std::string VarveStore::ContinueBackgroundWork() { return Text(db_->ContinueBackgroundWork()); }

std::string VarveStore::SetOptions(const OptionMap& options) {
  return Text(db_->SetOptions(options));
}

}  // namespace varve::metamorphic
