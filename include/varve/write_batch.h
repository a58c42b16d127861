#ifndef VARVE_INCLUDE_VARVE_WRITE_BATCH_H_
#define VARVE_INCLUDE_VARVE_WRITE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "varve/slice.h"
#include "varve/status.h"

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

  // InvalidArgument, with the batch unchanged, if key, value or batch would be over its limit.
  Status Put(Slice key, Slice value);
  Status Delete(Slice key);

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
  };
  Status Iterate(Handler* handler) const;

 private:
  friend class WriteBatchInternal;
  struct SavePoint {
    size_t bytes;
    uint32_t count;
  };
  // 8 bytes sequence, 4 bytes count, entries; see db/write_batch.cc.
  std::string rep_;
  std::vector<SavePoint> save_points_;
  bool foreign_ = false;  // holds bytes that FromData() took, and nobody read through yet
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_WRITE_BATCH_H_
