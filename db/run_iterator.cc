#include "db/run_iterator.h"

#include <utility>

namespace varve {

namespace {

// Invariant: iterator_ is over segment number at_ of the run, or null. Where this is invalid, it is
// past an end, or status_ or the iterator's says why.
class RunIterator final : public InternalIterator {
 public:
  RunIterator(const SortedRun* run, SegmentCache* cache, const SegmentReadOptions& options)
      : run_(run), cache_(cache), options_(options), at_(run->segments().size()) {}

  bool Valid() const override { return iterator_ != nullptr && iterator_->Valid(); }

  void SeekToFirst() override {
    if (!Open(0)) return;
    iterator_->SeekToFirst();
    GoOnForward();
  }
  void SeekToLast() override {
    if (!Open(run_->segments().size() - 1)) return;
    iterator_->SeekToLast();
    GoOnBackward();
  }
  void Seek(Slice target) override {
    if (!Open(run_->LowerBound(ExtractUserKey(target)))) return;
    iterator_->Seek(target);
    GoOnForward();
  }
  void StartSeek(Slice target) override {
    if (Open(run_->LowerBound(ExtractUserKey(target)))) iterator_->StartSeek(target);
  }
  bool ContinueSeek() override {
    if (iterator_ == nullptr) return true;
    if (!iterator_->ContinueSeek()) return false;
    GoOnForward();
    return true;
  }
  void SeekForPrev(Slice target) override {
    size_t i = run_->LowerBound(ExtractUserKey(target));
    if (i == run_->segments().size()) --i;
    if (!Open(i)) return;
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
  // Makes iterator_ that of segment `i`: false if there is no such segment or it does not open.
  bool Open(size_t i) {
    status_ = Status::OK();
    if (i >= run_->segments().size()) {
      iterator_.reset();
      return false;
    }
    if (iterator_ != nullptr && i == at_) return true;
    iterator_.reset();
    reader_.reset();
    status_ = cache_->Share(run_->segments()[i], &reader_);
    if (!status_.ok()) return false;
    at_ = i;
    iterator_ = reader_->NewIterator(options_);
    return true;
  }
  // From the end of one segment to the start of the next that holds an entry.
  void GoOnForward() {
    while (!iterator_->Valid() && iterator_->status().ok()) {
      if (!Open(at_ + 1)) return;
      iterator_->SeekToFirst();
    }
  }
  void GoOnBackward() {
    while (!iterator_->Valid() && iterator_->status().ok()) {
      if (at_ == 0) {
        iterator_.reset();
        return;
      }
      if (!Open(at_ - 1)) return;
      iterator_->SeekToLast();
    }
  }

  const SortedRun* const run_;
  SegmentCache* const cache_;
  const SegmentReadOptions options_;

  size_t at_;
  std::shared_ptr<SegmentReader> reader_;  // before iterator_, which it outlives
  std::unique_ptr<InternalIterator> iterator_;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewRunIterator(const SortedRun* run, SegmentCache* cache,
                                                 const SegmentReadOptions& options) {
  return std::make_unique<RunIterator>(run, cache, options);
}

}  // namespace varve
