#ifndef VARVE_WAL_LOG_DUMP_H_
#define VARVE_WAL_LOG_DUMP_H_

#include <cstdint>
#include <string>

#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"
#include "wal/log_reader.h"
#include "wal/log_record.h"

namespace varve::wal {

// Receives what one log file holds, by ascending offset.
class LogDumpSink {
 public:
  virtual ~LogDumpSink() = default;
  // A copy of the header page at `offset`; good or not.
  virtual void OnHeader(uint64_t offset, const HeaderCopy& copy) = 0;
  // A record with a good header. `damage` is empty, or says what is wrong with the payload, which
  // then is empty. `payload` lives until the call returns.
  virtual void OnRecord(uint64_t offset, const RecordHeader& header, Slice payload,
                        const std::string& damage) = 0;
  // No record begins in [from, to), where one would have been expected at `from`. `why` says what
  // stands there. The part of a recycled log that is not written yet looks like this, too.
  virtual void OnGap(uint64_t from, uint64_t to, bool all_zero, const std::string& why) = 0;
};

// Describes a log, whatever its name and however damaged it is: a log that recovery would refuse or
// cut is shown whole. NotSupported, after the headers, if it was written by a newer version; other
// errors are those of the file system.
Status DumpLog(FileSystem* file_system, const std::string& path, LogDumpSink* sink);

}  // namespace varve::wal

#endif  // VARVE_WAL_LOG_DUMP_H_
