// Touch and ExpireAt: a value written anew with another expiry.
//
//  1. The caller leads the write queue alone, so nobody writes between the read and the write
//     (Checklist C10).
//  2. It reads the key as anybody would, at the published sequence. An error, NotFound and an
//     operand without an operator among them, is the answer, and nothing is written.
//  3. The value, folded where operands made it, is committed as a group of one: logged, inserted
//     and published like a Put. So a new version hides the old one for every later read, and a
//     replay makes the same.
//
// Rejected: a record that changes an expiry alone. Every reader, flush and compaction would have to
// look for one above each value, and whatever drops the value would have to know of it.

#include "db/db_impl.h"
#include "db/single_writer.h"
#include "util/stopwatch.h"

namespace varve {

Status DBImpl::Rewrite(const WriteOptions& options, Slice key,
                       const std::function<Status(SingleWriter* writer, Slice value)>& init) {
  SingleWriter writer;
  if (Status status = SetDurability(options, &writer); !status.ok()) return status;
  Stopwatch watch(options_.statistics.get(), options_.env.clock.get(), Latency::kWrite);
  PinnedValue value;  // until the entry is logged and inserted
  return Lead(
      [&] {
        Status status = reads_->Get({}, key, &value);
        if (status.ok()) status = init(&writer, value.slice());
        if (!status.ok()) return status;
        group_.assign(1, &writer);
        return CommitGroup();
      },
      /*in_memory_too=*/true);
}

Status DBImpl::Touch(const WriteOptions& options, Slice key) {
  uint64_t ttl_ms;
  if (Status status = PutTtl(options, &ttl_ms); !status.ok()) return status;
  return Rewrite(options, key, [&](SingleWriter* writer, Slice value) {
    return writer->InitPut(key, value, ttl_ms);
  });
}

Status DBImpl::ExpireAt(const WriteOptions& options, Slice key, uint64_t expires_at_ms) {
  return Rewrite(options, key, [&](SingleWriter* writer, Slice value) {
    return writer->InitPutUntil(key, value, expires_at_ms);
  });
}

}  // namespace varve
