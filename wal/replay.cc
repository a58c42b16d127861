#include "wal/replay.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "util/filename.h"
#include "util/planted.h"
#include "wal/log_format.h"
#include "wal/log_reader.h"
#include "wal/log_record.h"

// Recovery as wal/FORMAT.md defines it:
//  1. List the logs.
//  2. Follow the chain through them, feeding the sink. What is passed on the way, the rest of a log
//     included, is kept as *tail* as long as the chain has not gone on behind it: a later record
//     that names the chain's end proves that there was nothing in between.
//  3. Scan the tail for record headers, and what positions they recorded.
//  4. Judge.

namespace varve {

namespace {

using wal::kDataOffset;
using wal::LogReader;
using wal::RecordHeader;

class Replay {
 public:
  Replay(const ReplayOptions& options, LogSink* sink, ReplayResult* result)
      : options_(options), sink_(sink), result_(result) {}

  Status Run();

 private:
  // A stretch behind the chain: log `number` from `from` to its end.
  struct Tail {
    FileNumber number = 0;
    uint64_t from = 0;
    bool usable = false;
    std::string why;  // what stands where the chain would go on
    uint64_t records = 0;
  };

  Status ListLogs();
  Status FollowChain();
  // Goes through one log; where the chain reaches it, feeds it to the sink. *over is set where it
  // is certain that the chain goes on in no later log either.
  Status FollowLog(FileNumber number, bool* over);
  Status CheckVersion(const LogReader& log) const;
  // The record after the chain's end in `log`, which starts at or behind `place`.
  Status FindNext(LogReader* log, uint64_t place, bool* found, uint64_t* offset,
                  RecordHeader* header, std::string* why);
  Status Feed(uint64_t offset, const RecordHeader& header, LogReader* log, bool* good,
              std::string* why);

  Status ScanTail();
  Status ScanLog(Tail* tail);
  Status Judge();
  Status NothingKnownLost() const;
  // Where what is durable ceases to be readable.
  Status Damage() const;

  std::string Path(FileNumber number) const { return LogFileName(options_.directory, number); }
  bool Needed(LogPosition p) const { return p.offset != 0 && p.log >= options_.lowest_needed; }
  void Know(LogPosition p) {
    if (Needed(p)) result_->known_durable = std::max(result_->known_durable, p);
  }
  bool salvage() const { return options_.mode == WalRecoveryMode::kPointInTime; }
  // An error of the device that salvaging takes for the end of the chain.
  bool Unreadable(const Status& status) const {
    return status.IsIOError() && salvage() && !sink_failed_;
  }
  void Say(const std::string& message) const {
    if (options_.logger != nullptr) options_.logger->Log(LogLevel::kWarning, message);
  }

  const ReplayOptions& options_;
  LogSink* const sink_;
  ReplayResult* const result_;

