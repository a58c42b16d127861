#include "tools/ldb/consistency_check.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "db/manifest.h"
#include "db/segment_output.h"
#include "db/write_batch_internal.h"
#include "table/ghost_reader.h"
#include "table/segment_dump.h"
#include "table/segment_reader.h"
#include "util/filename.h"
#include "wal/replay.h"

namespace varve::ldb {
namespace {

// Judges what recovery would replay, and counts it by log.
class LogJudge final : public LogSink {
 public:
  LogJudge(std::string directory, SequenceNumber sequence_limit)
      : directory_(std::move(directory)), sequence_limit_(sequence_limit) {}

  Status OnRecord(LogPosition end, Slice payload) override {
    ++records_[end.log];
    Status status = WriteBatchInternal::Verify(payload, WriteBatchInternal::Origin::kLog);
    if (status.ok()) status = JudgeSequences(payload);
    if (status.ok()) return status;
    return status.WithContext(LogFileName(directory_, end.log) + ": record ending at " +
                              std::to_string(end.offset));
  }
  Status OnLogEnd(FileNumber) override { return Status::OK(); }

  uint64_t records(FileNumber log) const {
    const auto found = records_.find(log);
    return found == records_.end() ? 0 : found->second;
  }

 private:
  Status JudgeSequences(Slice payload) {
    const SequenceNumber first = WriteBatchInternal::Sequence(payload);
    const uint64_t count = WriteBatchInternal::Count(payload);
    if (first < next_sequence_) {
      return Status::Corruption("expected a sequence from " + std::to_string(next_sequence_) +
                                " on, found " + std::to_string(first));
    }
    if (first > kMaxSequence || first + count > sequence_limit_) {
      return Status::Corruption("expected sequences below " + std::to_string(sequence_limit_) +
                                ", which the manifest reserves, found " + std::to_string(first) +
                                " and the " + std::to_string(count) + " entries from it on");
    }
    next_sequence_ = first + count;
    return Status::OK();
  }

  const std::string directory_;
  const SequenceNumber sequence_limit_;
  SequenceNumber next_sequence_ = 0;
  std::map<FileNumber, uint64_t> records_;
};

class Checker {
 public:
  Checker(const Options& options, const std::string& directory, CheckListener* listener)
      : options_(options),
        file_system_(options.env.file_system.get()),
        directory_(directory),
        listener_(listener) {}

  Status Run() {
    if (Status status = List(); !status.ok()) return status;
    CheckManifest();
    CheckSegments();
    CheckLogs();
    CheckOtherFiles();
    NoteChangesMeanwhile();
    return Status::OK();
  }

 private:
  Status List() {
    Status status = file_system_->ListDirectory(directory_, &names_);
    if (!status.ok()) return status;
    for (const std::string& name : names_) {
      FileNumber number;
      FileType type;
      if (!ParseFileName(name, &number, &type)) continue;
      ours_ |= type != FileType::kLock;
      if (type == FileType::kManifest) manifest_exists_ = true;
      if (type == FileType::kSegment) segment_files_.insert(number);
      if (type == FileType::kLog) log_files_.insert(number);
    }
    return ours_ ? Status::OK() : Status::InvalidArgument(directory_ + ": no database there");
  }

  void Problem(const Status& status) {
    ++problems_;
    listener_->OnProblem(status);
  }

  // ---- Step 1 ----
  void CheckManifest() {
    const std::string path = ManifestFileName(directory_);
    if (!manifest_exists_) {
      Problem(Status::Corruption(path + ": missing, but there are files of a database"));
      return;
    }
    const Status status = Manifest::Inspect(file_system_, directory_, &state_);
    if (!status.ok()) {
      Problem(status);
      return;
    }
    manifest_good_ = true;
    same_comparator_ = state_.comparator == options_.comparator->Name();
    listener_->OnGood(path + ": generation " + std::to_string(state_.generation) + ", " +
                      std::to_string(state_.segments.size()) + " segments, " +
                      (state_.clean_close ? "closed" : "not closed (in use, or after a crash)"));
    if (!state_.invalid_root.empty()) {
      listener_->OnNote(path + ": " + state_.invalid_root +
                        " (a crash in the middle of a commit leaves that)");
    }
    if (!same_comparator_) {
      listener_->OnNote("the keys are ordered by \"" + state_.comparator +
                        "\", which is unknown here: checksums are verified, their order is not");
    }
  }

