#include "varve/write_batch.h"

#include <string>

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
bool HasValue(ValueType type) { return type != ValueType::kDelete; }

uint64_t ValueBytesMax(ValueType type) {
  return type == ValueType::kRangeDelete ? WriteBatch::kKeyBytesMax : WriteBatch::kValueBytesMax;
}

Status CheckSizes(ValueType type, Slice key, Slice value) {
  if (key.size() > WriteBatch::kKeyBytesMax) [[unlikely]] {
    return OverLimit("a key", key.size(), WriteBatch::kKeyBytesMax);
  }
  if (value.size() > ValueBytesMax(type)) [[unlikely]] {
    return OverLimit(type == ValueType::kRangeDelete ? "a key" : "a value", value.size(),
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
  explicit EntryReader(Slice data) : data_(data), rest_(data) {}

  // Before anything else. Corruption if there is no whole header.
  Status ReadHeader() {
    if (data_.size() < kHeaderBytes) return Damage("its header is cut off");
    count_ = WriteBatchInternal::Count(data_);
    rest_.remove_prefix(kHeaderBytes);
    return Status::OK();
  }

  // True, with the next entry; false at the end, whole or damaged, which status() tells.
  bool Next() {
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
    rest_ = in;
    ++read_;
    return true;
  }

  const Status& status() const { return status_; }

  // Of the entry that Next() read.
  ValueType type = ValueType::kDelete;
  Slice key;
  Slice value;

 private:
  static bool IsWritten(ValueType type) {
    return type == ValueType::kValue || type == ValueType::kDelete || type == ValueType::kMerge ||
           type == ValueType::kRangeDelete;
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
  Slice rest_;
  uint32_t count_ = 0;
  uint32_t read_ = 0;
  Status status_;
};

Status Give(const EntryReader& entry, WriteBatch::Handler* handler) {
  switch (entry.type) {
    case ValueType::kValue:
      return handler->Put(entry.key, entry.value);
    case ValueType::kMerge:
      return handler->Merge(entry.key, entry.value);
    case ValueType::kRangeDelete:
      return handler->DeleteRange(entry.key, entry.value);
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

void WriteBatch::Clear() {
  rep_.assign(kHeaderBytes, '\0');
  save_points_.clear();
  range_deletes_ = merges_ = 0;
  foreign_ = false;
}

void WriteBatch::SetSavePoint() {
  save_points_.push_back({rep_.size(), Count(), range_deletes_, merges_});
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

Status WriteBatchInternal::Append(WriteBatch* batch, ValueType type, Slice key, Slice value) {
  if (Status s = CheckSizes(type, key, value); !s.ok()) return s;
  std::string& rep = batch->rep_;
  if (rep.size() < kHeaderBytes) return EntryReader(rep).ReadHeader();
  const uint32_t count = Count(rep);
  const uint64_t bytes =
      uint64_t{rep.size()} + 1 + 2 * kVarint32BytesMax + key.size() + value.size();
  if (bytes > WriteBatch::kBatchBytesMax || count == UINT32_MAX) [[unlikely]] {
    return OverLimit("a batch", bytes, WriteBatch::kBatchBytesMax);
  }
  char head[1 + kVarint32BytesMax];
  rep.append(head, EncodeEntryHead(head, type, key) - head);
  rep.append(key);
  if (HasValue(type)) {
    char size[kVarint32BytesMax];
    rep.append(size, EncodeVarint32(size, static_cast<uint32_t>(value.size())) - size);
    rep.append(value);
  }
  EncodeFixed32(rep.data() + 8, count + 1);
  batch->range_deletes_ += type == ValueType::kRangeDelete;
  batch->merges_ += type == ValueType::kMerge;
  return Status::OK();
}

Status WriteBatchInternal::CheckForWrite(const WriteBatch& batch,
                                         const InternalKeyComparator& comparator,
                                         const MergeOperator* merge_operator,
                                         uint32_t* range_deletes) {
  *range_deletes = 0;
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
      ++*range_deletes;
      if (refused.ok()) refused = CheckRange(comparator, reader.key, reader.value);
    } else if (reader.type == ValueType::kMerge) {
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

Status WriteBatchInternal::Verify(Slice data) {
  EntryReader reader(data);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  while (reader.Next()) {
  }
  return reader.status();
}

Status WriteBatchInternal::Iterate(Slice data, WriteBatch::Handler* handler) {
  EntryReader reader(data);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  while (reader.Next()) {
    if (Status s = Give(reader, handler); !s.ok()) return s;
  }
  return reader.status();
}

Status WriteBatchInternal::InsertInto(Slice data, SequenceNumber first, MemTable* memtable,
                                      bool concurrently) {
  EntryReader reader(data);
  if (Status s = reader.ReadHeader(); !s.ok()) return s;
  SequenceNumber sequence = first;
  if (!concurrently) {
    while (reader.Next()) memtable->Add(sequence++, reader.type, reader.key, reader.value);
    return reader.status();
  }
  MemTable::Tally tally;
  while (reader.Next()) {
    memtable->AddConcurrently(sequence++, reader.type, reader.key, reader.value, &tally);
  }
  memtable->AddTally(tally);
  return reader.status();
}

Status SingleWrite::Init(ValueType type, Slice key, Slice value) {
  if (Status s = CheckSizes(type, key, value); !s.ok()) return s;
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
    char* const end = EncodeVarint32(value_head_, static_cast<uint32_t>(value.size()));
    parts_[3] = Slice(value_head_, end - value_head_);
    parts_[4] = value;
    parts_count_ = 5;
    entry_bytes_ += parts_[3].size() + value.size();
  }
  return Status::OK();
}

}  // namespace varve
