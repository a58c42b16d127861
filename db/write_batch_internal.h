#ifndef VARVE_DB_WRITE_BATCH_INTERNAL_H_
#define VARVE_DB_WRITE_BATCH_INTERNAL_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "memtable/memtable.h"
#include "util/coding.h"
#include "util/internal_key.h"
#include "varve/merge_operator.h"
#include "varve/slice.h"
#include "varve/status.h"
#include "varve/write_batch.h"

// The representation of a batch, which is also what a log record holds:
//
//   batch  := sequence fixed64 | count fixed32 | entry * count
//   entry  := 0 (kDelete)      u8 | bytes key
//           | 1 (kValue)       u8 | bytes key | bytes value
//           | 3 (kMerge)       u8 | bytes key | bytes operand
//           | 4 (kRangeDelete) u8 | bytes start | bytes end
//   bytes  := size varint32 | so many bytes
//
// Entry number i (from 0) has the sequence `sequence` + i. Types 2, 5 and 6 are reserved
// (internal_key.h): a reader answers NotSupported to them, and Corruption to any other. (A build
// from before types 3 and 4 were written answers NotSupported to those.) A range whose start is not
// before its end deletes nothing.

namespace varve {

class WriteBatchInternal {
 public:
  static constexpr size_t kHeaderBytes = 12;

  static SequenceNumber Sequence(Slice data) { return DecodeFixed64(data.data()); }
  static uint32_t Count(Slice data) { return DecodeFixed32(data.data() + 8); }
  static void EncodeHeader(char* to, SequenceNumber sequence, uint32_t count) {
    EncodeFixed64(to, sequence);
    EncodeFixed32(to + 8, count);
  }
  static void SetSequence(WriteBatch* batch, SequenceNumber sequence) {
    EncodeFixed64(batch->rep_.data(), sequence);
  }

  // The entries without the header: a group's record is one header of its own (EncodeHeader, with
  // the sum of the counts) and then the Entries() of each batch.
  static Slice Entries(Slice data) { return data.substr(kHeaderBytes); }

  // Bytes of keys and values, at most: for MemTable::BytesMax(Count(data), DataBytesMax(data)).
  static size_t DataBytesMax(Slice data) { return data.size() - kHeaderBytes; }

  // What Put(), Delete(), DeleteRange() and Merge() do. `value` is the second field, empty for
  // kDelete.
  static Status Append(WriteBatch* batch, ValueType type, Slice key, Slice value);

  // OK if `batch` may be logged and inserted as it is, into a database of this comparator and with
  // this merge operator, which may be null; then *range_deletes is how many it has, for
  // MemTable::BytesMax(). That costs nothing for batches made by Put() and Delete(); the bytes that
  // FromData() took, and batches with range tombstones, are read through. Whoever writes a batch
  // asks this before anything is logged.
  static Status CheckForWrite(const WriteBatch& batch, const InternalKeyComparator& comparator,
                              const MergeOperator* merge_operator, uint32_t* range_deletes);
  // The same for one range, and for merges.
  static Status CheckRange(const InternalKeyComparator& comparator, Slice start, Slice end);
  static Status CheckMerge(const MergeOperator* merge_operator);
  // Reads `data` through: Corruption or NotSupported where it is not a whole batch.
  static Status Verify(Slice data);
  // Calls `handler` for each entry. Stops at the first damaged one, and at the first not-OK answer.
  static Status Iterate(Slice data, WriteBatch::Handler* handler);

  // Adds the entries of `data` to `memtable` with sequences first, first + 1, …; the sequence in
  // the header is not looked at. `concurrently`: other threads do the same
  // (MemTable::AddConcurrently). Damage is found on the way, with the entries before it inserted:
  // Verify() first what was not verified before.
  static Status InsertInto(Slice data, SequenceNumber first, MemTable* memtable, bool concurrently);
};

// One entry on its way to the log and the memtable, without a WriteBatch: what frames the
// key and the value is encoded on the stack, and the log gathers the parts. The key and the value
// are borrowed; the object must not move, as the parts point into it.
//
//   SingleWrite write;
//   if (Status s = write.InitPut(key, value); !s.ok()) return s;
//   write.SetSequence(sequence);
//   wal->Append(write.Record(), &end);
//   write.InsertInto(memtable, sequence);
class SingleWrite {
 public:
  SingleWrite() = default;
  SingleWrite(const SingleWrite&) = delete;
  SingleWrite& operator=(const SingleWrite&) = delete;

  // InvalidArgument if a key or the value is over its limit, as WriteBatch says. Ranges are not
  // checked: CheckRange() does.
  Status InitPut(Slice key, Slice value) { return Init(ValueType::kValue, key, value); }
  Status InitDelete(Slice key) { return Init(ValueType::kDelete, key, Slice()); }
  Status InitDeleteRange(Slice start, Slice end) {
    return Init(ValueType::kRangeDelete, start, end);
  }
  Status InitMerge(Slice key, Slice operand) { return Init(ValueType::kMerge, key, operand); }

  void SetSequence(SequenceNumber sequence) { EncodeFixed64(head_, sequence); }

  // The parts of a whole batch of count 1, and those of the entry alone, for a group's record.
  std::span<const Slice> Record() const { return {parts_, parts_count_}; }
  std::span<const Slice> EntryParts() const { return {parts_ + 1, parts_count_ - 1}; }
  size_t entry_bytes() const { return entry_bytes_; }
  // For MemTable::BytesMax(1, data_bytes(), range_deletes()).
  size_t data_bytes() const { return key_.size() + value_.size(); }

  uint32_t range_deletes() const { return type_ == ValueType::kRangeDelete; }

  void InsertInto(MemTable* memtable, SequenceNumber sequence) const {
    memtable->Add(sequence, type_, key_, value_);
  }
  void InsertConcurrently(MemTable* memtable, SequenceNumber sequence) const {
    MemTable::Tally tally;
    memtable->AddConcurrently(sequence, type_, key_, value_, &tally);
    memtable->AddTally(tally);
  }

 private:
  Status Init(ValueType type, Slice key, Slice value);

  ValueType type_ = ValueType::kDelete;
  size_t parts_count_ = 0;
  size_t entry_bytes_ = 0;
  Slice key_;
  Slice value_;
  Slice parts_[5];  // header, type and key size, key, value size, value
  char head_[WriteBatchInternal::kHeaderBytes];
  char key_head_[1 + kVarint32BytesMax];
  char value_head_[kVarint32BytesMax];
};

}  // namespace varve

#endif  // VARVE_DB_WRITE_BATCH_INTERNAL_H_
