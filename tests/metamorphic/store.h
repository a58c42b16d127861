#ifndef VARVE_TESTS_METAMORPHIC_STORE_H_
#define VARVE_TESTS_METAMORPHIC_STORE_H_

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tests/metamorphic/operation.h"

namespace varve::metamorphic {

// An iterator of any store.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual bool Valid() = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(const std::string& target) = 0;
  virtual void SeekForPrev(const std::string& target) = 0;
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual std::string Key() = 0;
  virtual std::string Value() = 0;
  virtual std::string Status() = 0;  // "OK", or what is wrong
  // To the newest state, or to that of its snapshot; invalid afterwards.
  virtual std::string Refresh() = 0;
};

// The state that is read: a snapshot's, that of a mark's sequence, or the newest.
struct View {
  int snapshot = -1;
  int mark = -1;
};

struct CursorRange {
  std::optional<std::string> lower, upper;
  View view;
};

// Answers that mean the same whoever gives them.
inline constexpr char kNotFound[] = "not found";
inline constexpr char kInvalidArgument[] = "invalid argument";
// The whole answer of a read at a mark.
inline constexpr char kTooOld[] = "too old";        // no longer readable
inline constexpr char kNoOpinion[] = "no opinion";  // a store that does not know

// What is given where nothing can be read; it says why.
std::unique_ptr<Cursor> NewFailedCursor(const std::string& status);

// A key-value store that answers operations with text; two that agree give the same text. Answers
// name no sequence number and no file. One thread, except for Write and Get, which the threads of
// kThreads call side by side.
class Store {
 public:
  virtual ~Store() = default;
  virtual const char* name() const = 0;

  std::string Apply(const Operation& operation);
  // Whether another store may answer so where this one answered `expected`.
  virtual bool Allows(const Operation&, const std::string& expected,
                      const std::string& found) const {
    return found == expected || found == kNoOpinion;
  }
  // Lets cursors and snapshots go and closes, with every check that a closed store allows.
  std::string Close();

 protected:
  // ---- What a store is. "OK" is a good answer ----
  virtual std::string OpenStore(const OptionMap& options) = 0;
  virtual std::string CloseStore() = 0;  // no cursor or snapshot is left
  // kPut, kDelete, kDeleteRange, kMerge or kBatch.
  virtual std::string Write(const Operation& operation) = 0;
  virtual std::string Ingest(const Operation& operation) = 0;
  virtual std::string Get(const std::string& key, View view) = 0;
  // One answer a line, each as Get gives it.
  virtual std::string MultiGet(std::span<const std::string> keys, View view) = 0;
  virtual std::unique_ptr<Cursor> NewCursor(const CursorRange& range) = 0;
  virtual void TakeSnapshot(int slot) = 0;
  virtual void ReleaseSnapshot(int slot) = 0;
  virtual void Mark(int slot) = 0;  // replaces the one in the slot

  // ---- What may change nothing that a reader sees ----
  virtual std::string Flush(bool wait) = 0;
  virtual std::string SyncWal() = 0;
  virtual std::string CompactRange(const Operation& operation) = 0;
  // All that a copy of the newest state holds.
  virtual std::string ScanCheckpoint() { return Scan(NewCursor({}).get()); }
  virtual std::string SetOptions(const OptionMap& options) = 0;
  // Whether kThreads really starts threads.
  virtual bool RunsThreads() const = 0;
  virtual std::string PauseBackgroundWork() { return "OK"; }
  virtual std::string ContinueBackgroundWork() { return "OK"; }

  // Answers as all stores give them.
  static std::string Found(Slice value);
  static bool IsReversed(const Operation& range);
  // Everything, forwards and backwards.
  static std::string Scan(Cursor* cursor);

 private:
  std::string ApplyToCursor(const Operation& operation, Cursor* cursor);
  std::string RunThreads(const Operation& operation);
  void LetGo();

  std::map<int, std::unique_ptr<Cursor>> cursors_;
  std::map<int, bool> snapshots_;
  bool open_ = false;
};

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_STORE_H_