  // ---- Step 2 ----
  void CheckSegments() {
    if (!manifest_good_) {  // which of them count is unknown
      for (const FileNumber number : segment_files_) CheckSegment(number, nullptr);
      return;
    }
    for (const SegmentEntry& entry : state_.segments) {
      if ((entry.flags & kSegmentGhost) == 0) CheckSegment(entry.number, &entry);
      if ((entry.flags & kSegmentHasGhostFile) != 0) CheckGhost(entry);
    }
  }

  void CheckGhost(const SegmentEntry& entry) {
    const std::string path = GhostFileName(directory_, entry.number);
    const uint64_t bytes = BytesOf(entry, FileType::kGhost);
    std::unique_ptr<RandomAccessFile> file;
    Status status = OpenNamed(path, &file);
    if (status.ok()) status = CheckSize(path, *file, bytes);
    std::unique_ptr<GhostReader> ghost;
    if (status.ok()) {
      status = GhostReader::Open(same_comparator_ ? options_.comparator : nullptr, std::move(file),
                                 path, entry.number, &ghost);
    }
    if (status.ok()) status = ghost->Verify();
    if (status.ok() && ghost->hashes().keys() > entry.entries) {
      status = Status::Corruption(path + ": has " + std::to_string(ghost->hashes().keys()) +
                                  " keys, but the manifest gives the segment " +
                                  std::to_string(entry.entries) + " entries");
    }
    if (status.ok()) {
      listener_->OnGood(path + ": " + std::to_string(ghost->hashes().keys()) + " keys, " +
                        std::to_string(bytes) + " bytes");
    } else {
      Problem(status);
    }
  }

  Status OpenNamed(const std::string& path, std::unique_ptr<RandomAccessFile>* file) {
    Status status = file_system_->NewRandomAccessFile(path, /*direct=*/false, file);
    return status.IsNotFound() ? Status::Corruption(path + ": missing, but the manifest names it")
                               : status;
  }

  void CheckSegment(FileNumber number, const SegmentEntry* entry) {
    const std::string path = SegmentFileName(directory_, number);
    std::unique_ptr<RandomAccessFile> file;
    Status status = OpenNamed(path, &file);
    if (status.ok() && entry != nullptr) status = CheckSize(path, *file, entry->file_bytes);
    std::string found;
    if (status.ok()) status = CheckContent(path, std::move(file), number, entry, &found);
    if (status.ok() && entry != nullptr) status = CheckAgainstCounters(path, *entry);
    if (status.ok()) {
      listener_->OnGood(path + ": " + found);
    } else {
      Problem(status);
    }
  }

  static Status CheckSize(const std::string& path, const RandomAccessFile& file, uint64_t bytes) {
    uint64_t size = 0;
    if (Status status = file.Size(&size); !status.ok()) return status;
    if (size == bytes) return Status::OK();
    return Status::Corruption(path + ": expected " + std::to_string(bytes) +
                              " bytes as the manifest says, found " + std::to_string(size));
  }

  Status CheckContent(const std::string& path, std::unique_ptr<RandomAccessFile> file,
                      FileNumber number, const SegmentEntry* entry, std::string* found) {
    if (!same_comparator_) {
      SegmentDumpOptions every_block;
      every_block.blocks = true;
      *found = "checksums are good";
      return DumpSegment(every_block, std::move(file), path, [](Slice) {});
    }
    SegmentReaderOptions open;
    open.comparator = options_.comparator;
    std::unique_ptr<SegmentReader> reader;
    Status status = SegmentReader::Open(open, std::move(file), path, number, &reader);
    if (status.ok()) status = reader->Verify();
    if (!status.ok()) return status;
    const SegmentProperties& properties = reader->properties();
    *found = std::to_string(properties.entries) + " entries, " +
             (properties.range_deletes == 0
                  ? ""
                  : std::to_string(properties.range_deletes) + " range tombstones, ") +
             std::to_string(properties.file_bytes) + " bytes";
    return entry == nullptr ? status : CheckAgainstManifest(path, properties, *entry);
  }

  static Status CheckAgainstManifest(const std::string& path, const SegmentProperties& properties,
                                     const SegmentEntry& entry) {
    const struct {
      const char* name;
      uint64_t manifest, segment;
    } numbers[] = {
        {"entries", entry.entries, properties.entries},
        {"deletes", entry.deletes, properties.deletes},
        {"segments with range tombstones", (entry.flags & kHasRangeDeletes) != 0,
         properties.range_deletes != 0},
        {"hidden entries", entry.hidden,
         entry.hidden == 0 ? 0 : HiddenEntries(properties)},  // not every build counts them
        {"raw bytes", entry.raw_bytes, properties.raw_key_bytes + properties.raw_value_bytes},
        {"lowest sequence", entry.smallest_sequence, properties.sequence_min},
        {"highest sequence", entry.largest_sequence, properties.sequence_max},
    };
    for (const auto& number : numbers) {
      if (number.manifest == number.segment) continue;
      return Status::Corruption(path + ": " + number.name + ": the manifest says " +
                                std::to_string(number.manifest) + ", the segment " +
                                std::to_string(number.segment));
    }
    if (entry.smallest != properties.smallest_key || entry.largest != properties.largest_key) {
      return Status::Corruption(path + ": the manifest and the segment name different " +
                                (entry.smallest != properties.smallest_key ? "first" : "last") +
                                " keys");
    }
    return Status::OK();
  }

