#include "db/run_iterator.h"

#include <algorithm>
#include <utility>

namespace varve {

namespace {

// Invariant: iterator_ is over segment number at_ of the run, or null. Where this is invalid, it is
// past an end, or status_ or the iterator's says why.
class RunIterator final : public InternalIterator {
 public:
  RunIterator(const SortedRun* run, const RunPart& part, SegmentCache* cache,
              const SegmentReadOptions& options)
      : run_(run), part_(part), cache_(cache), options_(options), at_(part.last) {}

  bool Valid() const override { return iterator_ != nullptr && iterator_->Valid(); }

  void SeekToFirst() override {
    if (!OpenForward(part_.first)) return;
    iterator_->SeekToFirst();
    GoOnForward();
  }
  void SeekToLast() override {
    if (!OpenBackward(part_.last)) return;
    iterator_->SeekToLast();
    GoOnBackward();
  }
  void Seek(Slice target) override {
    if (!OpenForward(LowerBound(target))) return;
    iterator_->Seek(target);
    GoOnForward();
  }
  void StartSeek(Slice target) override {
    if (OpenForward(LowerBound(target))) iterator_->StartSeek(target);
  }
  bool ContinueSeek() override {
    if (iterator_ == nullptr) return true;
    if (!iterator_->ContinueSeek()) return false;
    GoOnForward();
    return true;
  }
  void SeekForPrev(Slice target) override {
    if (!OpenBackward(std::min(LowerBound(target) + 1, part_.last))) return;
    iterator_->SeekForPrev(target);
    GoOnBackward();
  }
  void Next() override {
    iterator_->Next();
    GoOnForward();
  }
  bool NextKey(Slice* key) override {
    if (iterator_->NextKey(key)) [[likely]]
      return true;
    GoOnForward();
    if (!Valid()) return false;
    *key = iterator_->key();
    return true;
  }
  void Prev() override {
    iterator_->Prev();
    GoOnBackward();
  }
  Slice key() const override { return iterator_->key(); }
  Slice value() const override { return iterator_->value(); }
  Status status() const override {
    return status_.ok() && iterator_ != nullptr ? iterator_->status() : status_;
  }

 private:
  enum class Opened : uint8_t { kYes, kFailed, kDenied };

  size_t LowerBound(Slice target) const {
    return std::clamp(run_->LowerBound(ExtractUserKey(target)), part_.first, part_.last);
  }

  // Makes iterator_ that of the first segment from number `i` on that is not stepped over: false if
  // there is none or it does not open.
  bool OpenForward(size_t i) {
    for (; i < part_.last; ++i) {
      if (const Opened opened = Open(i); opened != Opened::kDenied) return opened == Opened::kYes;
    }
    return End();
  }
  // The same of the last one before number `end`.
  bool OpenBackward(size_t end) {
    for (; end > part_.first; --end) {
      if (const Opened opened = Open(end - 1); opened != Opened::kDenied) {
        return opened == Opened::kYes;
      }
    }
    return End();
  }
  bool End() {
    status_ = Status::OK();
    iterator_.reset();
    return false;
  }
  Opened Open(size_t i) {
    status_ = Status::OK();
    if (iterator_ != nullptr && i == at_) return Opened::kYes;
    iterator_.reset();
    reader_.reset();
    status_ = cache_->Share(run_->segments()[i], &reader_);
    if (!status_.ok()) return Opened::kFailed;
    if (part_.prefix_hash.has_value() && !reader_->MayContainPrefix(*part_.prefix_hash)) {
      return Opened::kDenied;
    }
    at_ = i;
    iterator_ = reader_->NewIterator(options_);
    return Opened::kYes;
  }
  // From the end of one segment to the start of the next that holds an entry.
  void GoOnForward() {
    while (!iterator_->Valid() && iterator_->status().ok()) {
      if (!OpenForward(at_ + 1)) return;
      iterator_->SeekToFirst();
    }
  }
  void GoOnBackward() {
    while (!iterator_->Valid() && iterator_->status().ok()) {
      if (!OpenBackward(at_)) return;
      iterator_->SeekToLast();
    }
  }

  const SortedRun* const run_;
  const RunPart part_;
  SegmentCache* const cache_;
  const SegmentReadOptions options_;

  size_t at_;
  std::shared_ptr<SegmentReader> reader_;  // before iterator_, which it outlives
  std::unique_ptr<InternalIterator> iterator_;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewRunIterator(const SortedRun* run, const RunPart& part,
                                                 SegmentCache* cache,
                                                 const SegmentReadOptions& options) {
  return std::make_unique<RunIterator>(run, part, cache, options);
}

std::unique_ptr<InternalIterator> NewRunIterator(const SortedRun* run, SegmentCache* cache,
                                                 const SegmentReadOptions& options) {
  return NewRunIterator(run, RunPart{0, run->segments().size(), std::nullopt}, cache, options);
}

}  // namespace varve
