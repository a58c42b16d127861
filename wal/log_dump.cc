#include "wal/log_dump.h"

#include <memory>

#include "wal/log_format.h"

namespace varve::wal {

namespace {

// Opens the log as the one its own header says it is.
Status OpenUnderOwnNumber(FileSystem* file_system, const std::string& path,
                          std::unique_ptr<LogReader>* log) {
  if (Status status = LogReader::Open(file_system, path, 0, log); !status.ok()) return status;
  for (const HeaderCopy& copy : (*log)->copies()) {
    if (copy.good) return LogReader::Open(file_system, path, copy.header.number, log);
  }
  return Status::OK();
}

}  // namespace

Status DumpLog(FileSystem* file_system, const std::string& path, LogDumpSink* sink) {
  std::unique_ptr<LogReader> log;
  if (Status status = OpenUnderOwnNumber(file_system, path, &log); !status.ok()) return status;
  for (int i = 0; i < kHeaderCopies; ++i) sink->OnHeader(i * kBlockBytes, log->copies()[i]);
  if (!log->usable()) {
    if (log->file_bytes() > kDataOffset) {
      sink->OnGap(kDataOffset, log->file_bytes(), /*all_zero=*/false, log->why());
    }
    return Status::OK();
  }
  if (log->header().version != kVersion || (log->header().incompat & ~kIncompatKnown) != 0) {
    return Status::NotSupported(
        path + ": the log has format version " + std::to_string(log->header().version) +
        " and incompatible features " + std::to_string(log->header().incompat));
  }

  uint64_t place = kDataOffset;  // the end of the record before
  while (place < log->data_end()) {
    // Where the next record begins, if any.
    uint64_t begin = log->data_end(), nonzero_end = 0;
    RecordHeader header;
    const auto first = [&](uint64_t offset, const RecordHeader& h) {
      begin = offset;
      header = h;
      return false;
    };
    if (Status status = log->Scan(place, first, &nonzero_end); !status.ok()) return status;
    const bool found = begin < log->data_end();
    // It begins with the next block where the writer skipped the rest of one.
    const bool follows =
        begin == place || (begin == RoundUpToBlock(place) && header.prev.offset == place);
    if (!found || !follows) {
      bool header_there = false;
      std::string why;
      RecordHeader ignored;
      if (Status status = log->ReadRecordHeader(place, &header_there, &ignored, &why);
          !status.ok()) {
        return status;
      }
      sink->OnGap(place, begin, nonzero_end <= place, why);
    }
    if (!found) break;

    bool good = false;
    Slice payload;
    std::string damage;
    if (Status status = log->ReadPayload(begin, header, &good, &payload, &damage); !status.ok()) {
      return status;
    }
    sink->OnRecord(begin, header, good ? payload : Slice(), good ? std::string() : damage);
    // The length of a torn record is good, but the next one need not be where it ends: it may not
    // have been written.
    place = begin + RecordBytes(header.payload_bytes);
  }
  return Status::OK();
}

}  // namespace varve::wal
