// What a DBImpl tells about itself, and the options that change while it is open.

#include <functional>
#include <utility>

#include "db/cache_reset.h"
#include "db/db_impl.h"
#include "db/ghost.h"
#include "db/memory_plan.h"
#include "util/filename.h"

namespace varve {

namespace {
constexpr Slice kPropertyPrefix = "varve.";
constexpr Slice kWhyPrefix = "varve.why:";
}  // namespace

uint64_t DBImpl::LogBytes() const {
  const size_t memtable_bytes = live_.memtable_bytes.load(std::memory_order_relaxed);
  return options_.cache() ? CacheLogBytes(memtable_bytes) : LogBytesFor(memtable_bytes);
}

uint64_t DBImpl::MemoryAllowed() const {
  const MemoryPlan plan = reads_->memory().plan();
  if (plan.limited()) return plan.budget;
  Options now = options_;
  live_.Give(&now);
  return MemoryOfParts(now);
}

uint64_t DBImpl::DirectoryBytes() const {
  FileSystem* const file_system = options_.env.file_system.get();
  std::vector<std::string> names;
  if (!file_system->ListDirectory(path_, &names).ok()) return 0;
  uint64_t bytes = 0;
  for (const std::string& name : names) {
    FileInfo info;
    if (!file_system->GetFileInfo(JoinPath(path_, name), &info).ok()) continue;
    bytes += std::max(info.size, info.allocated_bytes);
  }
  return bytes;
}

bool DBImpl::GetIntProperty(Slice name, uint64_t* value) {
  if (!CheckOpen().ok() || name.substr(0, kPropertyPrefix.size()) != kPropertyPrefix) return false;
  name.remove_prefix(kPropertyPrefix.size());
  bool found = false;
  VisitIntProperties([&](Slice property, const IntProperty& get) {
    found = name == property;
    if (found) *value = get();
    return !found;
  });
  return found;
}

void DBImpl::VisitIntProperties(
    const std::function<bool(Slice name, const IntProperty& get)>& visit) {
  const std::shared_ptr<const ReadView> view = reads_->views().Share();
  const auto memtable_bytes = [&] {
    size_t bytes = view->memtable->bytes();
    for (const auto& memtable : view->immutables) bytes += memtable->bytes();
    return bytes;
  };
  const auto entries = [&] {
    uint64_t n = view->version->entries() + view->memtable->entries();
    for (const auto& memtable : view->immutables) n += memtable->entries();
    return n;
  };
  const auto wal_bytes = [&] {
    FileSystem* const file_system = options_.env.file_system.get();
    std::vector<std::string> names;
    uint64_t bytes = 0;
    if (!file_system->ListDirectory(path_, &names).ok()) return bytes;
    for (const std::string& file : names) {
      FileNumber number;
      FileType type;
      FileInfo info;
      if (ParseFileName(file, &number, &type) &&
          (type == FileType::kLog || type == FileType::kRecycledLog) &&
          file_system->GetFileInfo(JoinPath(path_, file), &info).ok()) {
        bytes += info.size;
      }
    }
    return bytes;
  };
  const std::pair<Slice, IntProperty> properties[] = {
      {"num-segments", [&] { return view->version->segments(); }},
      {"segment-bytes", [&] { return view->version->file_bytes(); }},
      {"num-sorted-runs", [&] { return view->version->runs().size(); }},
      {"num-ghosts", [&] { return view->version->ghosts().size(); }},
      {"ghost-bytes", [&] { return view->version->ghost_file_bytes(); }},
      {"num-obsolete-segments", [&] { return obsolete_->waiting(); }},
      {"num-running-compactions",
       [&] {
         MutexLock lock(&mu_);
         return compactions_.size();
       }},
      {"compaction-pending",
       [&] {
         MutexLock lock(&mu_);
         return uint64_t{
             !compactions_.empty() ||
             picker_->Pick(*version_, {}, {}, reads_->ReadersFromNowOn().droppable_before())
                 .has_value()};
       }},
      {"compaction-debt-bytes",
       [&] {
         MutexLock lock(&mu_);
         return picker_->DebtBytes(*version_);
       }},
      {"num-entries", entries},
      {"memtable-bytes", memtable_bytes},
      {"num-immutable-memtables", [&] { return view->immutables.size(); }},
      {"block-cache-usage", [&] { return reads_->blocks().usage(); }},
      {"block-cache-capacity", [&] { return reads_->blocks().capacity(); }},
      {"open-segments", [&] { return reads_->segments().open_count(); }},
      {"segment-reader-bytes", [&] { return reads_->segments().memory_bytes(); }},
      {"segment-heat-bytes", [&] { return reads_->memory_budget()->held(MemoryPart::kHeat); }},
      {"admission-bytes", [&] { return reads_->memory_budget()->held(MemoryPart::kAdmission); }},
      {"memory-budget", [&] { return MemoryAllowed(); }},
      {"memory-usage", [&] { return reads_->memory().Used(); }},
      {"num-snapshots", [&] { return reads_->snapshots().count(); }},
      {"oldest-snapshot-sequence",
       [&] { return reads_->snapshots().OldestOr(reads_->published()); }},
      {"last-sequence", [&] { return reads_->published(); }},
      {"retained-sequence", [&] { return view->version->retained_sequence(); }},
      {"manifest-commits", [&] { return manifest_->stats().commits; }},
      {"manifest-bytes-written", [&] { return manifest_->stats().pages_written * 4096; }},
      {"wal-bytes", wal_bytes},
      {"live-bytes", [&] { return DirectoryBytes(); }},
      {"capacity-bytes", [&] { return space_.metered ? space().state().capacity : 0; }},
      {"used-bytes", [&] { return space_.metered ? space().state().used : DirectoryBytes(); }},
      {"reserved-bytes", [&] { return space().state().reserved; }},
      {"is-write-stopped",
       [&] {
         MutexLock lock(&mu_);
         if (in_memory_only_.load(std::memory_order_relaxed)) return uint64_t{0};
         return uint64_t{!errors_.read_only().ok() || WritesAreStopped()};
       }},
      {"delayed-write-rate", [&] { return stall_.bytes_per_second(); }},
      {"oldest-segment-age-ms", [&] { return OldestSegmentAgeMillis(); }},
      {"hit-ratio-percent", [&] { return HitPercent(/*recent=*/false, /*bytes=*/false); }},
      {"byte-hit-ratio-percent", [&] { return HitPercent(/*recent=*/false, /*bytes=*/true); }},
      {"recent-hit-ratio-percent", [&] { return HitPercent(/*recent=*/true, /*bytes=*/false); }},
      {"recent-byte-hit-ratio-percent",
       [&] { return HitPercent(/*recent=*/true, /*bytes=*/true); }},
  };
  for (const auto& [property, get] : properties) {
    if (!visit(property, get)) return;
  }
}

bool DBImpl::GetProperty(Slice name, std::string* value) {
  if (uint64_t number; GetIntProperty(name, &number)) {
    *value = std::to_string(number);
    return true;
  }
  if (!CheckOpen().ok()) return false;
  if (name == "varve.background-error") {
    MutexLock lock(&mu_);
    *value = errors_.read_only().ok() ? "" : errors_.read_only().ToString();
  } else if (name == "varve.degraded") {
    *value = DegradedText();
  } else if (name == "varve.last-reset") {
    const std::optional<CacheResetInfo> reset = manifest_->last_reset();
    *value = reset.has_value() ? DescribeReset(*reset) : "";
  } else if (name == "varve.durable-position") {
    *value = wal_->durable().ToString();
  } else if (name == "varve.stats") {
    *value = StatsText();
  } else if (name == "varve.ghost-false-positive-rate") {
    *value = std::to_string(reads_->views().Share()->version->ghost_false_positive_rate());
  } else if (name == "varve.segments") {
    *value = SegmentsText();
  } else if (name.starts_with(kWhyPrefix)) {
    *value = WhyText(name.substr(kWhyPrefix.size()));
  } else if (name == "varve.cache-stats") {
    *value = CacheStatsText();
  } else if (name == "varve.prometheus") {
    *value = PrometheusMetrics();
  } else if (name == "varve.options") {
    Options now = options_;
    live_.Give(&now);
    const MemoryPlan plan = reads_->memory().plan();
    now.memory_bytes = plan.limited() ? plan.budget : 0;
    *value = DescribeOptions(now);
  } else {
    return false;
  }
  return true;
}

std::string DBImpl::StatsText() {
  std::string text;
  for (const Slice name : {"num-segments",
                           "segment-bytes",
                           "num-entries",
                           "memtable-bytes",
                           "num-immutable-memtables",
                           "block-cache-usage",
                           "block-cache-capacity",
                           "open-segments",
                           "segment-reader-bytes",
                           "segment-heat-bytes",
                           "admission-bytes",
                           "memory-budget",
                           "memory-usage",
                           "num-snapshots",
                           "last-sequence",
                           "retained-sequence",
                           "manifest-commits",
                           "manifest-bytes-written",
                           "wal-bytes",
                           "live-bytes",
                           "capacity-bytes",
                           "used-bytes",
                           "reserved-bytes"}) {
    uint64_t value;
    if (GetIntProperty(std::string(kPropertyPrefix) + std::string(name), &value)) {
      text += std::string(name) + ": " + std::to_string(value) + "\n";
    }
  }
  if (options_.statistics != nullptr) text += options_.statistics->ToString();
  return text;
}

std::string DBImpl::SegmentsText() {
  std::string text;
  const std::shared_ptr<const ReadView> view = reads_->views().Share();
  view->version->ForEachSegment([&text](const std::shared_ptr<SegmentFile>& file) {
    const SegmentEntry& entry = file->entry();
    text += "segment " + std::to_string(entry.number) + ": level " + std::to_string(entry.level) +
            ", epoch " + std::to_string(entry.epoch) + ", " + std::to_string(entry.file_bytes) +
            " bytes, " + std::to_string(entry.entries) + " entries, " +
            std::to_string(entry.deletes) + " deletes, " +
            (entry.hidden == 0 ? "" : std::to_string(entry.hidden) + " hidden, ") + "sequences " +
            std::to_string(entry.smallest_sequence) + " to " +
            std::to_string(entry.largest_sequence) + "\n";
  });
  for (const auto& ghost : view->version->ghosts()) {
    text += "ghost " + std::to_string(ghost->number()) + ": level " +
            std::to_string(ghost->entry().level) + ", epoch " +
            std::to_string(ghost->entry().epoch) + ", eviction " +
            std::to_string(ghost->entry().evicted) + ", " +
            (ghost->wide() ? "hides all within its bounds"
                           : std::to_string(ghost->entry().file_bytes) + " bytes") +
            "\n";
  }
  return text;
}

Status DBImpl::SetOptions(const std::map<std::string, std::string>& changes) {
  if (Status status = CheckOpen(); !status.ok()) return status;
  MutexLock one_at_a_time(&options_mu_);
  Options before = options_;
  live_.Give(&before);
  Options asked = asked_;
  if (Status status = ApplyLiveChanges(changes, &asked); !status.ok()) return status;
  const Options now = FitToMemory(asked);
  if (now.capacity_bytes != before.capacity_bytes) {
    live_.Take(now);
    wal_->SetLogBytes(LogBytes());
    if (Status status = SetCapacity(before, now); !status.ok()) {
      live_.Take(before);
      wal_->SetLogBytes(LogBytes());
      return status;
    }
  }
  asked_ = std::move(asked);
  live_.Take(now);
  if (room_ != nullptr) TakePlan(now);
  const MemoryPlan memory = PlanMemory(now, MemoryPlan::kUnlimited);
  reads_->memory().SetPlan(memory);
  if (admission_ != nullptr) admission_->SetMemoryMax(memory.admission_max);
  reads_->history().SetRetention(HistoryRetention(now));
  syncer_->SetInterval(now.wal_sync_interval_ms);
  limiter_->SetBytesPerSecond(now.background_bytes_per_second);
  wal_->SetLogBytes(LogBytes());
  {
    MutexLock lock(&mu_);
    SetPicker(now);
    ScheduleFlush();  // less may be wanted in memory than there is
    ScheduleCompactions();
    UpdateStall();
    changed_.SignalAll();
  }
  events_.Deliver();
  return Status::OK();
}

}  // namespace varve
