#include "wal/log_reader.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "util/coding.h"
#include "util/crc32c.h"
#include "util/planted.h"

namespace varve::wal {

namespace {

std::string Hex32(uint32_t value) {
  char text[11];
  std::snprintf(text, sizeof(text), "0x%08x", value);
  return text;
}

// No record begins with kRecordHeaderBytes zeros, so a stretch of them is passed in one go: most of
// a log that is not full.
constexpr uint64_t kZeroBytes = 4096;

bool AllZero(const char* bytes, size_t size) {
  return bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

}  // namespace

Status LogReader::Open(FileSystem* file_system, const std::string& path, FileNumber number,
                       std::unique_ptr<LogReader>* reader) {
  std::unique_ptr<LogReader> opened(new LogReader(path, number));
  if (Status status = file_system->NewRandomAccessFile(path, /*direct=*/false, &opened->file_);
      !status.ok()) {
    return status;
  }
  if (Status status = opened->file_->Size(&opened->file_bytes_); !status.ok()) return status;
  if (Status status = opened->ReadHeaders(); !status.ok()) return status;
  *reader = std::move(opened);
  return Status::OK();
}

Status LogReader::ReadHeaders() {
  for (int i = 0; i < kHeaderCopies; ++i) {
    char bytes[kHeaderBytes];
    size_t size = 0;
    if (Status status = file_->Read(i * kBlockBytes, sizeof(bytes), bytes, &size); !status.ok()) {
      return status;
    }
    HeaderCopy& copy = copies_[i];
    copy.good = DecodeLogHeader(Slice(bytes, size), &copy.header, &copy.why);
    if (!copy.good) {
      why_ = copy.why;
    } else if (copy.header.number != number_) {
      why_ = "expected the header of log " + std::to_string(number_) + ", found that of log " +
             std::to_string(copy.header.number);
    } else if (header_ == nullptr) {
      header_ = &copy.header;
    } else if (!(copy.header == *header_)) {
      // Both were synced, alike, before the first record: there is none.
      header_ = nullptr;
      why_ = "expected two equal headers, found different ones";
    }
  }
  if (header_ == nullptr) return Status::OK();
  salt_ = header_->Salt();
  data_end_ = std::min(file_bytes_, header_->capacity);
  return Status::OK();
}

Status LogReader::Fetch(uint64_t offset, uint64_t size, Slice* bytes) {
  *bytes = {};
  if (offset >= data_end_) return Status::OK();
  size = std::min(size, data_end_ - offset);
  if (offset < window_offset_ || offset + size > window_offset_ + window_bytes_) {
    const uint64_t wanted = std::min(std::max(size, kWindowBytes), data_end_ - offset);
    if (wanted > window_bytes_max_) {
      window_.reset();  // not both at once
      window_bytes_max_ = 0;
      window_.reset(new char[wanted]);
      window_bytes_max_ = wanted;
    }
    window_offset_ = offset;
    window_bytes_ = 0;
    size_t read = 0;
    if (Status status = file_->Read(offset, wanted, window_.get(), &read); !status.ok()) {
      return status;
    }
    window_bytes_ = read;
  }
  *bytes =
      Slice(window_.get() + (offset - window_offset_), window_offset_ + window_bytes_ - offset);
  return Status::OK();
}

Status LogReader::ReadRecordHeader(uint64_t offset, bool* found, RecordHeader* header,
                                   std::string* why) {
  Slice bytes;
  if (Status status = Fetch(offset, kRecordHeaderBytes, &bytes); !status.ok()) return status;
  *found = bytes.size() >= kRecordHeaderBytes &&
           DecodeRecordHeader(bytes.data(), salt_, number_, offset, header);
  if (*found || why == nullptr) return Status::OK();
  if (bytes.size() < kRecordHeaderBytes) {
    *why = "expected a record header of " + std::to_string(kRecordHeaderBytes) +
           " bytes, found the end of the file after " + std::to_string(bytes.size());
    return Status::OK();
  }
  const uint32_t checksum = DecodeFixed32(bytes.data());
  const uint32_t expected = RecordHeaderCrc(bytes.data(), salt_);
  if (checksum != expected) {
    *why = "expected record header checksum " + Hex32(expected) + ", found " + Hex32(checksum);
  } else {
    *why = "expected a record of this place, found one that belongs elsewhere";
  }
  return Status::OK();
}

Status LogReader::ReadPayload(uint64_t offset, const RecordHeader& header, bool* good,
                              Slice* payload, std::string* why) {
  *good = false;
  const uint64_t begin = offset + kRecordHeaderBytes;
  if (header.payload_bytes > data_end_ - begin) {
    *why = "expected a record of " + std::to_string(header.payload_bytes) +
           " bytes, found the end of the log after " + std::to_string(data_end_ - begin);
    return Status::OK();
  }
  // With its header, so that the window need not move for the payload of a small record.
  Slice bytes;
  if (Status status = Fetch(offset, kRecordHeaderBytes + header.payload_bytes, &bytes);
      !status.ok()) {
    return status;
  }
  if (bytes.size() < kRecordHeaderBytes + header.payload_bytes) {
    *why = "expected a record of " + std::to_string(header.payload_bytes) +
           " bytes, found the end of the file";
    return Status::OK();
  }
  bytes = bytes.substr(kRecordHeaderBytes, header.payload_bytes);
  const uint32_t checksum = ExtendCrc32c(salt_, bytes);
  if (checksum != header.payload_crc && !VARVE_PLANTED("log checksum skipped")) {
    *why = "expected payload checksum " + Hex32(header.payload_crc) + ", found " + Hex32(checksum);
    return Status::OK();
  }
  *good = true;
  *payload = bytes;
  return Status::OK();
}

Status LogReader::Scan(uint64_t from,
                       const std::function<bool(uint64_t, const RecordHeader&)>& visit,
                       uint64_t* nonzero_end) {
  *nonzero_end = from;
  for (uint64_t offset = from; offset < data_end_;) {
    Slice bytes;
    if (Status status = Fetch(offset, kRecordHeaderBytes, &bytes); !status.ok()) return status;
    uint64_t at = 0;
    for (; at + kRecordHeaderBytes <= bytes.size(); at += kUnitBytes) {
      const char* place = bytes.data() + at;
      if (at + kZeroBytes <= bytes.size() && AllZero(place, kZeroBytes)) {
        at += kZeroBytes - kRecordHeaderBytes;  // the headers that begin there and are all zero
        continue;
      }
      if (DecodeFixed64(place) != 0) *nonzero_end = offset + at + kUnitBytes;
      RecordHeader header;
      if (MayStandAt(place, offset + at) &&
          DecodeRecordHeader(place, salt_, number_, offset + at, &header) &&
          !visit(offset + at, header)) {
        return Status::OK();
      }
    }
    if (bytes.size() < kRecordHeaderBytes || offset + bytes.size() >= data_end_) {
      for (; at < bytes.size(); ++at) {
        if (bytes[at] != '\0') *nonzero_end = offset + at + 1;
      }
      break;
    }
    offset += at;
  }
  return Status::OK();
}

}  // namespace varve::wal
