#include "db/write_queue.h"

#include <algorithm>

#include "util/planted.h"
#include "util/thread.h"

namespace varve {

namespace {
// A group grows to at most this many bytes, and if its leader is small to a little more than that,
// so that a small write does not wait for a megabyte of others.
constexpr size_t kGroupBytesMax = 1 << 20;
constexpr size_t kSmallLeaderBytes = 128 << 10;
}  // namespace

void WriteQueue::Change(Writer* writer, Writer::State to) {
  writer->state = to;
  if (writer->wake != nullptr) writer->wake->Signal();
}

void WriteQueue::SleepUntilChanged(Writer* writer, Writer::State from) {
  CondVar wake;
  writer->wake = &wake;
  while (writer->state == from) wake.Wait(&mu_);
  writer->wake = nullptr;
}

void WriteQueue::LinkNewer(Writer* newest) {
  for (Writer* w = newest; w->older != nullptr && w->older->newer == nullptr; w = w->older) {
    w->older->newer = w;
  }
}

bool WriteQueue::Join(Writer* writer) {
  SchedulePoint();
  Writer* newest = newest_.load(std::memory_order_relaxed);
  do {
    writer->older = newest;
  } while (!newest_.compare_exchange_weak(newest, writer, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
  if (newest == nullptr) return true;

  MutexLock lock(&mu_);
  SleepUntilChanged(writer, Writer::State::kWaiting);
  if (writer->state == Writer::State::kInserts) {
    MemTable* const target = target_;
    mu_.Unlock();
    writer->status = writer->InsertInto(target, /*concurrently=*/true);
    mu_.Lock();
    if (--inserting_ == 0) inserted_.Signal();
    SleepUntilChanged(writer, Writer::State::kInserts);
  }
  return writer->state == Writer::State::kLeads;
}

void WriteQueue::GroupOf(Writer* leader, std::vector<Writer*>* group) {
  group->clear();
  group->push_back(leader);
  SchedulePoint();
  Writer* const newest = newest_.load(std::memory_order_acquire);
  if (leader->exclusive || newest == leader) return;
  LinkNewer(newest);
  size_t bytes = leader->entry_bytes;
  const size_t bytes_max =
      std::min(bytes <= kSmallLeaderBytes ? bytes + kSmallLeaderBytes : kGroupBytesMax,
               group_bytes_max_.load(std::memory_order_relaxed));
  for (Writer* w = leader; w != newest;) {
    w = w->newer;
    if (w->exclusive || w->disable_wal != leader->disable_wal) break;
    if (w->sync && !leader->sync) break;
    bytes += w->entry_bytes;
    if (bytes > bytes_max) break;
    group->push_back(w);
  }
}

Status WriteQueue::InsertInParallel(const std::vector<Writer*>& group, MemTable* memtable) {
  {
    MutexLock lock(&mu_);
    target_ = memtable;
    inserting_ = group.size() - 1;
    for (size_t i = 1; i < group.size(); ++i) Change(group[i], Writer::State::kInserts);
  }
  group[0]->status = group[0]->InsertInto(memtable, /*concurrently=*/true);
  MutexLock lock(&mu_);
  while (inserting_ != 0) inserted_.Wait(&mu_);
  for (const Writer* writer : group) {
    if (!writer->status.ok()) return writer->status;
  }
  return Status::OK();
}

void WriteQueue::Finish(const std::vector<Writer*>& group, const Status& status) {
  group[0]->status = status;
  Writer* const newest_of_group = group.back();
  Writer* follower = group.size() > 1 ? group[1] : nullptr;
  Writer* last = newest_of_group;
  Writer* next = nullptr;
  SchedulePoint();
  if (!newest_.compare_exchange_strong(last, nullptr, std::memory_order_acq_rel)) {
    LinkNewer(last);  // the newest now
    next = newest_of_group->newer;
    next->older = nullptr;
  }
  // With the list empty another may lead already, and gather its group where `group` was: from here
  // on the writers' own links say who belongs to this one.
  if (next == nullptr && follower == nullptr) return;
  MutexLock lock(&mu_);
  // Once the lock is released a follower may return, and its Writer is gone.
  while (follower != nullptr) {
    Writer* const answered = follower;
    follower = answered == newest_of_group ? nullptr : answered->newer;
    answered->status = VARVE_PLANTED("followers always acknowledged") ? Status::OK() : status;
    Change(answered, Writer::State::kDone);
  }
  if (next != nullptr) Change(next, Writer::State::kLeads);
}

}  // namespace varve