  Status CheckAgainstCounters(const std::string& path, const SegmentEntry& entry) const {
    if (entry.number >= state_.next_file_number) {
      return Status::Corruption(path + ": the manifest has used no number from " +
                                std::to_string(state_.next_file_number) + " on");
    }
    if (entry.largest_sequence >= state_.next_sequence) {
      return Status::Corruption(
          path + ": holds sequence " + std::to_string(entry.largest_sequence) +
          ", but the manifest reserves only those below " + std::to_string(state_.next_sequence));
    }
    return Status::OK();
  }

  // ---- Step 3 ----
  void CheckLogs() {
    ReplayOptions replay;
    replay.file_system = file_system_;
    replay.directory = directory_;
    replay.lowest_needed = state_.lowest_log;
    replay.known_durable = state_.durable_log;
    SequenceNumber sequence_limit = state_.next_sequence;
    if (!manifest_good_) {  // what the logs say of each other is still to be judged
      replay.lowest_needed = log_files_.empty() ? 0 : *log_files_.begin();
      sequence_limit = kMaxSequence + 1;
    }
    LogJudge judge(directory_, sequence_limit);
    ReplayResult result;
    Status status = ReplayLogs(replay, &judge, &result);
    if (status.ok() && manifest_good_ && !result.found.empty() &&
        result.found.back() >= state_.next_file_number) {
      status = Status::Corruption(LogFileName(directory_, result.found.back()) +
                                  ": not of this database, which has used no number from " +
                                  std::to_string(state_.next_file_number) + " on");
    }
    if (!status.ok()) {
      Problem(status);
      return;
    }
    for (const FileNumber log : result.found) {
      listener_->OnGood(LogFileName(directory_, log) + ": " + std::to_string(judge.records(log)) +
                        " records");
    }
    if (result.cut) {
      listener_->OnNote("the log ends at " + result.end.ToString() + "; " +
                        std::to_string(result.bytes_discarded) + " bytes with " +
                        std::to_string(result.records_discarded) +
                        " records behind it were never known durable, the next open drops them");
    }
  }

  // ---- Step 4 ----
  void CheckOtherFiles() {
    std::set<NumberedFile> live;
    for (const SegmentEntry& entry : state_.segments) {
      for (const NumberedFile& file : FilesOf(entry)) live.insert(file);
    }
    for (const std::string& name : names_) {
      FileNumber number;
      FileType type;
      const std::string path = JoinPath(directory_, name);
      if (!ParseFileName(name, &number, &type)) {
        listener_->OnNote(path + ": not a file of the database");
      } else if (type == FileType::kRecycledLog) {
        listener_->OnNote(path + ": a log that waits to be used again");
      } else if (type == FileType::kManifestTemp ||
                 (manifest_good_ && (((type == FileType::kSegment || type == FileType::kGhost) &&
                                      live.count({type, number}) == 0) ||
                                     (type == FileType::kLog && number < state_.lowest_log)))) {
        listener_->OnNote(path + ": unreachable, the next open removes or reuses it");
      }
    }
  }

  void NoteChangesMeanwhile() {
    if (problems_ == 0 || !manifest_good_) return;
    ManifestState now;
    if (!Manifest::Inspect(file_system_, directory_, &now).ok() ||
        now.generation != state_.generation) {
      listener_->OnNote(directory_ +
                        ": was written to during the check; check it again when it is closed");
    }
  }

  const Options& options_;
  FileSystem* const file_system_;
  const std::string& directory_;
  CheckListener* const listener_;

  std::vector<std::string> names_;
  std::set<FileNumber> segment_files_, log_files_;
  bool ours_ = false;
  bool manifest_exists_ = false;
  bool manifest_good_ = false;
  bool same_comparator_ = true;
  ManifestState state_;  // means something if manifest_good_
  uint64_t problems_ = 0;
};

}  // namespace

Status CheckConsistency(const Options& options, const std::string& directory,
                        CheckListener* listener) {
  return Checker(options, directory, listener).Run();
}

}  // namespace varve::ldb
