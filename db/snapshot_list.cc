#include "db/snapshot_list.h"

#include <utility>

namespace varve {

class SnapshotList::Pin : public Snapshot {
 public:
  Pin(std::shared_ptr<SnapshotList> list, SequenceNumber sequence)
      : list_(std::move(list)), sequence_(sequence) {}
  ~Pin() override { list_->Release(sequence_); }
  uint64_t sequence() const override { return sequence_; }

 private:
  const std::shared_ptr<SnapshotList> list_;
  const SequenceNumber sequence_;
};

std::unique_ptr<Snapshot> SnapshotList::Take(const std::atomic<SequenceNumber>& published) {
  MutexLock lock(&mu_);
  const SequenceNumber sequence = published.load(std::memory_order_acquire);
  pinned_.insert(sequence);
  return std::make_unique<Pin>(shared_from_this(), sequence);
}

void SnapshotList::Release(SequenceNumber sequence) {
  {
    MutexLock lock(&mu_);
    pinned_.erase(pinned_.find(sequence));
    if (!pinned_.empty() && *pinned_.begin() <= sequence) return;
  }
  MutexLock lock(&listener_mu_);
  if (listener_ != nullptr) listener_(sequence);
}

void SnapshotList::SetReleaseListener(ReleaseListener listener) {
  MutexLock lock(&listener_mu_);
  listener_ = std::move(listener);
}

std::vector<SequenceNumber> SnapshotList::Sequences() const {
  MutexLock lock(&mu_);
  std::vector<SequenceNumber> sequences;
  for (SequenceNumber s : pinned_) {
    if (sequences.empty() || sequences.back() != s) sequences.push_back(s);
  }
  return sequences;
}

size_t SnapshotList::count() const {
  MutexLock lock(&mu_);
  return pinned_.size();
}

SequenceNumber SnapshotList::OldestOr(SequenceNumber otherwise) const {
  MutexLock lock(&mu_);
  return pinned_.empty() ? otherwise : *pinned_.begin();
}

}  // namespace varve
