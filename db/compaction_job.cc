#include "db/compaction_job.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "db/compaction_outputs.h"
#include "db/ghost_cover.h"
#include "db/merging_iterator.h"
#include "db/run_iterator.h"
#include "util/crash_site.h"
#include "util/planted.h"

namespace varve {

namespace {

// A part reads at least so many times the size of an output: below, starting it costs more than it
// saves, and its last output is small.
constexpr uint64_t kPartOutputsMin = 2;

}  // namespace

// Numbers 0 to total - 1, each given to `run` once, by whichever thread comes first. Shared, as a
// thread of the pool may come when all is done and the job is gone: it then touches nothing else.
class CompactionJob::Crew {
 public:
  Crew(size_t total, std::function<void(size_t)> run) : total_(total), run_(std::move(run)) {}

  void Work() {
    MutexLock lock(&mu_);
    while (next_ < total_) {
      const size_t i = next_++;
      mu_.Unlock();
      run_(i);
      mu_.Lock();
      ++finished_;
      if (finished_ == total_) done_.SignalAll();
    }
  }
  void WaitForAll() {
    MutexLock lock(&mu_);
    while (finished_ < total_) done_.Wait(&mu_);
  }

 private:
  const size_t total_;
  const std::function<void(size_t)> run_;
  Mutex mu_;
  CondVar done_;
  size_t next_ GUARDED_BY(mu_) = 0;
  size_t finished_ GUARDED_BY(mu_) = 0;
};

CompactionJob::CompactionJob(const CompactionTools& tools, CompactionPlan plan,
                             std::shared_ptr<const Version> version, ReadSequences readers,
                             int parts_max)
    : tools_(tools),
      plan_(std::move(plan)),
      version_(std::move(version)),
      readers_(std::move(readers)),
      comparator_(tools.options->comparator),
      older_(comparator_, version_, plan_),
      parts_max_(static_cast<size_t>(std::max(parts_max, 1))) {}

CompactionJob::~CompactionJob() = default;

Status CompactionJob::Run() {
  if (plan_.trivial_move) {
    Move();
    return Status::OK();
  }
  Status status = OpenInputs();
  if (status.ok()) {
    Split();
    status = RunParts();
  }
  if (!status.ok()) RemoveOutputs();
  return status;
}

void CompactionJob::Move() {
  for (const CompactionInput& input : plan_.inputs) {
    for (const auto& segment : input.segments) {
      outputs_.push_back(segment->entry());
      outputs_.back().level = plan_.output_level;
    }
  }
}

Status CompactionJob::OpenInputs() {
  std::vector<RangeTombstone> tombstones;
  for (const CompactionInput& input : plan_.inputs) {
    runs_.push_back(std::make_unique<SortedRun>(comparator_, input.segments));
    for (const auto& segment : input.segments) {
      if ((segment->entry().flags & kHasRangeDeletes) == 0) continue;
      std::shared_ptr<SegmentReader> reader;
      Status status = tools_.segments->Share(segment, &reader);
      if (!status.ok()) return status;
      if (reader->range_tombstones() == nullptr) continue;
      for (RangeTombstone& tombstone : reader->range_tombstones()->Tombstones()) {
        tombstones.push_back(std::move(tombstone));
      }
    }
  }
  if (!tombstones.empty()) {
    tombstones_ = std::make_unique<FragmentedRangeTombstones>(comparator_, std::move(tombstones));
  }
  return Status::OK();
}

void CompactionJob::Split() {
  const uint64_t part_bytes_min = std::max<uint64_t>(kPartOutputsMin * plan_.segment_bytes, 1);
  const size_t parts = std::min<uint64_t>(parts_max_, plan_.input_bytes() / part_bytes_min);
  // The run of the most segments is likely the largest, and its segments are of like sizes.
  const auto widest = std::max_element(
      runs_.begin(), runs_.end(),
      [](const auto& a, const auto& b) { return a->segments().size() < b->segments().size(); });
  const SegmentList& segments = (*widest)->segments();
  uint64_t passed_bytes = 0;
  for (const auto& segment : segments) {
    if (passed_bytes * parts >= (splits_.size() + 1) * (*widest)->file_bytes()) {
      splits_.emplace_back(segment->smallest_user_key());
    }
    passed_bytes += segment->file_bytes();
  }
  parts_.resize(splits_.size() + 1);
  for (size_t i = 0; i < splits_.size(); ++i) {
    parts_[i].end = parts_[i + 1].begin = &splits_[i];
  }
}

Status CompactionJob::RunParts() {
  const auto crew =
      std::make_shared<Crew>(parts_.size(), [this](size_t i) { RunPart(&parts_[i]); });
  for (size_t i = 1; i < parts_.size(); ++i) {
    // Without a thread this one does it all.
    tools_.pool->Schedule(ThreadPool::Priority::kLow, [crew] { crew->Work(); }).ok();
  }
  crew->Work();
  crew->WaitForAll();
  Status status;
  for (Part& part : parts_) {
    // What failed, not what was cancelled for it.
    if (status.ok() || (status.IsAborted() && !part.status.ok())) status = part.status;
    stats_.Add(part.stats);
    for (SegmentEntry& entry : part.made) outputs_.push_back(std::move(entry));
  }
  return status;
}

bool CompactionJob::Cancelled() const {
  return part_failed_.load(std::memory_order_relaxed) ||
         (tools_.cancelled != nullptr && tools_.cancelled->load(std::memory_order_relaxed));
}

void CompactionJob::RunPart(Part* part) {
  part->status = Cancelled() ? Status::Aborted("a compaction was cancelled") : WritePart(part);
  if (!part->status.ok()) part_failed_.store(true, std::memory_order_relaxed);
}

Status CompactionJob::WritePart(Part* part) {
  CrashSiteScope compacting(CrashSite::kCompaction);
  SegmentReadOptions reading;
  reading.fill_cache = false;
  std::vector<std::unique_ptr<InternalIterator>> children;
  GhostCover ghosts(comparator_, version_);
  for (const auto& run : runs_) {
    children.push_back(NewRunIterator(run.get(), tools_.segments, reading));
    ghosts.Add(AgePlace::Of(*run));
  }
  MergingIterator* merging;
  const auto input = NewMergingIterator(comparator_, std::move(children), &merging);

  CompactionIterator::Context context;
  if (ghosts.any() && !VARVE_PLANTED("merge forgets ghosts")) {
    context.hidden_by_ghost = [&ghosts, merging](Slice key) {
      return ghosts.Hides(merging != nullptr ? merging->child() : 0, key);
    };
  }
  context.now_ms = tools_.now_ms;
  context.comparator = comparator_;
  context.readers = readers_;
  context.tombstones = tombstones_.get();
  context.older_may_hold = [this](Slice key) { return older_.MayHold(key); };
  context.older_may_overlap = [this](Slice start, Slice end) {
    return older_.MayOverlap(start, end);
  };
  context.filter = tools_.options->compaction_filter.get();
  context.merge_operator = tools_.options->merge_operator.get();
  context.output_level = plan_.output_level;
  context.cancelled = [this] { return Cancelled(); };
  context.entries_done = tools_.entries_done;
  CompactionIterator entries(std::move(context), input.get());
  entries.Start(part->begin, part->end);

  SegmentOutputOptions segment;
  segment.options = tools_.options;
  segment.directory = tools_.directory;
  segment.level = plan_.output_level;
  segment.epoch = plan_.output_epoch;
  segment.creator = "compaction";
  segment.limiter = tools_.limiter;
  segment.priority = RateLimiter::Priority::kLow;
  segment.applied_to = tools_.applied_to;
  segment.now_ms = tools_.now_ms;
  CompactionOutputs outputs(plan_, segment, tools_.manifest, &entries, part->begin, part->end);
  Status status = outputs.WriteAll();
  part->made = outputs.made();
  part->stats = entries.stats();
  return status;
}

void CompactionJob::RemoveOutputs() {
  if (plan_.trivial_move) return;
  RemoveSegments(tools_.options->env.file_system.get(), tools_.directory, outputs_);
  outputs_.clear();
}

uint64_t CompactionJob::ghost_bytes_written() const {
  if (plan_.trivial_move) return 0;
  uint64_t bytes = 0;
  for (const SegmentEntry& entry : outputs_) bytes += entry.ghost_bytes;
  return bytes;
}

uint64_t CompactionJob::bytes_written() const {
  if (plan_.trivial_move) return 0;
  uint64_t bytes = 0;
  for (const SegmentEntry& entry : outputs_) bytes += entry.file_bytes;
  return bytes;
}

}  // namespace varve
