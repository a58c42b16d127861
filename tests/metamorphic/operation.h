#ifndef VARVE_TESTS_METAMORPHIC_OPERATION_H_
#define VARVE_TESTS_METAMORPHIC_OPERATION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "varve/slice.h"
#include "varve/status.h"

// What a metamorphic run does, as plain data: a list of operations that can be printed, cut, parsed
// and run again. An operation means the same to every store, whatever was left out before it: one
// that names a snapshot or a cursor which does not exist is skipped by the runner.
//
// As text it is one line: the kind, then the fields that are not at their default. Keys are quoted,
// with \xNN for what is no plain character; parts stand in braces.
//
//   open options=compression:3,memtable_bytes:65536
//   put key="41" value=17:300 sync
//   batch { put key="a" value=3:10 ; save_point ; delete key="b" ; rollback }
//   cursor slot=1 snapshot=2 lower="a" upper="b"
//   next slot=1 count=3

namespace varve::metamorphic {

enum class Kind : uint8_t {
  // Writes. In a batch the save points too.
  kPut,
  kDelete,
  kDeleteRange,  // [lower, upper)
  kMerge,
  kBatch,
  kIngest,  // the parts, ascending keys, from files made outside; `oldest`, `count` files
  kSavePoint,
  kRollback,
  kPopSavePoint,
  // Reads.
  kGet,
  kMultiGet,
  kScan,  // all of it, or of [lower, upper), forwards and backwards
  // Cursors: iterators that stay open across other operations.
  kCursor,
  kCloseCursor,
  kSeekToFirst,
  kSeekToLast,
  kSeek,
  kSeekForPrev,
  kNext,
  kPrev,
  kRefresh,
  kSnapshot,
  kRelease,
  kMark,  // remembers the sequence that is the last one now, in a slot of its own kind
  // The database.
  kOpen,  // closes it first if it is open, with every cursor and snapshot
  kFlush,
  kSyncWal,
  kCompactRange,  // [lower, upper], either may be missing; `rewrite`
  kCheckpoint,    // made, opened as a database of its own, and scanned
  kSetOptions,
  kThreads,  // the parts of each thread in their order, the threads side by side
  kKindCount,
};

const char* KindName(Kind kind);

// Bytes that are told apart by a number: a value says which write made it.
struct Value {
  uint64_t id = 0;
  uint64_t bytes = 0;

  // Exactly `bytes` bytes. Every other id compresses well, the rest not at all.
  std::string Expand() const;
  friend bool operator==(const Value&, const Value&) = default;
};

using OptionMap = std::map<std::string, std::string>;

struct Operation {
  Kind kind = Kind::kGet;
  int slot = -1;                  // of the snapshot or cursor
  int snapshot = -1;              // slot of the one that is read; -1: the newest state
  int mark = -1;                  // slot of the one at whose sequence is read; -1: none
  int thread = 0;                 // of a part of kThreads
  uint64_t count = 1;             // steps
  std::vector<std::string> keys;  // one, or those of a MultiGet
  std::optional<std::string> lower, upper;
  Value value;
  bool sync = false;
  bool disable_wal = false;
  bool no_wait = false;
  bool oldest = false;
  bool paused = false;  // kThreads: background work stands still as they begin
  bool rewrite = false;
  OptionMap options;
  std::vector<Operation> parts;

  const std::string& key() const { return keys[0]; }
  // One line, without its end.
  std::string ToString() const;
  friend bool operator==(const Operation&, const Operation&) = default;
};

// InvalidArgument, with what is wrong, if the line is no operation.
Status ParseOperation(Slice line, Operation* operation);

// One operation a line; lines that begin with '#' and empty ones are skipped.
Status ParseOperations(Slice text, std::vector<Operation>* operations);
std::string ToText(const std::vector<Operation>& operations);

// The operations less those, and less those parts, whose kind `names` holds: "merge,delete_range".
std::vector<Operation> Without(Slice names, std::vector<Operation> operations);

// `bytes` in double quotes, with \xNN for what is no plain character.
std::string Quoted(Slice bytes);

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_OPERATION_H_
