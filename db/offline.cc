#include "db/offline.h"

#include <algorithm>
#include <set>
#include <utility>

#include "db/cache_reset.h"
#include "db/ghost.h"
#include "db/restart_rules.h"
#include "db/segment_cache.h"
#include "db/why.h"
#include "db/write_batch_internal.h"
#include "memtable/memtable.h"
#include "util/filename.h"
#include "util/human_text.h"
#include "wal/replay.h"

namespace varve {

namespace {

// A memtable for each log that has records, oldest first.
class LogMemtables final : public LogSink {
 public:
  explicit LogMemtables(const InternalKeyComparator& comparator) : comparator_(comparator) {}

  Status OnRecord(LogPosition end, Slice payload) override {
    Status status = WriteBatchInternal::Verify(payload, WriteBatchInternal::Origin::kLog);
    if (!status.ok()) return status;
    if (tables.empty() || names.back() != NameOf(end.log)) {
      tables.push_back(std::make_shared<MemTable>(comparator_));
      names.push_back(NameOf(end.log));
    }
    const SequenceNumber first = WriteBatchInternal::Sequence(payload);
    const uint64_t count = WriteBatchInternal::Count(payload);
    if (count == 0) return Status::OK();
    if (first > kMaxSequence || first + count > kMaxSequence) {
      return Status::Corruption("a record of log " + std::to_string(end.log) + " from sequence " +
                                std::to_string(first) + " on");
    }
    last_sequence = std::max(last_sequence, first + count - 1);
    return WriteBatchInternal::InsertInto(payload, first, tables.back().get(),
                                          /*concurrently=*/false, {},
                                          WriteBatchInternal::Origin::kLog);
  }
  Status OnLogEnd(FileNumber) override { return Status::OK(); }

  std::vector<std::shared_ptr<MemTable>> tables;
  std::vector<std::string> names;
  SequenceNumber last_sequence = 0;

 private:
  static std::string NameOf(FileNumber log) { return "log " + std::to_string(log); }

