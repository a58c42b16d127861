#include "varve/write_batch.h"

#include <cstring>
#include <string>

#include "db/capacity_plan.h"
#include "db/write_batch_internal.h"
#include "util/coding.h"

// The representation is drawn in write_batch_internal.h. All that is read here may come from a disk
// or from a user's FromData(), so every length is checked before it is used.

namespace varve {

namespace {

constexpr size_t kHeaderBytes = WriteBatchInternal::kHeaderBytes;

Status OverLimit(const char* what, uint64_t bytes, uint64_t limit) {
  return Status::InvalidArgument(std::string(what) + " of " + std::to_string(bytes) +
                                 " bytes is over the limit of " + std::to_string(limit));
}

// Whether entries of the type have a second field.
bool HasValue(ValueType type) { return !IsTombstone(type); }

// Bytes that a second field has at least: an expiry or a ttl.
size_t ValueBytesMin(ValueType type) {
  return type == ValueType::kValueWithExpiry || type == ValueType::kValueWithTtl ? kExpiresAtBytes
                                                                                 : 0;
}

uint64_t ValueBytesMax(ValueType type) {
  return type == ValueType::kRangeDelete ? WriteBatch::kKeyBytesMax : WriteBatch::kValueBytesMax;
}

Status CheckSizes(ValueType type, Slice key, uint64_t value_bytes) {
  if (key.size() > WriteBatch::kKeyBytesMax) [[unlikely]] {
    return OverLimit("a key", key.size(), WriteBatch::kKeyBytesMax);
  }
  if (value_bytes > ValueBytesMax(type)) [[unlikely]] {
    return OverLimit(type == ValueType::kRangeDelete ? "a key" : "a value", value_bytes,
                     ValueBytesMax(type));
  }
  return Status::OK();
}

// What goes before the key: at most 1 + kVarint32BytesMax bytes. Returns the end.
char* EncodeEntryHead(char* to, ValueType type, Slice key) {
  *to++ = static_cast<char>(type);
  return EncodeVarint32(to, static_cast<uint32_t>(key.size()));
}

// Takes the entries of a batch one by one.
class EntryReader {
 public:
  explicit EntryReader(Slice data,
                       WriteBatchInternal::Origin origin = WriteBatchInternal::Origin::kBatch,
                       const CommitTime& commit_time = {})
      : time(commit_time), data_(data), origin_(origin), rest_(data) {}

  // Before anything else. Corruption if there is no whole header.
  Status ReadHeader() {
    if (data_.size() < kHeaderBytes) return Damage("its header is cut off");
    count_ = WriteBatchInternal::Count(data_);
    rest_.remove_prefix(kHeaderBytes);
    return Status::OK();
  }

  // True, with the next entry; false at the end, whole or damaged, which status() tells.
  bool Next() {
    while (AtCommitTime()) {
      if (!TakeCommitTime()) return false;
    }
    return NextEntry();
  }

  // The same for one entry of a record after the other, those that tell the time included.
  bool NextOrTime() {
    if (!AtCommitTime()) return NextEntry();
    type = ValueType::kCommitTime;
    return TakeCommitTime();
  }

  // Makes of the current entry what a memtable holds: `type`, and as its value `head` and `value`.
  bool Resolve() {
    head = Slice();
    uint64_t ttl_ms;
    if (type == ValueType::kValue) {
      if (time.put_ttl_ms == CommitTime::kNever) [[likely]]
        return true;
      ttl_ms = time.put_ttl_ms;
    } else if (type == ValueType::kValueWithTtl) {
      if (!time.known) {
        status_ = Damage("a time to live without the time of the commit");
        return false;
      }
      ttl_ms = DecodeFixed64(value.data());
      value.remove_prefix(kExpiresAtBytes);
    } else {
      return true;
    }
    type = ttl_ms == CommitTime::kNever ? ValueType::kValue : ValueType::kValueWithExpiry;
    if (type == ValueType::kValue) return true;
    EncodeFixed64(expires_at_, time.ExpiresAt(ttl_ms));
    head = Slice(expires_at_, sizeof(expires_at_));
    return true;
  }

