#include "db/admit_batch.h"

#include <vector>

#include "db/write_batch_internal.h"
#include "util/coding.h"
#include "util/hash.h"

namespace varve {

namespace {

// Asks about each put, and remembers the answers: asked twice, what is seen first would be seen
// before.
class Asking : public WriteBatch::Handler {
 public:
  explicit Asking(Admission* admission) : admission_(admission) {}

  Status Put(Slice key, Slice value) override {
    const uint64_t bytes = key.size() + value.size();
    const bool admit = admission_->Admit(Hash64(key), bytes);
    if (!admit) {
      ++refused.entries;
      refused.bytes += bytes;
    }
    admitted.push_back(admit);
    return Status::OK();
  }
  Status PutUntil(Slice key, Slice value, uint64_t) override { return Put(key, value); }
  Status PutWithTtl(Slice key, Slice value, uint64_t) override { return Put(key, value); }
  Status Delete(Slice) override { return Status::OK(); }
  Status DeleteRange(Slice, Slice) override { return Status::OK(); }
  Status Merge(Slice, Slice) override { return Status::OK(); }

  std::vector<bool> admitted;  // of each put
  RefusedEntries refused;

 private:
  Admission* const admission_;
};

class Copying : public WriteBatch::Handler {
 public:
  Copying(const std::vector<bool>& admitted, WriteBatch* to) : admitted_(admitted), to_(to) {}

  Status Put(Slice key, Slice value) override {
    return admitted_[next_++] ? to_->Put(key, value) : Refused(key);
  }
  Status PutUntil(Slice key, Slice value, uint64_t expires_at_ms) override {
    return admitted_[next_++] ? to_->PutUntil(key, value, expires_at_ms) : Refused(key);
  }
  Status PutWithTtl(Slice key, Slice value, uint64_t ttl_ms) override {
    if (!admitted_[next_++]) return Refused(key);
    char head[kExpiresAtBytes];
    EncodeFixed64(head, ttl_ms);
    return WriteBatchInternal::Append(to_, ValueType::kValueWithTtl, key, value,
                                      Slice(head, sizeof(head)));
  }
  Status Delete(Slice key) override { return to_->Delete(key); }
  Status DeleteRange(Slice start, Slice end) override { return to_->DeleteRange(start, end); }
  Status Merge(Slice key, Slice operand) override { return to_->Merge(key, operand); }
  Status Refused(Slice key) override {
    return WriteBatchInternal::Append(to_, ValueType::kRefused, key, Slice());
  }

 private:
  const std::vector<bool>& admitted_;
  size_t next_ = 0;
  WriteBatch* const to_;
};

}  // namespace

Status AdmitBatch(const WriteBatch& batch, Admission* admission, WriteBatch* admitted,
                  RefusedEntries* refused) {
  Asking asking(admission);
  Status status = batch.Iterate(&asking);
  *refused = asking.refused;
  if (!status.ok() || asking.refused.entries == 0) return status;
  Copying copying(asking.admitted, admitted);
  admitted->Clear();
  return batch.Iterate(&copying);
}

}  // namespace varve
