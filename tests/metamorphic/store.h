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

struct CursorRange {
  std::optional<std::string> lower, upper;
  int snapshot = -1;
};

// A key-value store that answers operations with text; two that agree give the same text. Answers
// name no sequence number and no file. One thread, except for Write and Get, which the threads of
// kThreads call side by side.
class Store {
 public:
  virtual ~Store() = default;
  virtual const char* name() const = 0;

  std::string Apply(const Operation& operation);
  // Lets cursors and snapshots go and closes, with every check that a closed store allows.
  std::string Close();

 protected:
  // ---- What a store is. "OK" is a good answer ----
  virtual std::string OpenStore(const OptionMap& options) = 0;
  virtual std::string CloseStore() = 0;  // no cursor or snapshot is left
  // kPut, kDelete or kBatch.
  virtual std::string Write(const Operation& operation) = 0;
  virtual std::string Get(const std::string& key, int snapshot) = 0;
  // One answer a line, each as Get gives it.
  virtual std::string MultiGet(std::span<const std::string> keys, int snapshot) = 0;
  virtual std::unique_ptr<Cursor> NewCursor(const CursorRange& range) = 0;
  virtual void TakeSnapshot(int slot) = 0;
  virtual void ReleaseSnapshot(int slot) = 0;

  // ---- What may change nothing that a reader sees ----
  virtual std::string Flush(bool wait) = 0;
  virtual std::string SyncWal() = 0;
  virtual std::string SetOptions(const OptionMap& options) = 0;
  // Whether kThreads really starts threads.
  virtual bool RunsThreads() const = 0;

  // Answers as all stores give them.
  static std::string Found(Slice value);
  static std::string NotFound() { return "not found"; }

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
