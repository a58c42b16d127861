#ifndef VARVE_INCLUDE_VARVE_WRITE_BATCH_H_
#define VARVE_INCLUDE_VARVE_WRITE_BATCH_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "varve/slice.h"
#include "varve/status.h"
#include "varve/ttl.h"

namespace varve {

// A sequence of updates that is applied whole or not at all. Later entries win over earlier ones
// of the same key. Not thread-safe. Reusable after Clear(), which keeps the memory.
class WriteBatch {
 public:
  static constexpr size_t kKeyBytesMax = 64 << 10;  // a key's limit; the empty key is legal
  static constexpr uint64_t kValueBytesMax = 0xffffffffull;  // a value's limit, 4 GiB - 1
  static constexpr uint64_t kBatchBytesMax = 0xffffffffull;  // DataSize()'s limit: a log record's

  explicit WriteBatch(size_t reserved_bytes = 0);
  // A batch with the contents of `representation`, as Data() of another gave it. Damage shows as
  // Corruption when it is iterated over or written.
  static WriteBatch FromData(Slice representation);

  // InvalidArgument, with the batch unchanged, if a key, the value or the batch would be over its
  // limit.
  Status Put(Slice key, Slice value);
  // The same with a time to live of its own, which counts from the moment the batch is committed,
  // or kNoTtl. (Puts without one get that of WriteOptions, or the default.) Zero or less is
  // InvalidArgument; what would pass 2^64 - 1 ms since 1970 ends there. Such a value's limit is 8
  // bytes less.
  Status Put(Slice key, Slice value, std::chrono::milliseconds ttl);
  // The same with the instant from which on the key is not there, in ms since 1970. One that has
  // passed deletes.
  Status PutUntil(Slice key, Slice value, uint64_t expires_at_ms);
  Status Delete(Slice key);
  // Deletes every key in [start, end) by one entry, whatever there is. A range that is empty in the
  // database's order is legal and deletes nothing; one with `start` behind `end` is InvalidArgument
  // when the batch is written, which is where the order is known.
  Status DeleteRange(Slice start, Slice end);
  // Adds an operand to the key's value; see varve/merge_operator.h. Its limit is a value's. Writing
  // the batch is InvalidArgument in a database without a merge operator.
  Status Merge(Slice key, Slice operand);

  void Clear();

  // Marks a point to which RollbackToSavePoint() returns; they nest.
  void SetSavePoint();
  // Drops the entries since the last save point, and that point. NotFound if there is none.
  Status RollbackToSavePoint();
  // Drops the last save point and keeps the entries. NotFound if there is none.
  Status PopSavePoint();

  // Entries.
  uint32_t Count() const;
  // Bytes of the representation, its header included.
  size_t DataSize() const { return rep_.size(); }
  Slice Data() const { return rep_; }

  // Receives the entries in order. A status that is not OK ends the iteration and is returned.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual Status Put(Slice key, Slice value) = 0;
    virtual Status Delete(Slice key) = 0;
    // NotSupported unless overridden: who does not know an entry must not pass over it.
    virtual Status DeleteRange(Slice start, Slice end);
    virtual Status Merge(Slice key, Slice operand);
    virtual Status PutUntil(Slice key, Slice value, uint64_t expires_at_ms);
    // With 2^64 - 1: never.
    virtual Status PutWithTtl(Slice key, Slice value, uint64_t ttl_ms);
    // In logs alone: the time at which the batch that follows was committed, and the ttl of its
    // plain puts; 2^64 - 1: none.
    virtual Status CommitTime(uint64_t now_ms, uint64_t put_ttl_ms);
    // A put that a cache did not admit: it deletes. Delete() unless overridden.
    virtual Status Refused(Slice key) { return Delete(key); }
  };
  Status Iterate(Handler* handler) const;

 private:
  friend class WriteBatchInternal;
  struct SavePoint {
    size_t bytes;
    uint32_t count;
    uint32_t range_deletes;
    uint32_t merges;
    uint32_t ttls;
    uint32_t expiries;
  };
  // 8 bytes sequence, 4 bytes count, entries; see db/write_batch.cc.
  std::string rep_;
  std::vector<SavePoint> save_points_;
  uint32_t range_deletes_ = 0;  // entries of those types, those that FromData() took left out
  uint32_t merges_ = 0;
  uint32_t ttls_ = 0;
  uint32_t expiries_ = 0;  // of PutUntil()
  bool foreign_ = false;   // holds bytes that FromData() took, and nobody read through yet
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_WRITE_BATCH_H_
