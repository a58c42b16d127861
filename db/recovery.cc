#include "db/recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "db/cache_reset.h"
#include "db/capacity_plan.h"
#include "db/expiry_cut.h"
#include "db/ghost.h"
#include "db/history.h"
#include "db/recovery_room.h"
#include "db/restart_rules.h"
#include "db/segment_output.h"
#include "db/write_batch_internal.h"
#include "memtable/memtable.h"
#include "util/crash_site.h"
#include "util/filename.h"
#include "util/planted.h"
#include "wal/replay.h"

namespace varve {

namespace {

// Memtables of replayed entries are turned into a segment at this size. They need not fit the CPU's
// caches as those of writers do: fewer segments are worth more.
constexpr size_t kReplayMemtableBytes = size_t{32} << 20;
// Of the budget, as nothing else is in memory yet.
constexpr uint64_t kReplayPartOfMemory = 4;

size_t ReplayMemtableBytes(const Options& options) {
  if (options.memory_bytes == 0) return kReplayMemtableBytes;
  return std::min(kReplayMemtableBytes, options.memory_bytes / kReplayPartOfMemory);
}

// Turns replayed records into segments. Their epochs are in the order of the log.
class ReplayedSegments : public LogSink {
 public:
  // `room`: null in a database.
  ReplayedSegments(const Options& options, const std::string& directory, Manifest* manifest,
                   SequenceNumber sequence_limit, uint64_t clock_mark_ms, RecoveryRoom* room)
      : options_(options),
        directory_(directory),
        manifest_(manifest),
        sequence_limit_(sequence_limit),
        now_ms_(clock_mark_ms != 0 ? clock_mark_ms : options.env.clock->WallMillis()),
        room_(room),
        memtable_bytes_(options.cache()
                            ? std::min<size_t>(ReplayMemtableBytes(options), options.segment_bytes)
                            : ReplayMemtableBytes(options)),
        comparator_(options.comparator) {}

  Status OnRecord(LogPosition end, Slice payload) override {
    Status status = Insert(payload);
    if (!status.ok()) {
      return status.WithContext(LogFileName(directory_, end.log) + ": record ending at " +
                                std::to_string(end.offset));
    }
    if (memtable_->used_bytes() >= memtable_bytes_) return WriteSegment();
    return Status::OK();
  }
  Status OnLogEnd(FileNumber) override { return Status::OK(); }

  Status Finish() { return memtable_ == nullptr ? Status::OK() : WriteSegment(); }
  std::vector<SegmentEntry>& segments() { return segments_; }

 private:
  Status Insert(Slice payload) {
    FlushLoad load;
    Status status = WriteBatchInternal::Verify(payload, WriteBatchInternal::Origin::kLog, &load);
    if (!status.ok()) return status;
    const SequenceNumber first = WriteBatchInternal::Sequence(payload);
    const uint64_t count = WriteBatchInternal::Count(payload);
    if (first > kMaxSequence || first + count > sequence_limit_) {
      return Status::Corruption(
          "sequences " + std::to_string(first) + " to " + std::to_string(first + count - 1) +
          ", but the manifest reserves only those below " + std::to_string(sequence_limit_));
    }
    if (memtable_ == nullptr) memtable_ = std::make_shared<MemTable>(comparator_);
    load_.Add(load);
    return WriteBatchInternal::InsertInto(payload, first, memtable_.get(), /*concurrently=*/false,
                                          {}, WriteBatchInternal::Origin::kLog);
  }

  Status WriteSegment() {
    CrashSiteScope flushing(CrashSite::kRecoveryFlush);
    for (;;) {
      bool room = true;
      if (room_ != nullptr) {
        if (Status status = MakeRoom(&room); !status.ok()) return status;
      }
      // Without room all that is older has gone before: this is evicted too.
      Status status;
      if (room) {
        status = WriteWithRoom();
      } else {
        room_->Dropped(*memtable_, load_.data_bytes);
      }
      if (status.ok()) {
        memtable_.reset();
        load_ = {};
      }
      // A file system without room has lowered what counts as free, so more goes, and this ends.
      if (!status.IsNoSpace() || room_ == nullptr) return status;
    }
  }

  Status MakeRoom(bool* made) { return room_->Make(FlushBytesMax(load_), &segments_, made); }