  bool sink_failed_ = false;
  std::vector<Tail> tail_;
  // What the first record of a log behind the chain names as its previous, with that log's number.
  std::vector<std::pair<FileNumber, LogPosition>> named_;
};

Status Replay::Run() {
  *result_ = {};
  Know(options_.known_durable);
  if (Status status = ListLogs(); !status.ok()) return status;
  if (Status status = FollowChain(); !status.ok()) return status;
  if (Status status = ScanTail(); !status.ok()) return status;
  return Judge();
}

Status Replay::ListLogs() {
  std::vector<std::string> names;
  if (Status status = options_.file_system->ListDirectory(options_.directory, &names);
      !status.ok()) {
    return status;
  }
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (ParseFileName(name, &number, &type) && type == FileType::kLog &&
        number >= options_.lowest_needed) {
      result_->found.push_back(number);
    }
  }
  std::sort(result_->found.begin(), result_->found.end());
  return Status::OK();
}

Status Replay::FollowChain() {
  bool over = false;
  for (FileNumber number : result_->found) {
    if (over) {
      tail_.push_back({number, kDataOffset, false, "", 0});
      continue;
    }
    Status status = FollowLog(number, &over);
    if (Unreadable(status)) {
      Say("recovery of the log ends: " + status.ToString());
      over = true;
      if (tail_.empty() || tail_.back().number != number) {
        tail_.push_back({number, kDataOffset, false, status.ToString(), 0});
      }
    } else if (!status.ok()) {
      return status;
    }
  }
  return Status::OK();
}

Status Replay::CheckVersion(const LogReader& log) const {
  if (!log.usable()) return Status::OK();
  const wal::LogHeader& header = log.header();
  const uint64_t unknown = (header.incompat & ~wal::kIncompatKnown) |
                           (header.read_only_compat & ~wal::kReadOnlyCompatKnown);
  if (header.version == wal::kVersion && unknown == 0) return Status::OK();
  return Status::NotSupported(log.path() + ": the log has format version " +
                              std::to_string(header.version) + " and feature bits " +
                              std::to_string(unknown) + " that this version does not know");
}

Status Replay::FollowLog(FileNumber number, bool* over) {
  std::unique_ptr<LogReader> log;
  if (Status status = LogReader::Open(options_.file_system, Path(number), number, &log);
      !status.ok()) {
    return status;
  }
  if (Status status = CheckVersion(*log); !status.ok()) return status;
  if (!log->usable()) {
    tail_.push_back({number, 0, false, log->why(), 0});
    return Status::OK();
  }

  uint64_t place = kDataOffset;
  bool any = false;
  Status status;
  for (;;) {
    bool found = false, good = false;
    uint64_t offset = 0;
    RecordHeader header;
    std::string why;
    if (status = FindNext(log.get(), place, &found, &offset, &header, &why); !status.ok()) break;
    if (found) {
      if (status = Feed(offset, header, log.get(), &good, &why); !status.ok()) break;
    }
    if (good) {
      any = true;
      tail_.clear();
      place = result_->end.offset;
      continue;
    }
    // A record that does not continue the chain, or is damaged, ends it: what comes later comes
    // after it. Without one, the chain may go on in a later log.
    *over = found;
    tail_.push_back({number, place, true, why, 0});
    break;
  }
  if (!status.ok() && any) tail_.push_back({number, place, true, status.ToString(), 0});
  if (any && (status.ok() || Unreadable(status))) {
    if (Status ended = sink_->OnLogEnd(number); !ended.ok()) {
      sink_failed_ = true;
      return ended;
    }
  }
  return status;
}

Status Replay::FindNext(LogReader* log, uint64_t place, bool* found, uint64_t* offset,
                        RecordHeader* header, std::string* why) {
  *offset = place;
  Status status = log->ReadRecordHeader(place, found, header, why);
  if (!status.ok() || *found || wal::RoundUpToBlock(place) == place) return status;
  *offset = wal::RoundUpToBlock(place);
  return log->ReadRecordHeader(*offset, found, header, nullptr);
}

Status Replay::Feed(uint64_t offset, const RecordHeader& header, LogReader* log, bool* good,
                    std::string* why) {
  *good = false;
  // The chain's beginning may name a log that is not needed any more.
  const bool follows = VARVE_PLANTED("chain not followed") ||
                       (result_->records == 0 ? !Needed(header.prev) : header.prev == result_->end);
  if (!follows) {
    *why = "expected a record that follows " + result_->end.ToString() +
           ", found one that follows " + header.prev.ToString();
    return Status::OK();
  }
  Slice payload;
  if (Status status = log->ReadPayload(offset, header, good, &payload, why);
      !status.ok() || !*good) {
    return status;
  }
  if (header.type != static_cast<uint8_t>(wal::RecordType::kGroup) || header.flags != 0) {
    return Status::NotSupported(log->path() + ": the record at offset " + std::to_string(offset) +
                                " has type " + std::to_string(header.type) + " and flags " +
                                std::to_string(header.flags) +
                                ", which this version does not know");
  }
  Know(header.durable);
  result_->end = {log->number(), offset + wal::RecordBytes(header.payload_bytes)};
  result_->records += 1;
  result_->payload_bytes += payload.size();
  Status status = sink_->OnRecord(result_->end, payload);
  sink_failed_ = !status.ok();
  return status;
}

Status Replay::ScanTail() {
  for (Tail& tail : tail_) {
    Status status = ScanLog(&tail);
    if (Unreadable(status)) {
      Say(status.ToString());
    } else if (!status.ok()) {
      return status;
    }
  }
  return Status::OK();
}

Status Replay::ScanLog(Tail* tail) {
  std::unique_ptr<LogReader> log;
  if (Status status = LogReader::Open(options_.file_system, Path(tail->number), tail->number, &log);
      !status.ok()) {
    return status;
  }
  if (Status status = CheckVersion(*log); !status.ok()) return status;
  tail->usable = log->usable();
  if (!log->usable()) {
    tail->from = 0;
    tail->why = log->why();
    return Status::OK();
  }
  uint64_t nonzero_end = 0, bytes = 0;
  const Status status = log->Scan(
      tail->from,
      [&](uint64_t offset, const RecordHeader& header) {
        Know(header.durable);
        if (offset == kDataOffset) named_.emplace_back(tail->number, header.prev);
        tail->records += 1;
        bytes += std::min(wal::RecordBytes(header.payload_bytes), log->data_end() - offset);
        return true;
      },
      &nonzero_end);
  result_->records_discarded += tail->records;
  const bool zeroed = (log->header().compat & wal::kCompatZeroed) != 0;
  result_->bytes_discarded += zeroed ? nonzero_end - tail->from : bytes;
  return status;
}

Status Replay::Judge() {
  result_->cut = result_->bytes_discarded != 0;
  Status status = NothingKnownLost();
  if (status.ok() && result_->cut && options_.mode == WalRecoveryMode::kAbsolute) {
    for (const Tail& tail : tail_) {
      if (!tail.usable) continue;
      status = Status::Corruption(
          Path(tail.number) + ": damaged at offset " + std::to_string(tail.from) + ": " + tail.why +
          "; " + std::to_string(result_->bytes_discarded) + " bytes stand behind the last record");
      break;
    }
  }
  if (!status.ok() && salvage()) {
    Say("recovery of the log ends: " + status.ToString());
    return Status::OK();
  }
  return status;
}

Status Replay::NothingKnownLost() const {
  for (const auto& [number, prev] : named_) {
    if (!Needed(prev)) continue;
    if (!std::binary_search(result_->found.begin(), result_->found.end(), prev.log)) {
      return Status::Corruption(Path(prev.log) + ": expected a log that holds records to offset " +
                                std::to_string(prev.offset) + ", as " + Path(number) +
                                " says, found no file");
    }
    for (const Tail& tail : tail_) {
      if (tail.number != prev.log || tail.usable) continue;
      return Status::Corruption(Path(prev.log) + ": damaged at offset 0: " + tail.why + "; " +
                                Path(number) + " says that it holds records to offset " +
                                std::to_string(prev.offset));
    }
  }
  return result_->end < result_->known_durable ? Damage() : Status::OK();
}

Status Replay::Damage() const {
  const LogPosition end = result_->end, known = result_->known_durable;
  const std::string tells = "; the log is known to be durable to " + known.ToString();
  if (!std::binary_search(result_->found.begin(), result_->found.end(), known.log)) {
    return Status::Corruption(Path(known.log) + ": expected a log with records to offset " +
                              std::to_string(known.offset) + ", found no file" + tells);
  }
  // Where the chain goes on after its end: in the log that holds the end, if something says that
  // there was more in it; else in the first later log that shows no good first record.
  bool here = known.log == end.log;
  for (const auto& [number, prev] : named_) here |= prev.log == end.log && prev > end;
  for (const Tail& tail : tail_) {
    const bool last_of_chain = tail.number == end.log;
    if (last_of_chain && !here && tail.records == 0) continue;
    return Status::Corruption(Path(tail.number) + ": damaged at offset " +
                              std::to_string(tail.from) + ": " + tail.why + tells);
  }
  return Status::Corruption(Path(known.log) + ": expected records to offset " +
                            std::to_string(known.offset) + ", found none" + tells);
}

}  // namespace

Status ReplayLogs(const ReplayOptions& options, LogSink* sink, ReplayResult* result) {
  return Replay(options, sink, result).Run();
}

}  // namespace varve
