#ifndef VARVE_DB_WRITE_BATCH_INTERNAL_H_
#define VARVE_DB_WRITE_BATCH_INTERNAL_H_

#include <chrono>
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
//           | 2 (kValueWithExpiry) u8 | bytes key | bytes (expires_at fixed64, value)
//           | 3 (kMerge)       u8 | bytes key | bytes operand
//           | 4 (kRangeDelete) u8 | bytes start | bytes end
//           | 7 (kValueWithTtl) u8 | bytes key | bytes (ttl_ms fixed64, value)
//           | 9 (kRefused)     u8 | bytes key
//   bytes  := size varint32 | so many bytes
//
// In a log record, before any entry, and not counted:
//
//             8 (kCommitTime)  u8 | now_ms fixed64 | ttl_ms fixed64
//
// Up to the next one, type 7 expires at now + its ttl, and type 1 at now + the ttl here; 2^64 - 1
// is never, and sums end there. They are inserted as types 1 and 2, so what was logged makes the
// same memtable again. Type 7 in a record without an 8 before it is Corruption.
//
// Entry number i (from 0) has the sequence `sequence` + i. Types 5 and 6 are reserved
// (internal_key.h): a reader answers NotSupported to them, and Corruption to any other. (A build
// from before types 2, 3 and 4 were written answers NotSupported to those, and Corruption to 7, 8
// and 9.) A range whose start is not before its end deletes nothing.

namespace varve {

struct FlushLoad;  // db/capacity_plan.h

// By which entries with a ttl get their expiry.
struct CommitTime {
  static constexpr uint64_t kNever = UINT64_MAX;

  bool known = false;
  uint64_t now_ms = 0;
  uint64_t put_ttl_ms = kNever;  // of entries that have none of their own

  uint64_t ExpiresAt(uint64_t ttl_ms) const {
    return ttl_ms > kNever - now_ms ? kNever : now_ms + ttl_ms;
  }
};

// What a batch holds that its writer must know of.
struct BatchContents {
  uint32_t range_deletes = 0;
  bool merges = false;
  bool ttls = false;      // entries with a ttl of their own
  bool expiries = false;  // entries that say when they expire
};

class WriteBatchInternal {
 public:
  static constexpr size_t kHeaderBytes = 12;
  static constexpr size_t kCommitTimeBytes = 1 + 8 + 8;
  // Where bytes come from: only log records tell the time.
  enum class Origin : uint8_t { kBatch, kLog };

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

  // InvalidArgument where it is not positive; kNoTtl is CommitTime::kNever.
  static Status TtlMillis(std::chrono::milliseconds ttl, uint64_t* millis);
  // The entry that stands before a batch in a record: kCommitTimeBytes.
  static void EncodeCommitTime(char* to, const CommitTime& time);

  // What Put(), Delete(), DeleteRange() and Merge() do. The second field is `head` and `value`
  // together, empty for kDelete.
  static Status Append(WriteBatch* batch, ValueType type, Slice key, Slice value,
                       Slice head = Slice());

  // OK if `batch` may be logged and inserted as it is, into a database of this comparator and with
  // this merge operator, which may be null; then *contents says what it has. That costs
  // nothing for batches made by Put() and Delete(); the bytes that
  // FromData() took, and batches with range tombstones, are read through. Whoever writes a batch
  // asks this before anything is logged.
  static Status CheckForWrite(const WriteBatch& batch, const InternalKeyComparator& comparator,
                              const MergeOperator* merge_operator, BatchContents* contents);
  // The same for one range, and for merges.
  static Status CheckRange(const InternalKeyComparator& comparator, Slice start, Slice end);
  static Status CheckMerge(const MergeOperator* merge_operator);
  // Reads `data` through: Corruption or NotSupported where it is not a whole batch. With `load` it
  // adds there what the entries will be in a memtable.
  static Status Verify(Slice data, Origin origin = Origin::kBatch, FlushLoad* load = nullptr);
  // Calls `handler` for each entry. Stops at the first damaged one, and at the first not-OK answer.
  static Status Iterate(Slice data, WriteBatch::Handler* handler, Origin origin = Origin::kBatch);

  // Adds the entries of `data` to `memtable` with sequences first, first + 1, …; the sequence in
  // the header is not looked at. `concurrently`: other threads do the same
  // (MemTable::AddConcurrently). Damage is found on the way, with the entries before it inserted:
  // Verify() first what was not verified before. `time` is that of a batch; a record tells its own.
  static Status InsertInto(Slice data, SequenceNumber first, MemTable* memtable, bool concurrently,
                           const CommitTime& time = {}, Origin origin = Origin::kBatch);
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
  // SetExpiresAt() before anything but sizes is asked for.
  Status InitExpiringPut(Slice key, Slice value) {
    return Init(ValueType::kValueWithExpiry, key, value);
  }
  Status InitDelete(Slice key) { return Init(ValueType::kDelete, key, Slice()); }
  Status InitRefused(Slice key) { return Init(ValueType::kRefused, key, Slice()); }
  Status InitDeleteRange(Slice start, Slice end) {
    return Init(ValueType::kRangeDelete, start, end);
  }
  Status InitMerge(Slice key, Slice operand) { return Init(ValueType::kMerge, key, operand); }

  void SetSequence(SequenceNumber sequence) { EncodeFixed64(head_, sequence); }
  void SetExpiresAt(uint64_t expires_at) { EncodeFixed64(expiry(), expires_at); }

  // The parts of a whole batch of count 1, and those of the entry alone, for a group's record.
  std::span<const Slice> Record() const { return {parts_, parts_count_}; }
  std::span<const Slice> EntryParts() const { return {parts_ + 1, parts_count_ - 1}; }
  size_t entry_bytes() const { return entry_bytes_; }
  // For MemTable::BytesMax(1, data_bytes(), range_deletes()).
  size_t data_bytes() const { return key_.size() + expiry_bytes() + value_.size(); }

  uint32_t range_deletes() const { return type_ == ValueType::kRangeDelete; }

  void InsertInto(MemTable* memtable, SequenceNumber sequence) const {
    memtable->Add(sequence, type_, key_, value_, Slice(expiry(), expiry_bytes()));
  }
  void InsertConcurrently(MemTable* memtable, SequenceNumber sequence) const {
    MemTable::Tally tally;
    memtable->AddConcurrently(sequence, type_, key_, value_, &tally,
                              Slice(expiry(), expiry_bytes()));
    memtable->AddTally(tally);
  }

 private:
  size_t expiry_bytes() const { return type_ == ValueType::kValueWithExpiry ? kExpiresAtBytes : 0; }
  const char* expiry() const { return value_head_ + kVarint32BytesMax; }
  char* expiry() { return value_head_ + kVarint32BytesMax; }
  Status Init(ValueType type, Slice key, Slice value);

  ValueType type_ = ValueType::kDelete;
  size_t parts_count_ = 0;
  size_t entry_bytes_ = 0;
  Slice key_;
  Slice value_;
  Slice parts_[5];  // header, type and key size, key, value size and expiry, value
  char head_[WriteBatchInternal::kHeaderBytes];
  char key_head_[1 + kVarint32BytesMax];
  char value_head_[kVarint32BytesMax + kExpiresAtBytes];  // the size ends where the expiry begins
};

}  // namespace varve

#endif  // VARVE_DB_WRITE_BATCH_INTERNAL_H_
