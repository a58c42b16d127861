#include "db/snapshot_list.h"

#include <utility>

namespace varve {

class SnapshotList::Pin : public Snapshot {
 public:
  Pin(std::shared_ptr<SnapshotList> list, SequenceNumber sequence)
      : list_(std::move(list)), sequence_(sequence) {}
  ~Pin() override {
    MutexLock lock(&list_->mu_);
    list_->pinned_.erase(list_->pinned_.find(sequence_));
  }
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
