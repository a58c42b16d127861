#include "tests/metamorphic/store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "util/hash.h"
#include "util/thread.h"

namespace varve::metamorphic {
namespace {

// A value in an answer: a long one by its beginning, its length and a hash.
std::string Shown(Slice value) {
  constexpr size_t kBytesMax = 40;
  if (value.size() <= kBytesMax) return Quoted(value);
  return Quoted(value.substr(0, kBytesMax)) + "... " + std::to_string(value.size()) +
         " bytes, hash " + std::to_string(Hash64(value));
}

std::string At(Cursor* cursor) {
  if (cursor->Valid()) return Quoted(cursor->Key()) + " = " + Shown(cursor->Value()) + "\n";
  return "at the end, " + cursor->Status() + "\n";
}

class FailedCursor : public Cursor {
 public:
  explicit FailedCursor(std::string status) : status_(std::move(status)) {}
  bool Valid() override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(const std::string&) override {}
  void SeekForPrev(const std::string&) override {}
  void Next() override {}
  void Prev() override {}
  std::string Key() override { return {}; }
  std::string Value() override { return {}; }
  std::string Status() override { return status_; }
  std::string Refresh() override { return status_; }

 private:
  const std::string status_;
};

View ViewOf(const Operation& operation) { return {operation.snapshot, operation.mark}; }

}  // namespace

std::unique_ptr<Cursor> NewFailedCursor(const std::string& status) {
  return std::make_unique<FailedCursor>(status);
}

bool Store::IsReversed(const Operation& range) {
  return range.lower && range.upper && *range.lower > *range.upper;
}

std::string Store::Scan(Cursor* cursor) {
  if (const std::string status = cursor->Status(); status != "OK") return status;
  std::string answer = "forwards\n";
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) answer += At(cursor);
  answer += At(cursor) + "backwards\n";
  for (cursor->SeekToLast(); cursor->Valid(); cursor->Prev()) answer += At(cursor);
  return answer + At(cursor);
}

std::string Store::Found(Slice value) { return "= " + Shown(value); }

std::string Store::Apply(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kPut:
    case Kind::kDelete:
    case Kind::kDeleteRange:
    case Kind::kMerge:
    case Kind::kBatch:
      return Write(operation);
    case Kind::kIngest:
      return Ingest(operation);
    case Kind::kGet:
      return Get(operation.key(), ViewOf(operation));
    case Kind::kMultiGet:
      return MultiGet(operation.keys, ViewOf(operation));
    case Kind::kScan:
      return Scan(NewCursor({operation.lower, operation.upper, ViewOf(operation)}).get());
    case Kind::kCursor: {
      auto& cursor = cursors_[operation.slot];
      cursor = NewCursor({operation.lower, operation.upper, ViewOf(operation)});
      return cursor->Status();
    }
    case Kind::kCloseCursor:
      cursors_.erase(operation.slot);
      return "OK";
    case Kind::kSnapshot:
      TakeSnapshot(operation.slot);
      snapshots_[operation.slot] = true;
      return "OK";
    case Kind::kRelease:
      ReleaseSnapshot(operation.slot);
      snapshots_.erase(operation.slot);
      return "OK";
    case Kind::kOpen: {
      std::string answer = open_ ? Close() : "OK";
      if (answer != "OK") return "closing: " + answer;
      answer = OpenStore(operation.options);
      open_ = answer == "OK";
      return answer;
    }
    case Kind::kMark:
      Mark(operation.slot);
      return "OK";
    case Kind::kFlush:
      return Flush(!operation.no_wait);
    case Kind::kSyncWal:
      return SyncWal();
    case Kind::kCompactRange:
      return CompactRange(operation);
    case Kind::kCheckpoint:
      return ScanCheckpoint();
    case Kind::kSetOptions:
      return SetOptions(operation.options);
    case Kind::kThreads:
      return RunThreads(operation);
    default:
      return ApplyToCursor(operation, cursors_.at(operation.slot).get());
  }
}

std::string Store::Close() {
  LetGo();
  open_ = false;
  return CloseStore();
}

void Store::LetGo() {
  cursors_.clear();
  for (const auto& [slot, taken] : snapshots_) ReleaseSnapshot(slot);
  snapshots_.clear();
}

std::string Store::ApplyToCursor(const Operation& operation, Cursor* cursor) {
  std::string answer;
  switch (operation.kind) {
    case Kind::kSeekToFirst:
      cursor->SeekToFirst();
      break;
    case Kind::kSeekToLast:
      cursor->SeekToLast();
      break;
    case Kind::kSeek:
      cursor->Seek(operation.key());
      break;
    case Kind::kSeekForPrev:
      cursor->SeekForPrev(operation.key());
      break;
    case Kind::kRefresh:
      answer = cursor->Refresh() + "\n";
      break;
    case Kind::kNext:
    case Kind::kPrev:
      for (uint64_t i = 0; i < operation.count && cursor->Valid(); ++i) {
        operation.kind == Kind::kNext ? cursor->Next() : cursor->Prev();
        answer += At(cursor);
      }
      break;
    default:
      return std::string("no such operation: ") + KindName(operation.kind);
  }
  return answer + At(cursor);
}

std::string Store::RunThreads(const Operation& operation) {
  size_t count = 0;
  for (const Operation& part : operation.parts) {
    count = std::max(count, static_cast<size_t>(part.thread) + 1);
  }
  std::vector<std::string> answers(count);
  const auto run = [&](size_t thread) {
    for (const Operation& part : operation.parts) {
      if (static_cast<size_t>(part.thread) == thread) answers[thread] += Apply(part) + "\n";
    }
  };
  // A write that finds no room waits for the pause to end, so it does not wait for the threads.
  std::string answer;
  if (operation.paused) answer = PauseBackgroundWork() + "\n";
  if (RunsThreads()) {
    std::vector<Thread> threads;
    for (size_t i = 0; i < count; ++i) threads.emplace_back("metamorphic", [&run, i] { run(i); });
    if (operation.paused) answer += ContinueBackgroundWork() + "\n";
  } else {
    for (size_t i = 0; i < count; ++i) run(i);
    if (operation.paused) answer += ContinueBackgroundWork() + "\n";
  }
  for (const std::string& of_thread : answers) answer += of_thread;
  return answer;
}

}  // namespace varve::metamorphic
