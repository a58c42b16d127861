#include "db/recovery_room.h"

#include <algorithm>
#include <utility>

#include "db/segment_output.h"
#include "util/crash_site.h"
#include "util/filename.h"

namespace varve {

namespace {

// Entries that one commit takes out: it should need few pages.
constexpr size_t kVictimsMax = 64;

}  // namespace

void RecoveryRoom::Unlink(const NumberedFile& file) {
  // What stays is unreachable, and goes later.
  space_.metered->RemoveFile(FileName(directory_, file)).ok();
}

void RecoveryRoom::Count(const SegmentEntry& victim) {
  if ((victim.flags & kSegmentGhost) != 0) return;
  ++evicted_.segments;
  evicted_.entries += victim.entries;
  evicted_.bytes += victim.file_bytes;
}

void RecoveryRoom::Tell(std::vector<EvictionInfo::Segment> segments) {
  if (segments.empty()) return;
  EvictionInfo info;
  info.segments = std::move(segments);
  events_->Eviction(info);
}

bool RecoveryRoom::RemoveUnreachable() {
  if (unreachable_.empty()) return false;
  for (const std::string& name : unreachable_) {
    space_.metered->RemoveFile(JoinPath(directory_, name)).ok();
  }
  unreachable_.clear();
  return true;
}

bool RecoveryRoom::EvictOldest(uint64_t wanted, Status* status) {
  if (live_->empty()) return false;
  std::sort(live_->begin(), live_->end(), [](const SegmentEntry& a, const SegmentEntry& b) {
    return std::pair(a.epoch, a.number) < std::pair(b.epoch, b.number);
  });
  // From the lowest epoch on, ghosts too: with nothing beneath them they hide nothing.
  ManifestEdit edit;
  uint64_t bytes = 0;
  size_t victims = 0;
  for (; victims < live_->size() && victims < kVictimsMax && bytes < wanted; ++victims) {
    const SegmentEntry& victim = (*live_)[victims];
    for (const NumberedFile& file : FilesOf(victim)) {
      bytes += space_.metered->charged(FileName(directory_, file));
    }
    edit.removed.push_back(victim.number);
  }
  std::vector<EvictionInfo::Segment> told;
  for (size_t i = 0; i < victims; ++i) {
    const SegmentEntry& victim = (*live_)[i];
    if ((victim.flags & kSegmentGhost) == 0) told.push_back(EvictedSegment(victim, false));
  }
  Tell(std::move(told));
  CrashSiteScope evicting(CrashSite::kEvict);
  *status = manifest_->Commit(edit);
  if (status->ok()) *status = manifest_->Seal();
  if (!status->ok()) return false;
  std::for_each(live_->begin(), live_->begin() + static_cast<ptrdiff_t>(victims),
                [this](const SegmentEntry& victim) { Count(victim); });
  live_->erase(live_->begin(), live_->begin() + static_cast<ptrdiff_t>(victims));
  for (const NumberedFile& file : manifest_->TakeReleased()) Unlink(file);
  return true;
}

Status RecoveryRoom::Make(uint64_t bytes, std::vector<SegmentEntry>* made, bool* enough) {
  Status status;
  for (;;) {
    const SpaceLedger::State state = space_.ledger->state();
    *enough = state.free >= bytes;
    if (*enough) return status;
    if (RemoveUnreachable()) continue;
    if (EvictOldest(bytes - state.free + state.over, &status)) continue;
    if (!status.ok()) return status;
    if (made == nullptr || made->empty()) return status;
    Tell({EvictedSegment(made->front(), false)});
    RemoveSegments(space_.metered.get(), directory_, {&made->front(), 1});
    Count(made->front());
    made->erase(made->begin());
  }
}

Status RecoveryRoom::BringUnder() {
  // Nothing to be made free: only what is over.
  if (space_.ledger->state().over == 0) return Status::OK();
  bool enough;
  return Make(1, nullptr, &enough);
}

Status RecoveryRoom::CheckUnder() const {
  const SpaceLedger::State state = space_.ledger->state();
  if (state.over == 0) return Status::OK();
  return Status::NoSpace(directory_ + ": capacity_bytes = " + std::to_string(state.capacity) +
                         ", but " + std::to_string(state.used) +
                         " bytes are in the directory and cannot be evicted");
}

}  // namespace varve
