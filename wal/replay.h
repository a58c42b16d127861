#ifndef VARVE_WAL_REPLAY_H_
#define VARVE_WAL_REPLAY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "util/internal_key.h"
#include "varve/env.h"
#include "varve/logger.h"
#include "varve/options.h"
#include "varve/slice.h"
#include "varve/status.h"
#include "wal/log_position.h"

// Reads the logs of a database back (wal/FORMAT.md, "Recovery"). Changes nothing on disk.

namespace varve {

struct ReplayOptions {
  FileSystem* file_system = nullptr;
  std::string directory;
  // Logs below this number are not looked at: what they held is elsewhere.
  FileNumber lowest_needed = 0;
  // The highest position that a manifest root knows to be durable.
  LogPosition known_durable;
  WalRecoveryMode mode = WalRecoveryMode::kTolerateTornTail;
  // Hears what kPointInTime gives up. May be null.
  Logger* logger = nullptr;
};

// Receives what is replayed, in order. An error ends the replay and is returned by it.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // One record, whole and verified. `payload` lives until the call returns; `end` is the record's
  // end, end.log the log that holds it.
  virtual Status OnRecord(LogPosition end, Slice payload) = 0;
  // After the last record of a log that had any.
  virtual Status OnLogEnd(FileNumber log) = 0;
};

struct ReplayResult {
  LogPosition end;                // of the last record replayed; {0, 0} if there was none
  LogPosition known_durable;      // the highest position recorded anywhere
  std::vector<FileNumber> found;  // every log at or above lowest_needed, ascending; usable or not
  uint64_t records = 0;           // replayed
  uint64_t payload_bytes = 0;     // in them
  // What stands after `end` and was given up: records (as far as their headers can be read), and
  // the bytes these take. `cut` is true where there was anything, a torn record's remains included
  // (unless in a recycled log, where they cannot be told from what the file held before).
  uint64_t records_discarded = 0;
  uint64_t bytes_discarded = 0;
  bool cut = false;
};

// Feeds the unbroken chain of records, from the lowest log on, to `sink`; then judges its end:
//   OK            the chain ends where a crash may have ended it. *result is set.
//   Corruption    something known durable is missing or damaged: names file, offset, expected,
//   found. NotSupported  a log, or a record of the chain, was written by a newer version. other
//   errors  of the file system or the sink.
// Records are fed before the end is judged: nothing of them may be made permanent unless the call
// returns OK. In mode kPointInTime damage is never an error: the chain ends there.
// Memory is bounded by the larger of 1 MiB and the largest record, and by the size of the file.
Status ReplayLogs(const ReplayOptions& options, LogSink* sink, ReplayResult* result);

}  // namespace varve

#endif  // VARVE_WAL_REPLAY_H_
