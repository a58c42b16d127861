#ifndef VARVE_WAL_LOG_READER_H_
#define VARVE_WAL_LOG_READER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "util/internal_key.h"
#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"
#include "wal/log_format.h"
#include "wal/log_record.h"

namespace varve::wal {

// What a copy of the header page says.
struct HeaderCopy {
  bool good = false;  // complete and undamaged; its number may still be another log's
  LogHeader header;
  std::string why;  // not good: what was expected and found
};

// Reads one log file through a window of at most the larger of kWindowBytes and its largest record,
// and never more than the file. Judges single places; what they mean together is for log_replay.cc.
// A Status is always an error of the file system; damage is told apart from it.
// Thread safety: one thread at a time.
class LogReader {
 public:
  static constexpr uint64_t kWindowBytes = 1 << 20;

  // Opens the file and reads its headers.
  static Status Open(FileSystem* file_system, const std::string& path, FileNumber number,
                     std::unique_ptr<LogReader>* reader);

  const std::string& path() const { return path_; }
  FileNumber number() const { return number_; }
  const std::array<HeaderCopy, kHeaderCopies>& copies() const { return copies_; }
  uint64_t file_bytes() const { return file_bytes_; }

  // Whether the file is a log with this number: then records may be asked for. Otherwise it defines
  // no data, and why() says which.
  bool usable() const { return header_ != nullptr; }
  const LogHeader& header() const { return *header_; }
  const std::string& why() const { return why_; }
  // Where records end at the latest: the capacity, or the end of a file cut short.
  uint64_t data_end() const { return data_end_; }

  // Looks for a record header at `offset`, a multiple of kUnitBytes. *found tells whether one
  // stands there; otherwise *why, which may be null, says what does.
  Status ReadRecordHeader(uint64_t offset, bool* found, RecordHeader* header, std::string* why);

  // Reads the payload of the record at `offset`. *good is false if it is damaged or cut off; *why
  // says how. The bytes live until the next call on this reader.
  Status ReadPayload(uint64_t offset, const RecordHeader& header, bool* good, Slice* payload,
                     std::string* why);

  // Calls `visit` for every record header at or behind `from` (a multiple of kUnitBytes),
  // ascending, until it returns false. *nonzero_end is the end of the last byte that is not zero of
  // those passed, at least `from`.
  Status Scan(uint64_t from, const std::function<bool(uint64_t, const RecordHeader&)>& visit,
              uint64_t* nonzero_end);

 private:
  LogReader(std::string path, FileNumber number) : path_(std::move(path)), number_(number) {}

  Status ReadHeaders();
  // Makes `size` bytes at `offset` readable, or as many as there are up to data_end(); *bytes may
  // hold more.
  Status Fetch(uint64_t offset, uint64_t size, Slice* bytes);

  const std::string path_;
  const FileNumber number_;
  std::unique_ptr<RandomAccessFile> file_;
  uint64_t file_bytes_ = 0;
  std::array<HeaderCopy, kHeaderCopies> copies_;
  const LogHeader* header_ = nullptr;  // one of the copies
  uint32_t salt_ = 0;
  std::string why_;
  uint64_t data_end_ = 0;

  std::unique_ptr<char[]> window_;
  uint64_t window_bytes_max_ = 0;  // allocated
  uint64_t window_offset_ = 0;
  uint64_t window_bytes_ = 0;
};

}  // namespace varve::wal

#endif  // VARVE_WAL_LOG_READER_H_
