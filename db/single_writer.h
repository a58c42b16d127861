#ifndef VARVE_DB_SINGLE_WRITER_H_
#define VARVE_DB_SINGLE_WRITER_H_

#include <cstdint>

#include "db/write_batch_internal.h"
#include "db/write_queue.h"

namespace varve {

// One entry in the write queue, without a batch. The key and the value are borrowed.
class SingleWriter : public WriteQueue::Writer {
 public:
  Status InitPut(Slice key, Slice value, uint64_t ttl_ms) {
    if (ttl_ms == CommitTime::kNever) [[likely]]
      return Ready(write_.InitPut(key, value));
    ttl_ms_ = ttl_ms;
    needs_time = expires = true;
    return Ready(write_.InitExpiringPut(key, value));
  }
  // With its own expiry, whenever it is committed; CommitTime::kNever: none.
  Status InitPutUntil(Slice key, Slice value, uint64_t expires_at_ms) {
    if (expires_at_ms == CommitTime::kNever) return Ready(write_.InitPut(key, value));
    expires = true;
    Status status = Ready(write_.InitExpiringPut(key, value));
    if (status.ok()) write_.SetExpiresAt(expires_at_ms);
    return status;
  }
  Status InitDelete(Slice key) { return Ready(write_.InitDelete(key)); }
  Status InitRefused(Slice key) { return Ready(write_.InitRefused(key)); }
  Status InitDeleteRange(Slice start, Slice end) {
    return Ready(write_.InitDeleteRange(start, end));
  }
  Status InitMerge(Slice key, Slice operand) { return Ready(write_.InitMerge(key, operand)); }
  Status InsertInto(MemTable* memtable, bool concurrently) override {
    if (concurrently) {
      write_.InsertConcurrently(memtable, first_sequence);
    } else {
      write_.InsertInto(memtable, first_sequence);
    }
    return Status::OK();
  }
  void SetCommitTime(uint64_t now_ms) override {
    write_.SetExpiresAt(CommitTime{true, now_ms}.ExpiresAt(ttl_ms_));
  }

 private:
  Status Ready(Status status) {
    entry_parts = write_.EntryParts();
    entry_bytes = write_.entry_bytes();
    data_bytes = write_.data_bytes();
    count = 1;
    range_deletes = write_.range_deletes();
    return status;
  }

  SingleWrite write_;
  uint64_t ttl_ms_ = CommitTime::kNever;
};

}  // namespace varve

#endif  // VARVE_DB_SINGLE_WRITER_H_
