#include "db/write_queue.h"

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

bool WriteQueue::Join(Writer* writer) {
  MutexLock lock(&mu_);
  if (back_ == nullptr) {
    back_ = writer;
    writer->state = Writer::State::kLeads;
    return true;
  }
  back_->next = writer;
  back_ = writer;
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
  if (leader->exclusive) return;
  size_t bytes = leader->entry_bytes;
  const size_t bytes_max = bytes <= kSmallLeaderBytes ? bytes + kSmallLeaderBytes : kGroupBytesMax;
  MutexLock lock(&mu_);
  for (Writer* w = leader->next; w != nullptr; w = w->next) {
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
  MutexLock lock(&mu_);
  Writer* const next = group.back()->next;
  group[0]->status = status;
  // Once the lock is released a follower may return, and its Writer is gone.
  for (size_t i = 1; i < group.size(); ++i) {
    group[i]->status = status;
    Change(group[i], Writer::State::kDone);
  }
  if (next == nullptr) {
    back_ = nullptr;
  } else {
    Change(next, Writer::State::kLeads);
  }
}

}  // namespace varve
