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

Status CheckSizes(Slice key, Slice value) {
  if (key.size() > WriteBatch::kKeyBytesMax) [[unlikely]] {
    return OverLimit("a key", key.size(), WriteBatch::kKeyBytesMax);
  }
  if (value.size() > WriteBatch::kValueBytesMax) [[unlikely]] {
    return OverLimit("a value", value.size(), WriteBatch::kValueBytesMax);
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
    if (type != ValueType::kValue && type != ValueType::kDelete) [[unlikely]] {
      status_ = BadType();
      return false;
    }
    Slice in = rest_.substr(1);
    value = Slice();
    if (!Take(&in, WriteBatch::kKeyBytesMax, &key)) {
      status_ = Damage("a key is cut off or too long");
      return false;
    }
    if (type == ValueType::kValue && !Take(&in, WriteBatch::kValueBytesMax, &value)) {
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

void WriteBatch::Clear() {
  rep_.assign(kHeaderBytes, '\0');
  save_points_.clear();
  foreign_ = false;
}

void WriteBatch::SetSavePoint() { save_points_.push_back({rep_.size(), Count()}); }

Status WriteBatch::RollbackToSavePoint() {
  if (save_points_.empty()) return Status::NotFound("no save point");
  const SavePoint point = save_points_.back();
  save_points_.pop_back();
  // Bytes too short for a header never grew, so that there is nothing to take back.
  if (rep_.size() >= kHeaderBytes) {
    rep_.resize(point.bytes);
    EncodeFixed32(rep_.data() + 8, point.count);
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
  if (Status s = CheckSizes(key, value); !s.ok()) return s;
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
  if (type == ValueType::kValue) {
    char size[kVarint32BytesMax];
    rep.append(size, EncodeVarint32(size, static_cast<uint32_t>(value.size())) - size);
    rep.append(value);
  }
  EncodeFixed32(rep.data() + 8, count + 1);
  return Status::OK();
}

Status WriteBatchInternal::CheckForWrite(const WriteBatch& batch) {
  if (!batch.foreign_) return Status::OK();
  if (batch.rep_.size() > WriteBatch::kBatchBytesMax) {
    return OverLimit("a batch", batch.rep_.size(), WriteBatch::kBatchBytesMax);
  }
  return Verify(batch.rep_);
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
    Status s = reader.type == ValueType::kValue ? handler->Put(reader.key, reader.value)
                                                : handler->Delete(reader.key);
    if (!s.ok()) return s;
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

Status SingleWrite::InitPut(Slice key, Slice value) {
  if (Status s = CheckSizes(key, value); !s.ok()) return s;
  const uint64_t bytes =
      uint64_t{kHeaderBytes} + sizeof(key_head_) + sizeof(value_head_) + key.size() + value.size();
  if (bytes > WriteBatch::kBatchBytesMax) [[unlikely]] {
    return OverLimit("a batch", bytes, WriteBatch::kBatchBytesMax);
  }
  Encode(ValueType::kValue, key, value);
  return Status::OK();
}

Status SingleWrite::InitDelete(Slice key) {
  if (Status s = CheckSizes(key, Slice()); !s.ok()) return s;
  Encode(ValueType::kDelete, key, Slice());
  return Status::OK();
}

void SingleWrite::Encode(ValueType type, Slice key, Slice value) {
  type_ = type;
  key_ = key;
  value_ = value;
  WriteBatchInternal::EncodeHeader(head_, 0, 1);
  parts_[0] = Slice(head_, sizeof(head_));
  parts_[1] = Slice(key_head_, EncodeEntryHead(key_head_, type, key) - key_head_);
  parts_[2] = key;
  parts_count_ = 3;
  entry_bytes_ = parts_[1].size() + key.size();
  if (type == ValueType::kValue) {
    char* const end = EncodeVarint32(value_head_, static_cast<uint32_t>(value.size()));
    parts_[3] = Slice(value_head_, end - value_head_);
    parts_[4] = value;
    parts_count_ = 5;
    entry_bytes_ += parts_[3].size() + value.size();
  }
}

}  // namespace varve
