#ifndef VARVE_WAL_LOG_WRITER_H_
#define VARVE_WAL_LOG_WRITER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "util/internal_key.h"
#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"
#include "wal/log_format.h"
#include "wal/log_position.h"
#include "wal/log_record.h"

namespace varve::wal {

// One log that takes records: where the next one goes, and how far they are complete.
//
// A block that was synced is never written again (RULES R5.2), and a sync must not begin while a
// record that shares a block with what it covers is half copied. Append and BeginSync agree on that
// through one word, `tail_`: the offset where the given out bytes end and, in its lowest bit, the
// fence.
//  1. Append moves `tail_` past its record, from the next block on if the fence was up, which takes
//     it down; then it copies the record; then it moves `complete_`.
//  2. BeginSync raises the fence, which also reads the end E of what was given out before, and
//     waits until `complete_` reaches E. Whatever is given out later starts in a later block than E
//     - 1.
//
// Thread safety: Append by one caller at a time, BeginSync by one caller at a time, both
// concurrently; the rest from anywhere.
class LogWriter {
 public:
  // Bytes gathered before they are copied into the file, and what Append's `scratch` must hold.
  static constexpr size_t kScratchBytes = 64 << 10;

  // `file` has its headers, synced.
  LogWriter(const LogHeader& header, std::unique_ptr<LogFile> file);

  FileNumber number() const { return number_; }
  uint64_t capacity() const { return file_->capacity(); }
  LogFile* file() const { return file_.get(); }

  // Whether Append has room, wherever a sync puts the next record.
  bool Fits(uint64_t payload_bytes) const;
  // Requires Fits(). `before` is the end of the record before the log's first one; `durable` what
  // is known durable. After an error nothing more may be appended.
  Status Append(std::span<const Slice> parts, uint64_t payload_bytes, LogPosition before,
                LogPosition durable, char* scratch, uint64_t* bytes_written);

  // Raises the fence; returns the end of what the coming sync covers, which is complete only when
  // complete() says so.
  uint64_t BeginSync();
  // The end of the records given out, and of those that are copied whole.
  uint64_t given_out() const { return tail_.load(std::memory_order_relaxed) & ~kFence; }
  uint64_t complete() const { return complete_.load(std::memory_order_acquire); }

 private:
  static constexpr uint64_t kFence = 1;
  static_assert(kFence < kUnitBytes);

  const FileNumber number_;
  const uint32_t salt_;
  const std::unique_ptr<LogFile> file_;

  // Sync's fetch_or and Append's compare-exchange are ordered by being on one word; no other memory
  // is published by it, so relaxed would do for the data. Acquire-release all the same: a sync that
  // sees a record given out then sees the Append before it.
  std::atomic<uint64_t> tail_{kDataOffset};
  // Release: publishes the copies up to it to whoever syncs the file or reads the position.
  std::atomic<uint64_t> complete_{kDataOffset};
};

}  // namespace varve::wal

#endif  // VARVE_WAL_LOG_WRITER_H_