  Status WriteWithRoom() {
    SegmentOutputOptions output;
    if (Status status = manifest_->NewFileNumber(&output.number); !status.ok()) return status;
    output.options = &options_;
    output.directory = directory_;
    output.epoch = output.number;
    output.creator = "recovery";
    output.now_ms = now_ms_;
    // When a version was written is not known: where any history is kept, all of it stays for now.
    const bool history = HistoryRetention(options_).any();
    const ReadSequences readers({}, history ? 0 : kMaxSequence);
    std::vector<SegmentEntry> made;
    std::unique_ptr<FlushCut> cut;
    Status status;
    if (options_.cache()) {
      status =
          ExpiryCut::Plan(comparator_, readers, {memtable_}, now_ms_, options_.segment_bytes, &cut);
    }
    if (status.ok()) {
      status = WriteMemtables(output, manifest_, readers, {memtable_}, cut.get(), &made);
    }
    if (!status.ok()) return status;
    for (SegmentEntry& entry : made) segments_.push_back(std::move(entry));
    return Status::OK();
  }

  const Options& options_;
  const std::string& directory_;
  Manifest* const manifest_;
  const SequenceNumber sequence_limit_;
  const uint64_t now_ms_;  // time is judged by nothing here: it begins at the mark, later
  RecoveryRoom* const room_;
  const size_t memtable_bytes_;
  const InternalKeyComparator comparator_;
  std::shared_ptr<MemTable> memtable_;
  FlushLoad load_;  // what is in it
  std::vector<SegmentEntry> segments_;
};

ManifestOptions ManifestOptionsFor(const Options& options) {
  ManifestOptions manifest;
  manifest.file_system = options.env.file_system;
  manifest.machine = options.env.machine;
  manifest.comparator = options.comparator->Name();
  if (options.cache()) {
    manifest.mode_bits |= kCacheMode;
    manifest.spare_pages = PlanCapacity(options).manifest_pages;
  }
  return manifest;
}

// So many files no database makes: a name with such a number is somebody's mistake, which would use
// the numbers up.
constexpr FileNumber kStrayFileNumber = FileNumber{1} << 48;

// Step 1: what the directory holds.
struct Listing {
  std::vector<std::string> names;
  bool manifest = false;
  std::string data;        // the first name that only a database leaves: a log, a segment, a ghost
  FileNumber highest = 0;  // of segments and ghosts
};

Status List(FileSystem* file_system, const std::string& directory, Listing* listing) {
  if (Status s = file_system->ListDirectory(directory, &listing->names); !s.ok()) return s;
  for (const std::string& name : listing->names) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;
    if (type == FileType::kManifest) listing->manifest = true;
    const bool of_segment = type == FileType::kSegment || type == FileType::kGhost;
    if ((type == FileType::kLog || of_segment) && listing->data.empty()) listing->data = name;
    // Not of logs: one that is beyond the numbers in use is not ours, and refused (LogNotOurs).
    if (of_segment && number < kStrayFileNumber) {
      listing->highest = std::max(listing->highest, number);
    }
  }
  return Status::OK();
}

Status OpenOrCreateManifest(const Options& options, const std::string& directory,
                            const Listing& listing, ManifestState* state, Recovered* recovered) {
  if (listing.manifest) {
    if (options.error_if_exists) {
      return Status::InvalidArgument(directory + ": a database exists, and error_if_exists is set");
    }
    ManifestOptions manifest = ManifestOptionsFor(options);
    manifest.highest_file = listing.highest;
    return Manifest::Open(manifest, directory, state, &recovered->manifest);
  }
  if (!listing.data.empty()) {
    return Status::Corruption(ManifestFileName(directory) + ": missing, but " + listing.data +
                              " is there");
  }
  if (!options.create_if_missing) {
    return Status::InvalidArgument(directory +
                                   ": no database there, and create_if_missing is not set");
  }
  ManifestEdit content;
  if (options.cache()) content.all_synced = options.wal_sync == WalSyncMode::kAlways;
  return Manifest::Create(ManifestOptionsFor(options), directory, content, &recovered->manifest);
}

// What the commit that ends a recovery says of how the cache is open from now on.
void SayHowItIsOpen(const Options& options, ManifestEdit* edit) {
  if (!options.cache()) return;
  edit->judged = true;
  edit->condemned = false;
  edit->unlogged = false;
  edit->all_synced = options.wal_sync == WalSyncMode::kAlways;
}

Status LogNotOurs(const std::string& directory, const ManifestState& state, FileNumber log) {
  return Status::Corruption(LogFileName(directory, log) +
                            ": not of this database, which has used no number from " +
                            std::to_string(state.next_file_number) + " on");
}

// In place of steps 3 and 4.
Status Reset(const Options& options, const std::string& directory, const Listing& listing,
             const ManifestState& state, CacheResetReason reason, const std::string& why,
             Recovered* recovered) {
  FileNumber last_log = 0;
  for (const std::string& name : listing.names) {
    FileNumber number;
    FileType type;
    if (ParseFileName(name, &number, &type) && type == FileType::kLog) {
      last_log = std::max(last_log, number);
    }
  }
  if (last_log >= state.next_file_number) return LogNotOurs(directory, state, last_log);
  ManifestEdit edit;
  SayHowItIsOpen(options, &edit);
  edit.lowest_log = last_log + 1;
  edit.next_sequence = state.next_sequence;
  edit.retained_sequence = state.next_sequence - 1;  // nothing of before is there to be read
  Manifest* const manifest = recovered->manifest.get();
  Status status = ResetCache(manifest, reason, options.env.clock->WallMillis(), std::move(edit));
  if (!status.ok()) return status;
  recovered->segments.clear();
  recovered->retained_sequence = std::max(state.retained_sequence, state.next_sequence - 1);
  recovered->reset = manifest->last_reset();
  if (!recovered->reset.has_value()) recovered->reset.emplace().reason = reason;
  options.logger->Log(LogLevel::kWarning,
                      directory + ": the cache starts empty: " + CacheResetReasonName(reason) +
                          (why.empty() ? "" : ": " + why));
  return Status::OK();
}

// Steps 3 and 4. *log_is_damaged: that is the error, and nothing has changed.
Status ReplayAndCommit(const Options& options, const std::string& directory,
                       const ManifestState& state, RecoveryRoom* room, Recovered* recovered,
                       bool* log_is_damaged) {
  Manifest* const manifest = recovered->manifest.get();
  ReplayOptions replay;
  replay.file_system = options.env.file_system.get();
  replay.directory = directory;
  replay.lowest_needed = state.lowest_log;
  replay.known_durable = state.durable_log;
  replay.mode = options.wal_recovery;
  replay.logger = options.logger.get();
  ReplayResult result;
  ReplayedSegments segments(options, directory, manifest, state.next_sequence, state.clock_mark_ms,
                            room);
  Status status = ReplayLogs(replay, &segments, &result);
  if (status.ok() && !result.found.empty() && result.found.back() >= state.next_file_number) {
    status = LogNotOurs(directory, state, result.found.back());
  } else {
    *log_is_damaged = status.IsCorruption();
  }
  if (status.ok()) status = segments.Finish();
  CrashStepDone(CrashStep::kRecoveryReplayed);
  if (status.ok() && (!result.found.empty() || options.cache())) {
    ManifestEdit edit;
    SayHowItIsOpen(options, &edit);
    edit.added = segments.segments();
    if (!result.found.empty()) edit.lowest_log = result.found.back() + 1;
    if (VARVE_PLANTED("cut log passed alone") && result.end.log != 0) {
      edit.lowest_log = result.end.log + 1;
    }
    edit.next_sequence = state.next_sequence;
    if (!edit.added.empty() && !HistoryRetention(options).any()) {
      edit.retained_sequence = state.next_sequence - 1;  // versions below it may have been left out
    }
    recovered->retained_sequence = std::max(state.retained_sequence, edit.retained_sequence);
    status = manifest->Commit(edit);
    if (status.ok() && !VARVE_PLANTED("recovery not sealed")) status = manifest->Seal();
    CrashStepDone(CrashStep::kRecoveryCommitted);
    if (!status.ok()) return status;  // either may be what a crash leaves: the segments stay
  }
  if (!status.ok()) {
    RemoveSegments(options.env.file_system.get(), directory, segments.segments());
    return status;
  }
  recovered->records_replayed = result.records;
  for (SegmentEntry& made : segments.segments()) recovered->segments.push_back(std::move(made));
  return Status::OK();
}

// Step 5.
Status ReadGhosts(const Options& options, const std::string& directory, Recovered* recovered) {
  ManifestEdit edit;
  uint64_t last_eviction = 0;
  for (const SegmentEntry& entry : recovered->segments) {
    last_eviction = std::max({last_eviction, entry.evicted, entry.applied_to});
  }
  for (SegmentEntry& entry : recovered->segments) {
    if ((entry.flags & kSegmentGhost) == 0 || (entry.flags & kSegmentHasGhostFile) == 0) continue;
    std::shared_ptr<const GhostReader> reader;
    const Status status =
        LoadGhost(options.env.file_system.get(), options.comparator, directory, entry, &reader);
    if (status.ok()) {
      recovered->ghosts.emplace(entry.number, std::move(reader));
      continue;
    }
    options.logger->Log(LogLevel::kWarning,
                        "ghost " + std::to_string(entry.number) +
                            " hides all within its bounds from now on: " + status.ToString());
    entry = WideGhostEntry(entry, ++last_eviction);
    edit.removed.push_back(entry.number);
    edit.added.push_back(entry);
  }
  if (edit.added.empty()) return Status::OK();
  Status status = recovered->manifest->Commit(edit);
  return status.ok() ? recovered->manifest->Seal() : status;
}

// Of the names listed at the start, those that neither root reaches.
std::vector<std::string> Unreachable(const Listing& listing, const Recovered& recovered) {
  std::vector<NumberedFile> live;
  for (const SegmentEntry& segment : recovered.segments) {
    for (const NumberedFile& file : FilesOf(segment)) live.push_back(file);
  }
  std::sort(live.begin(), live.end());
  std::vector<std::string> unreachable;
  for (const std::string& name : listing.names) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;  // not ours
    const bool dead =
        ((type == FileType::kSegment || type == FileType::kGhost) &&
         !std::binary_search(live.begin(), live.end(), NumberedFile{type, number})) ||
        (type == FileType::kLog && number < recovered.manifest->lowest_log_needed()) ||
        type == FileType::kRecycledLog || type == FileType::kProbe;
    if (dead) unreachable.push_back(name);
  }
  return unreachable;
}

}  // namespace

