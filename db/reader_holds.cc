#include "db/reader_holds.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {

bool HasAny(const Version& version, std::span<const FileNumber> segments) {
  bool found = false;
  version.ForEachSegment([&](const std::shared_ptr<SegmentFile>& segment) {
    found |= std::find(segments.begin(), segments.end(), segment->number()) != segments.end();
  });
  return found;
}

}  // namespace

std::unique_ptr<ReaderHolds::Hold> ReaderHolds::Register(const std::shared_ptr<ReaderHolds>& holds,
                                                         bool revocable) {
  std::unique_ptr<Hold> hold(new Hold(holds, revocable));
  MutexLock lock(&holds->mu_);
  hold->taking_ = true;
  hold->place_ = holds->holds_.insert(holds->holds_.end(), hold.get());
  return hold;
}

ReaderHolds::Hold::~Hold() {
  std::shared_ptr<const Version> version;  // goes without the lock
  MutexLock lock(&holds_->mu_);
  version.swap(version_);
  holds_->holds_.erase(place_);
}

void ReaderHolds::Hold::Begin() {
  std::shared_ptr<const Version> version;
  MutexLock lock(&holds_->mu_);
  version.swap(version_);
  taking_ = true;
  revoked_.store(false, std::memory_order_release);
  holds_->holds_.splice(holds_->holds_.end(), holds_->holds_, place_);
}

void ReaderHolds::Hold::Took(std::shared_ptr<const Version> version) {
  MutexLock lock(&holds_->mu_);
  taking_ = false;
  version_ = std::move(version);
}

bool ReaderHolds::Holds(FileNumber segment) const {
  MutexLock lock(&mu_);
  return std::any_of(holds_.begin(), holds_.end(), [&](const Hold* hold) {
    if (hold->taking_) return true;
    return hold->version_ != nullptr && !hold->revoked() && HasAny(*hold->version_, {&segment, 1});
  });
}

bool ReaderHolds::RevokeOldest(std::span<const FileNumber> segments) {
  MutexLock lock(&mu_);
  for (Hold* const hold : holds_) {
    if (!hold->revocable_ || hold->revoked() || hold->version_ == nullptr) continue;
    if (!HasAny(*hold->version_, segments)) continue;
    hold->revoked_.store(true, std::memory_order_release);
    revocations_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

namespace {

class RevocableIterator final : public Iterator {
 public:
  RevocableIterator(std::unique_ptr<Iterator> base, std::shared_ptr<ReaderHolds::Hold> hold)
      : hold_(std::move(hold)), base_(std::move(base)) {}

  bool Valid() const override { return !stopped_ && base_->Valid(); }
  void SeekToFirst() override {
    Step([this] { base_->SeekToFirst(); });
  }
  void SeekToLast() override {
    Step([this] { base_->SeekToLast(); });
  }
  void Seek(Slice target) override {
    Step([&] { base_->Seek(target); });
  }
  void SeekForPrev(Slice target) override {
    Step([&] { base_->SeekForPrev(target); });
  }
  void Next() override {
    Step([this] { base_->Next(); });
  }
  void Prev() override {
    Step([this] { base_->Prev(); });
  }
  Slice key() const override { return base_->key(); }
  Slice value() const override { return base_->value(); }
  std::optional<uint64_t> expires_at_ms() const override { return base_->expires_at_ms(); }
  Status status() const override { return stopped_ ? Revoked() : base_->status(); }
  // A new view: it goes on.
  Status Refresh() override {
    stopped_ = false;
    Status status = base_->Refresh();
    stopped_ = hold_->revoked();
    return stopped_ ? Revoked() : status;
  }

 private:
  static Status Revoked() {
    return Status::Aborted("iterator: revoked, as the cache wanted the room of what it held");
  }
  template <typename Move>
  void Step(Move move) {
    if (!hold_->revoked()) move();
    // What was met meanwhile may come of it.
    stopped_ = hold_->revoked();
  }

  const std::shared_ptr<ReaderHolds::Hold> hold_;
  const std::unique_ptr<Iterator> base_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Iterator> NewRevocableIterator(std::unique_ptr<Iterator> base,
                                               std::shared_ptr<ReaderHolds::Hold> hold) {
  return std::make_unique<RevocableIterator>(std::move(base), std::move(hold));
}

}  // namespace varve