  const InternalKeyComparator comparator_;
};

// What a directory's files take, by type.
struct Files {
  uint64_t bytes = 0;  // all that is in it
  uint64_t logs = 0, log_bytes = 0, recycled = 0;
};

Status ListFiles(FileSystem* file_system, const std::string& directory, Files* files) {
  std::vector<std::string> names;
  if (Status status = file_system->ListDirectory(directory, &names); !status.ok()) return status;
  for (const std::string& name : names) {
    FileInfo info;
    if (!file_system->GetFileInfo(JoinPath(directory, name), &info).ok()) continue;
    const uint64_t bytes = std::max(info.size, info.allocated_bytes);
    files->bytes += bytes;
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;
    if (type == FileType::kLog) {
      ++files->logs;
      files->log_bytes += bytes;
    }
    if (type == FileType::kRecycledLog) ++files->recycled;
  }
  return Status::OK();
}

void Line(std::string* text, const char* name, const std::string& content) {
  *text += name;
  text->append(13 - std::min<size_t>(12, Slice(name).size()), ' ');
  *text += content + "\n";
}

std::string Count(uint64_t n, const char* what) { return std::to_string(n) + " " + what; }

// Of all segments, what their entries of the manifest say together.
struct Sum {
  uint64_t segments = 0, bytes = 0, raw_bytes = 0, entries = 0, deletes = 0, range_deletes = 0;
  uint64_t expiring = 0, all_expire = 0, expired = 0, expired_bytes = 0;
  uint64_t expires_first = UINT64_MAX, expires_last = 0;
  std::set<uint64_t> epochs;
  uint64_t ghosts = 0, wide = 0, ghost_bytes = 0, ghosts_ready = 0, ghost_bytes_ready = 0;
};

Sum SumOf(const std::vector<SegmentEntry>& entries, uint64_t now_ms) {
  Sum sum;
  for (const SegmentEntry& e : entries) {
    if ((e.flags & kSegmentGhost) != 0) {
      ++sum.ghosts;
      sum.ghost_bytes += e.file_bytes;
      sum.wide += (e.flags & kSegmentHasGhostFile) == 0;
      continue;
    }
    ++sum.segments;
    sum.bytes += e.file_bytes;
    sum.raw_bytes += e.raw_bytes;
    sum.entries += e.entries;
    sum.deletes += e.deletes;
    sum.range_deletes += (e.flags & kHasRangeDeletes) != 0;
    if (e.level == 0) sum.epochs.insert(e.epoch);
    if ((e.flags & kSegmentHasGhostFile) != 0) {
      ++sum.ghosts_ready;
      sum.ghost_bytes_ready += e.ghost_bytes;
    }
    if ((e.flags & kHasExpiry) == 0) continue;
    ++sum.expiring;
    sum.expires_first = std::min(sum.expires_first, e.min_expires_at);
    sum.expires_last = std::max(sum.expires_last, e.max_expires_at);
    if ((e.flags & kAllExpire) == 0) continue;
    ++sum.all_expire;
    if (e.max_expires_at > now_ms) continue;
    ++sum.expired;
    sum.expired_bytes += e.file_bytes;
  }
  return sum;
}

}  // namespace

OfflineDatabase::OfflineDatabase(const Options& options, const std::string& directory)
    : options_(options),
      directory_(directory),
      reads_(std::make_shared<ReadPath>(options, directory)) {}

Status OfflineDatabase::Open(const Options& options, const std::string& directory,
                             std::unique_ptr<OfflineDatabase>* database) {
  std::unique_ptr<OfflineDatabase> opened(new OfflineDatabase(options, directory));
  Status status = opened->ReadSources();
  if (status.ok()) *database = std::move(opened);
  return status;
}

Status OfflineDatabase::ReadSources() {
  FileSystem* const file_system = options_.env.file_system.get();
  Status status = Manifest::Inspect(file_system, directory_, &state_);
  if (!status.ok()) return status;
  if (state_.comparator != options_.comparator->Name()) {
    return Status::InvalidArgument(directory_ + ": its keys are ordered by \"" + state_.comparator +
                                   "\", not by \"" + options_.comparator->Name() + "\"");
  }
  now_ms_ = std::max(options_.env.clock->WallMillis(), state_.clock_mark_ms);

  ReplayOptions replay;
  replay.file_system = file_system;
  replay.directory = directory_;
  replay.lowest_needed = state_.lowest_log;
  replay.known_durable = state_.durable_log;
  LogMemtables logs(reads_->comparator());
  ReplayResult replayed;
  log_status_ = ReplayLogs(replay, &logs, &replayed);
  log_records_ = replayed.records;
  last_sequence_ = logs.last_sequence;
  for (const SegmentEntry& entry : state_.segments) {
    last_sequence_ = std::max(last_sequence_, entry.largest_sequence);
  }

  Version::GhostReaders ghosts;
  for (const SegmentEntry& entry : state_.segments) {
    if ((entry.flags & kSegmentGhost) == 0) continue;
    std::shared_ptr<const GhostReader> reader;
    // One that cannot be read hides all within its bounds, for an open too.
    const Status loaded = LoadGhost(file_system, options_.comparator, directory_, entry, &reader);
    if (loaded.ok()) ghosts.emplace(entry.number, std::move(reader));
  }
  ReadView view;
  status = Version::Build(reads_->comparator(), state_.segments, state_.retained_sequence,
                          &view.version, ghosts);
  if (!status.ok()) return status;
  std::reverse(logs.tables.begin(), logs.tables.end());
  std::reverse(logs.names.begin(), logs.names.end());
  memtable_names_ = std::move(logs.names);
  if (logs.tables.empty()) logs.tables.push_back(std::make_shared<MemTable>(reads_->comparator()));
  view.memtable = logs.tables.front();
  view.immutables.assign(logs.tables.begin() + 1, logs.tables.end());
  reads_->Opened(last_sequence_);
  reads_->views().Publish(std::make_shared<const ReadView>(std::move(view)));
  return Status::OK();
}

std::optional<CacheResetReason> OfflineDatabase::NextReset() const {
  if (!cache()) return std::nullopt;
  const std::optional<CacheResetReason> reset =
      ResetAtOpen(state_, options_.env.machine->BootId(), options_.after_power_loss);
  if (!reset.has_value() && log_status_.IsCorruption()) return CacheResetReason::kDamagedLog;
  return reset;
}

std::string OfflineDatabase::Why(Slice key) {
  std::string text;
  if (const auto reset = NextReset(); reset.has_value()) {
    text = "reset: as it is now the next open empties the cache (" +
           std::string(CacheResetReasonName(*reset)) +
           "), and no key is there; what its files say:\n";
  }
  if (!log_status_.ok()) text += "error: in the logs: " + log_status_.ToString() + "\n";
  WhyTools tools;
  tools.comparator = reads_->comparator();
  tools.segments = &reads_->segments();
  tools.sequence = last_sequence_;
  tools.now_ms = now_ms_;
  tools.cache = cache();
  tools.memtable_names = memtable_names_;
  EpochGuard inside(&reads_->epochs());
  return text + varve::Why(tools, *reads_->views().Borrow(), key);
}

Status OfflineDatabase::CreatedMillis(const std::shared_ptr<SegmentFile>& file,
                                      uint64_t* created_ms) {
  std::shared_ptr<SegmentReader> reader;
  const Status status = reads_->segments().Share(file, &reader);
  if (status.ok()) *created_ms = reader->properties().created_ms;
  return status;
}

Status OfflineDatabase::Describe(uint64_t capacity_bytes, std::string* text) {
  Files files;
  Status status = ListFiles(options_.env.file_system.get(), directory_, &files);
  if (!status.ok()) return status;
  const Sum sum = SumOf(state_.segments, now_ms_);

  Line(text, "directory",
       std::string(cache() ? "a cache" : "a database") + ", " +
           (state_.clean_close ? "closed" : "in use, or not closed"));
  if (const auto reset = NextReset(); reset.has_value()) {
    Line(text, "next open", std::string("empties it: ") + CacheResetReasonName(*reset));
  }
  if (state_.last_reset.has_value()) Line(text, "last reset", DescribeReset(*state_.last_reset));
  std::string used = BytesText(files.bytes);
  if (capacity_bytes != 0) {
    used += " of " + BytesText(capacity_bytes) + " (" +
            PercentText(static_cast<double>(files.bytes) / static_cast<double>(capacity_bytes)) +
            ")";
  }
  Line(text, "used", used);
  Line(text, "segments",
       std::to_string(sum.segments) + " of " + BytesText(sum.bytes) + " with " +
           Count(sum.entries, "entries") + " of " + BytesText(sum.raw_bytes) + "; " +
           Count(sum.deletes, "tombstones") + "; " + Count(sum.range_deletes, "with ranges"));
  Line(text, "epochs",
       sum.epochs.empty()
           ? std::string("none")
           : std::to_string(sum.epochs.size()) + ", from " + std::to_string(*sum.epochs.begin()) +
                 " to " + std::to_string(*sum.epochs.rbegin()));

  const std::shared_ptr<const ReadView> view = reads_->views().Share();
  std::shared_ptr<SegmentFile> oldest, newest;
  view->version->ForEachSegment([&](const std::shared_ptr<SegmentFile>& file) {
    if (oldest == nullptr || file->number() < oldest->number()) oldest = file;
    if (newest == nullptr || file->number() > newest->number()) newest = file;
  });
  for (const auto& [name, file] : {std::pair("oldest", oldest), std::pair("newest", newest)}) {
    if (file == nullptr) continue;
    uint64_t created_ms = 0;
    status = CreatedMillis(file, &created_ms);
    const uint64_t now = options_.env.clock->WallMillis();
    Line(text, name,
         "segment " + std::to_string(file->number()) + ", " +
             (status.ok() ? "written " + InstantText(created_ms) + ", " +
                                DurationText(now - std::min(now, created_ms)) + " ago"
                          : status.ToString()));
  }

  if (sum.expiring == 0) {
    Line(text, "expiry", "nothing expires");
  } else {
    Line(text, "expiry",
         Count(sum.expiring, "segments") + " from " + InstantText(sum.expires_first) + " to " +
             InstantText(sum.expires_last) + "; " + Count(sum.all_expire, "expire whole") + ", " +
             std::to_string(sum.expired) + " of " + BytesText(sum.expired_bytes) + " have");
  }
  Line(text, "ghosts",
       std::to_string(sum.ghosts) + " of " + BytesText(sum.ghost_bytes) +
           (sum.ghosts == 0
                ? ""
                : ", false positives " + PercentText(view->version->ghost_false_positive_rate())) +
           (sum.wide == 0 ? "" : ", " + Count(sum.wide, "of them without a file")) + "; " +
           Count(sum.ghosts_ready, "segments have one ready") + " of " +
           BytesText(sum.ghost_bytes_ready));
  Line(text, "logs",
       Count(files.logs, "files") + " of " + BytesText(files.log_bytes) + ", " +
           Count(files.recycled, "recycled") + "; " +
           (log_status_.ok() ? Count(log_records_, "records to replay") : log_status_.ToString()));
  return Status::OK();
}

}  // namespace varve