  const Status& status() const { return status_; }

  // Of the entry that Next() read.
  ValueType type = ValueType::kDelete;
  Slice key;
  Slice value;
  Slice head;       // after Resolve()
  CommitTime time;  // as it stands at the entry

 private:
  // A time stands before an entry, never behind the last one.
  bool AtCommitTime() const {
    return origin_ == WriteBatchInternal::Origin::kLog && read_ != count_ && !rest_.empty() &&
           static_cast<ValueType>(rest_[0]) == ValueType::kCommitTime;
  }
  bool TakeCommitTime() {
    if (rest_.size() < WriteBatchInternal::kCommitTimeBytes) {
      status_ = Damage("the time of a commit is cut off");
      return false;
    }
    time = {true, DecodeFixed64(rest_.data() + 1), DecodeFixed64(rest_.data() + 9)};
    rest_.remove_prefix(WriteBatchInternal::kCommitTimeBytes);
    return true;
  }

  bool NextEntry() {
    if (rest_.empty() || read_ == count_) {
      if (!rest_.empty()) {
        status_ = Damage("bytes after the last of its " + std::to_string(count_) + " entries");
      } else if (read_ != count_) {
        status_ = Damage("it ends after " + std::to_string(read_) + " of " +
                         std::to_string(count_) + " entries");
      }
      return false;
    }
    type = static_cast<ValueType>(rest_[0]);
    if (!IsWritten(type)) [[unlikely]] {
      status_ = BadType();
      return false;
    }
    Slice in = rest_.substr(1);
    value = Slice();
    if (!Take(&in, WriteBatch::kKeyBytesMax, &key)) {
      status_ = Damage("a key is cut off or too long");
      return false;
    }
    if (HasValue(type) && !Take(&in, ValueBytesMax(type), &value)) {
      status_ = Damage("a value is cut off or too long");
      return false;
    }
    if (value.size() < ValueBytesMin(type)) {
      status_ = Damage("a value is too short for its expiry");
      return false;
    }
    rest_ = in;
    ++read_;
    return true;
  }

  static bool IsWritten(ValueType type) {
    return type == ValueType::kValue || type == ValueType::kDelete || type == ValueType::kMerge ||
           type == ValueType::kRangeDelete || type == ValueType::kValueWithExpiry ||
           type == ValueType::kValueWithTtl || type == ValueType::kRefused;
  }
  static bool Take(Slice* in, uint64_t limit, Slice* bytes) {
    uint32_t size;
    if (!GetVarint32(in, &size) || size > in->size() || size > limit) return false;
    *bytes = in->substr(0, size);
    in->remove_prefix(size);
    return true;
  }

  Status Damage(const std::string& what) const {
    return Status::Corruption("write batch of " + std::to_string(data_.size()) + " bytes: " + what +
                              ", at byte " + std::to_string(data_.size() - rest_.size()));
  }
  Status BadType() const {
    const int number = static_cast<uint8_t>(rest_[0]);
    if (number <= static_cast<int>(ValueType::kValuePointerWithExpiry)) {
      return Status::NotSupported("write batch: an entry of type " + std::to_string(number) +
                                  ", which this version does not write, at byte " +
                                  std::to_string(data_.size() - rest_.size()));
    }
    return Damage("an entry of unknown type " + std::to_string(number));
  }

