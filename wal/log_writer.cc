#include "wal/log_writer.h"

#include <cstring>
#include <utility>

#include "util/planted.h"
#include "util/scheduler.h"

namespace varve::wal {

namespace {

// Copies pieces to consecutive places of a file, gathering small ones, as a copy may be a system
// call.
class Gather {
 public:
  Gather(LogFile* file, uint64_t offset, char* scratch)
      : file_(file), offset_(offset), scratch_(scratch) {}

  // A place for `size` more bytes to be filled in at once; only at the beginning.
  char* Reserve(size_t size) {
    used_ += size;
    return scratch_ + used_ - size;
  }

  Status Add(Slice piece) {
    const bool direct = piece.size() > kDirectBytes;
    if (direct || piece.size() > LogWriter::kScratchBytes - used_) {
      if (Status status = Flush(); !status.ok()) return status;
    }
    if (direct) {
      const uint64_t at = offset_;
      offset_ += piece.size();
      return file_->Copy(at, piece);
    }
    if (!piece.empty()) std::memcpy(scratch_ + used_, piece.data(), piece.size());
    used_ += piece.size();
    return Status::OK();
  }

  Status Flush() {
    if (used_ == 0) return Status::OK();
    Status status = file_->Copy(offset_, Slice(scratch_, used_));
    offset_ += used_;
    used_ = 0;
    return status;
  }

 private:
  static constexpr size_t kDirectBytes = LogWriter::kScratchBytes / 4;

  LogFile* const file_;
  uint64_t offset_;
  char* const scratch_;
  size_t used_ = 0;
};

}  // namespace

LogWriter::LogWriter(const LogHeader& header, std::unique_ptr<LogFile> file)
    : number_(header.number), salt_(header.Salt()), file_(std::move(file)) {}

bool LogWriter::Fits(uint64_t payload_bytes) const {
  const uint64_t start = RoundUpToBlock(given_out());
  return payload_bytes <= kPayloadBytesMax && start + RecordBytes(payload_bytes) <= capacity();
}

uint64_t LogWriter::BeginSync() {
  SchedulePoint();
  return tail_.fetch_or(kFence, std::memory_order_acq_rel) & ~kFence;
}

Status LogWriter::Append(std::span<const Slice> parts, uint64_t payload_bytes, LogPosition before,
                         LogPosition durable, char* scratch, uint64_t* bytes_written) {
  // Before the place is taken, so that a sync does not wait for it.
  uint32_t payload_crc = salt_;
  for (Slice part : parts) payload_crc = ExtendCrc32c(payload_crc, part);

  const uint64_t size = RecordBytes(payload_bytes);
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  uint64_t prev, start;
  do {
    SchedulePoint();
    prev = tail & ~kFence;
    const bool fenced = (tail & kFence) != 0 && !VARVE_PLANTED("synced block written again");
    start = fenced ? RoundUpToBlock(prev) : prev;
  } while (!tail_.compare_exchange_weak(tail, start + size, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  SchedulePoint();

  RecordHeader header;
  header.payload_crc = payload_crc;
  header.payload_bytes = payload_bytes;
  header.type = static_cast<uint8_t>(RecordType::kGroup);
  header.prev = prev == kDataOffset ? before : LogPosition{number_, prev};
  header.durable = durable;

  Gather gather(file_.get(), start, scratch);
  EncodeRecordHeader(header, salt_, number_, gather.Reserve(kRecordHeaderBytes));
  for (Slice part : parts) {
    if (Status status = gather.Add(part); !status.ok()) return status;
  }
  static constexpr char kZeros[kUnitBytes] = {};
  const uint64_t padding = size - kRecordHeaderBytes - payload_bytes;
  if (Status status = gather.Add(Slice(kZeros, padding)); !status.ok()) return status;
  if (Status status = gather.Flush(); !status.ok()) return status;

  SchedulePoint();
  complete_.store(start + size, std::memory_order_release);
  *bytes_written = size;
  return Status::OK();
}

}  // namespace varve::wal