Status Recover(const Options& options, const std::string& directory, const CacheSpace& space,
               Recovered* recovered) {
  Listing listing;
  Status status = List(options.env.file_system.get(), directory, &listing);
  if (!status.ok()) return status;
  ManifestState state;
  status = OpenOrCreateManifest(options, directory, listing, &state, recovered);
  if (!status.ok()) return status;
  recovered->segments = state.segments;
  recovered->next_sequence = state.next_sequence;
  recovered->retained_sequence = state.retained_sequence;
  recovered->clock_mark_ms = state.clock_mark_ms;
  EventDispatch events(options.listeners);
  std::optional<RecoveryRoom> room;
  if (space.metered != nullptr) {
    room.emplace(space, directory, recovered->manifest.get(), &recovered->segments, &events);
    // Both fresh roots are durable: nothing needs what they do not reach.
    room->SetUnreachable(Unreachable(listing, *recovered));
    status = room->BringUnder();
    if (!status.ok()) return status;
  }
  if (listing.manifest) {
    std::optional<CacheResetReason> reset;
    std::string why;
    if (options.cache()) {
      reset = ResetAtOpen(state, options.env.machine->BootId(), options.after_power_loss);
      if (VARVE_PLANTED("power loss forgiven") && reset == CacheResetReason::kPowerLoss) {
        reset.reset();
      }
    }
    if (!reset.has_value()) {
      bool log_is_damaged = false;
      status = ReplayAndCommit(options, directory, state, room.has_value() ? &*room : nullptr,
                               recovered, &log_is_damaged);
      if (log_is_damaged && options.cache()) {
        reset = CacheResetReason::kDamagedLog;
        why = status.ToString();
      }
    }
    if (reset.has_value()) {
      status = Reset(options, directory, listing, state, *reset, why, recovered);
    }
    if (!status.ok()) return status;
  }
  status = ReadGhosts(options, directory, recovered);
  if (!status.ok()) return status;
  recovered->unreachable = Unreachable(listing, *recovered);
  if (room.has_value()) {
    room->SetUnreachable(recovered->unreachable);  // the logs too, now
    status = room->BringUnder();
    if (status.ok()) status = room->CheckUnder();
    recovered->evicted = room->evicted();
  }
  return status;
}

}  // namespace varve