  const Slice data_;
  const WriteBatchInternal::Origin origin_;
  Slice rest_;
  uint32_t count_ = 0;
  uint32_t read_ = 0;
  Status status_;
  char expires_at_[kExpiresAtBytes];  // what `head` is
};

Status Give(const EntryReader& entry, WriteBatch::Handler* handler) {
  switch (entry.type) {
    case ValueType::kValue:
      return handler->Put(entry.key, entry.value);
    case ValueType::kMerge:
      return handler->Merge(entry.key, entry.value);
    case ValueType::kRangeDelete:
      return handler->DeleteRange(entry.key, entry.value);
    case ValueType::kValueWithExpiry:
      return handler->PutUntil(entry.key, entry.value.substr(kExpiresAtBytes),
                               ExpiresAtOf(entry.value));
    case ValueType::kValueWithTtl:
      return handler->PutWithTtl(entry.key, entry.value.substr(kExpiresAtBytes),
                                 DecodeFixed64(entry.value.data()));
    case ValueType::kCommitTime:
      return handler->CommitTime(entry.time.now_ms, entry.time.put_ttl_ms);
    case ValueType::kRefused:
      return handler->Refused(entry.key);
    default:
      return handler->Delete(entry.key);
  }
}

}  // namespace

WriteBatch::WriteBatch(size_t reserved_bytes) {
  rep_.reserve(reserved_bytes);
  rep_.resize(kHeaderBytes);
}

WriteBatch WriteBatch::FromData(Slice representation) {
  WriteBatch batch;
  batch.rep_.assign(representation);
  batch.foreign_ = true;
  return batch;
}

Status WriteBatch::Put(Slice key, Slice value) {
  return WriteBatchInternal::Append(this, ValueType::kValue, key, value);
}

Status WriteBatch::Put(Slice key, Slice value, std::chrono::milliseconds ttl) {
  uint64_t ttl_ms;
  if (Status s = WriteBatchInternal::TtlMillis(ttl, &ttl_ms); !s.ok()) return s;
  char head[kExpiresAtBytes];
  EncodeFixed64(head, ttl_ms);
  return WriteBatchInternal::Append(this, ValueType::kValueWithTtl, key, value,
                                    Slice(head, sizeof(head)));
}

Status WriteBatch::PutUntil(Slice key, Slice value, uint64_t expires_at_ms) {
  char head[kExpiresAtBytes];
  EncodeFixed64(head, expires_at_ms);
  return WriteBatchInternal::Append(this, ValueType::kValueWithExpiry, key, value,
                                    Slice(head, sizeof(head)));
}

Status WriteBatch::Delete(Slice key) {
  return WriteBatchInternal::Append(this, ValueType::kDelete, key, Slice());
}

Status WriteBatch::DeleteRange(Slice start, Slice end) {
  return WriteBatchInternal::Append(this, ValueType::kRangeDelete, start, end);
}
Status WriteBatch::Merge(Slice key, Slice operand) {
  return WriteBatchInternal::Append(this, ValueType::kMerge, key, operand);
}

Status WriteBatch::Handler::DeleteRange(Slice, Slice) {
  return Status::NotSupported("this handler of write batches knows no range tombstones");
}
Status WriteBatch::Handler::Merge(Slice, Slice) {
  return Status::NotSupported("this handler of write batches knows no merge operands");
}
Status WriteBatch::Handler::PutUntil(Slice, Slice, uint64_t) {
  return Status::NotSupported("this handler of write batches knows no expiry");
}
Status WriteBatch::Handler::PutWithTtl(Slice, Slice, uint64_t) {
  return Status::NotSupported("this handler of write batches knows no time to live");
}
Status WriteBatch::Handler::CommitTime(uint64_t, uint64_t) {
  return Status::NotSupported("this handler of write batches knows no times of commits");
}

void WriteBatch::Clear() {
  rep_.assign(kHeaderBytes, '\0');
  save_points_.clear();
  range_deletes_ = merges_ = ttls_ = expiries_ = 0;
  foreign_ = false;
}

void WriteBatch::SetSavePoint() {
  save_points_.push_back({rep_.size(), Count(), range_deletes_, merges_, ttls_, expiries_});
}

Status WriteBatch::RollbackToSavePoint() {
  if (save_points_.empty()) return Status::NotFound("no save point");
  const SavePoint point = save_points_.back();
  save_points_.pop_back();
  // Bytes too short for a header never grew, so that there is nothing to take back.
  if (rep_.size() >= kHeaderBytes) {
    rep_.resize(point.bytes);
    EncodeFixed32(rep_.data() + 8, point.count);
    range_deletes_ = point.range_deletes;
    merges_ = point.merges;
    ttls_ = point.ttls;
    expiries_ = point.expiries;
  }
  return Status::OK();
}

Status WriteBatch::PopSavePoint() {
  if (save_points_.empty()) return Status::NotFound("no save point");
  save_points_.pop_back();
  return Status::OK();
}

uint32_t WriteBatch::Count() const {
  return rep_.size() < kHeaderBytes ? 0 : WriteBatchInternal::Count(rep_);
}

Status WriteBatch::Iterate(Handler* handler) const {
  return WriteBatchInternal::Iterate(rep_, handler);
}

Status WriteBatchInternal::TtlMillis(std::chrono::milliseconds ttl, uint64_t* millis) {
  if (ttl.count() <= 0) {
    return Status::InvalidArgument("a time to live of " + std::to_string(ttl.count()) +
                                   " ms: must be positive");
  }
  *millis = ttl == kNoTtl ? CommitTime::kNever : static_cast<uint64_t>(ttl.count());
  return Status::OK();
}

void WriteBatchInternal::EncodeCommitTime(char* to, const CommitTime& time) {
  to[0] = static_cast<char>(ValueType::kCommitTime);
  EncodeFixed64(to + 1, time.now_ms);
  EncodeFixed64(to + 9, time.put_ttl_ms);
}

Status WriteBatchInternal::Append(WriteBatch* batch, ValueType type, Slice key, Slice value,
                                  Slice head) {
  const uint64_t value_bytes = uint64_t{head.size()} + value.size();
  if (Status s = CheckSizes(type, key, value_bytes); !s.ok()) return s;
  std::string& rep = batch->rep_;
  if (rep.size() < kHeaderBytes) return EntryReader(rep).ReadHeader();
  const uint32_t count = Count(rep);
  const uint64_t bytes =
      uint64_t{rep.size()} + 1 + 2 * kVarint32BytesMax + key.size() + value_bytes;
  if (bytes > WriteBatch::kBatchBytesMax || count == UINT32_MAX) [[unlikely]] {
    return OverLimit("a batch", bytes, WriteBatch::kBatchBytesMax);
  }
  char entry_head[1 + kVarint32BytesMax];
  rep.append(entry_head, EncodeEntryHead(entry_head, type, key) - entry_head);
  rep.append(key);
  if (HasValue(type)) {
    char size[kVarint32BytesMax];
    rep.append(size, EncodeVarint32(size, static_cast<uint32_t>(value_bytes)) - size);
    rep.append(head);
    rep.append(value);
  }
  EncodeFixed32(rep.data() + 8, count + 1);
  batch->range_deletes_ += type == ValueType::kRangeDelete;
  batch->merges_ += type == ValueType::kMerge;
  batch->ttls_ += type == ValueType::kValueWithTtl;
  batch->expiries_ += type == ValueType::kValueWithExpiry;
  return Status::OK();
}

Status WriteBatchInternal::CheckForWrite(const WriteBatch& batch,
                                         const InternalKeyComparator& comparator,
                                         const MergeOperator* merge_operator,
                                         BatchContents* contents) {
  *contents = {0, batch.merges_ != 0, batch.ttls_ != 0, batch.expiries_ != 0};
  if (!batch.foreign_ && batch.range_deletes_ == 0) [[likely]] {
    return batch.merges_ == 0 ? Status::OK() : CheckMerge(merge_operator);
  }
  if (batch.rep_.size() > WriteBatch::kBatchBytesMax) {
    return OverLimit("a batch", batch.rep_.size(), WriteBatch::kBatchBytesMax);
  }
  EntryReader reader(batch.rep_);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  Status refused;  // damage goes first: it may be why
  while (reader.Next()) {
    if (reader.type == ValueType::kRangeDelete) {
      ++contents->range_deletes;
      if (refused.ok()) refused = CheckRange(comparator, reader.key, reader.value);
    } else if (reader.type == ValueType::kValueWithTtl) {
      contents->ttls = true;
    } else if (reader.type == ValueType::kValueWithExpiry) {
      contents->expiries = true;
    } else if (reader.type == ValueType::kMerge) {
      contents->merges = true;
      if (refused.ok()) refused = CheckMerge(merge_operator);
    }
  }
  return reader.status().ok() ? refused : reader.status();
}

Status WriteBatchInternal::CheckRange(const InternalKeyComparator& comparator, Slice start,
                                      Slice end) {
  if (comparator.CompareUserKeys(start, end) <= 0) return Status::OK();
  return Status::InvalidArgument("DeleteRange: its start comes after its end");
}

Status WriteBatchInternal::CheckMerge(const MergeOperator* merge_operator) {
  if (merge_operator != nullptr) return Status::OK();
  return Status::InvalidArgument("Merge: the database was opened without a merge_operator");
}

Status WriteBatchInternal::Verify(Slice data, Origin origin, FlushLoad* load) {
  EntryReader reader(data, origin);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  while (reader.Next()) {
    if (origin == Origin::kLog && !reader.Resolve()) break;
    if (load == nullptr) continue;
    FlushLoad entry;
    entry.entries = 1;
    entry.data_bytes = reader.key.size() + reader.head.size() + reader.value.size();
    entry.expiring = reader.type == ValueType::kValueWithExpiry;
    if (reader.type == ValueType::kRangeDelete) {
      entry.range_deletes = 1;
      entry.range_bytes = entry.data_bytes;
    }
    load->Add(entry);
  }
  return reader.status();
}

Status WriteBatchInternal::Iterate(Slice data, WriteBatch::Handler* handler, Origin origin) {
  EntryReader reader(data, origin);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  while (reader.NextOrTime()) {
    if (Status s = Give(reader, handler); !s.ok()) return s;
  }
  return reader.status();
}

Status WriteBatchInternal::InsertInto(Slice data, SequenceNumber first, MemTable* memtable,
                                      bool concurrently, const CommitTime& time, Origin origin) {
  EntryReader reader(data, origin, time);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  SequenceNumber sequence = first;
  if (!concurrently) {
    while (reader.Next() && reader.Resolve()) {
      memtable->Add(sequence++, reader.type, reader.key, reader.value, reader.head);
    }
    return reader.status();
  }
  MemTable::Tally tally;
  while (reader.Next() && reader.Resolve()) {
    memtable->AddConcurrently(sequence++, reader.type, reader.key, reader.value, &tally,
                              reader.head);
  }
  memtable->AddTally(tally);
  return reader.status();
}

Status SingleWrite::Init(ValueType type, Slice key, Slice value) {
  const size_t expiry_bytes = ValueBytesMin(type);
  if (Status s = CheckSizes(type, key, uint64_t{expiry_bytes} + value.size()); !s.ok()) return s;
  const uint64_t bytes =
      uint64_t{kHeaderBytes} + sizeof(key_head_) + sizeof(value_head_) + key.size() + value.size();
  if (bytes > WriteBatch::kBatchBytesMax) [[unlikely]] {
    return OverLimit("a batch", bytes, WriteBatch::kBatchBytesMax);
  }
  type_ = type;
  key_ = key;
  value_ = value;
  WriteBatchInternal::EncodeHeader(head_, 0, 1);
  parts_[0] = Slice(head_, sizeof(head_));
  parts_[1] = Slice(key_head_, EncodeEntryHead(key_head_, type, key) - key_head_);
  parts_[2] = key;
  parts_count_ = 3;
  entry_bytes_ = parts_[1].size() + key.size();
  if (HasValue(type)) {
    char size[kVarint32BytesMax];
    const size_t size_bytes =
        EncodeVarint32(size, static_cast<uint32_t>(expiry_bytes + value.size())) - size;
    char* const from = expiry() - size_bytes;
    std::memcpy(from, size, size_bytes);
    parts_[3] = Slice(from, size_bytes + expiry_bytes);
    parts_[4] = value;
    parts_count_ = 5;
    entry_bytes_ += parts_[3].size() + value.size();
  }
  return Status::OK();
}

}  // namespace varve
