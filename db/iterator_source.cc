// Where the iterators of a database get their view from.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/counting_iterator.h"
#include "db/covering_tombstones.h"
#include "db/db_iter.h"
#include "db/merging_iterator.h"
#include "db/prefix_bounds.h"
#include "db/read_path.h"
#include "db/run_iterator.h"
#include "db/run_tombstones.h"
#include "db/segment_read_options.h"
#include "table/filter.h"

namespace varve {

// Gives an iterator its view, and holds what the view is made of. The cursor's children and the
// range tombstones are those of the sources, newest first; sources out of the iterator's bounds are
// left out. So are segments whose filter denies the prefix that all keys within the bounds have
// (db/prefix_bounds.h): but only as children. Their range tombstones hide older keys elsewhere.
// Ghosts are no children, and none is left out.
class ReadPath::IteratorSource : public DbIterSource {
 public:
  // `hold`: null, or of an iterator that may be revoked.
  IteratorSource(std::shared_ptr<ReadPath> reads, const ReadOptions& options, bool counted,
                 std::shared_ptr<ReaderHolds::Hold> hold = nullptr)
      : reads_(std::move(reads)), options_(options), counted_(counted), hold_(std::move(hold)) {
    reads_->live_iterators_.fetch_add(counted_, std::memory_order_relaxed);
    const std::optional<Slice> prefix =
        PrefixOfBounds(reads_->prefix_extractor_.get(), reads_->comparator_, options);
    if (prefix.has_value()) prefix_hash_ = PrefixHash(*prefix);
  }
  ~IteratorSource() override {
    readers_.clear();
    view_.reset();
    // Release: whoever sees the count at zero finds the pins gone.
    reads_->live_iterators_.fetch_sub(counted_, std::memory_order_release);
  }

  Status Renew(DbIterView* view) override {
    readers_.clear();
    if (hold_ != nullptr) hold_->Begin();
    view_ = reads_->views_.Share();  // before the sequence: see the head of ReadPath
    if (hold_ != nullptr) hold_->Took(view_->version);
    Status status = reads_->SequenceFor(options_, *view_->version, &view->sequence);
    if (!status.ok()) return status;
    view->now_ms = reads_->time_.in_use() ? reads_->time_.NowMillis() : 0;
    if (!view_->version->ghosts().empty()) [[unlikely]] {
      view->ghosts = std::make_unique<GhostCover>(reads_->comparator_, view_->version);
    }
    std::vector<std::unique_ptr<InternalIterator>> children;
    AddMemtable(*view_->memtable, view, &children);
    for (const auto& memtable : view_->immutables) AddMemtable(*memtable, view, &children);
    const Version::Runs& runs = view_->version->runs();
    for (size_t i = 0; i < runs.size();) {
      const size_t first = i;
      do {
        status = AddRun(*runs[i], view, &children);
        if (!status.ok()) return status;
        ++i;
      } while (i < runs.size() && runs[i]->IsOneSourceWith(*runs[first]));
      for (size_t run = first; run < i; ++run) {
        if (runs[run]->with_range_deletes().empty()) continue;
        AddTombstones(NewRunTombstones(reads_->comparator_, runs[run].get(), &reads_->segments_),
                      children.size(), view);
      }
    }
    if (view->ghosts != nullptr && !view->ghosts->any()) view->ghosts.reset();
    view->entries = NewMergingIterator(reads_->comparator_, std::move(children), &view->merging);
    return Status::OK();
  }

  void OnHiddenRun(Slice smallest, Slice largest, uint64_t entries) override {
    reads_->TellHiddenRun(smallest, largest, entries);
  }

 private:
  void AddMemtable(const MemTable& memtable, DbIterView* view,
                   std::vector<std::unique_ptr<InternalIterator>>* children) {
    children->push_back(memtable.NewIterator());
    if (view->ghosts != nullptr) view->ghosts->AddMemtable();
    auto tombstones = memtable.range_tombstones();  // after the sequence
    if (tombstones == nullptr) return;
    AddTombstones(std::make_unique<TombstoneList>(reads_->comparator_, std::move(tombstones)),
                  children->size(), view);
  }

  Status AddRun(const SortedRun& run, DbIterView* view,
                std::vector<std::unique_ptr<InternalIterator>>* children) {
    const size_t before = children->size();
    Status status = AddRun(run, children);
    if (view->ghosts != nullptr && children->size() != before) {
      view->ghosts->Add(AgePlace::Of(run));
    }
    return status;
  }

  Status AddRun(const SortedRun& run, std::vector<std::unique_ptr<InternalIterator>>* children) {
    const RunPart part = WithinBounds(run);
    if (part.first >= part.last) return Status::OK();
    const SegmentReadOptions segment_options = SegmentOptions(options_);
    if (part.last - part.first > 1) {
      children->push_back(NewRunIterator(&run, part, &reads_->segments_, segment_options));
      return Status::OK();
    }
    std::shared_ptr<SegmentReader> reader;
    Status status = reads_->segments_.Share(run.segments()[part.first], &reader);
    if (!status.ok()) return status;
    if (prefix_hash_.has_value() && !reader->MayContainPrefix(*prefix_hash_)) return Status::OK();
    children->push_back(reader->NewIterator(segment_options));
    readers_.push_back(std::move(reader));
    return Status::OK();
  }

  void AddTombstones(std::unique_ptr<TombstoneSource> source, size_t first_older,
                     DbIterView* view) {
    if (view->tombstones == nullptr) {
      view->tombstones = std::make_unique<CoveringTombstones>(reads_->comparator_, view->sequence);
    }
    view->tombstones->Add(std::move(source), first_older);
  }

  RunPart WithinBounds(const SortedRun& run) const {
    return {options_.lower_bound.has_value() ? run.LowerBound(lower_bound_) : 0,
            options_.upper_bound.has_value() ? run.UpperBound(upper_bound_) : run.segments().size(),
            prefix_hash_};
  }

  const std::shared_ptr<ReadPath> reads_;
  const ReadOptions options_;
  const bool counted_;  // among live_iterators_
  const std::shared_ptr<ReaderHolds::Hold> hold_;
  // Copies: the caller's bounds are borrowed only while the iterator is made.
  const std::string lower_bound_{options_.lower_bound.value_or(Slice())};
  const std::string upper_bound_{options_.upper_bound.value_or(Slice())};
  std::optional<uint64_t> prefix_hash_;  // of the prefix of all keys within the bounds
  std::shared_ptr<const ReadView> view_;
  std::vector<std::shared_ptr<SegmentReader>> readers_;
};

std::unique_ptr<Iterator> ReadPath::NewIterator(const ReadOptions& options) {
  std::shared_ptr<ReaderHolds::Hold> hold;
  if (holds_ != nullptr) hold = ReaderHolds::Register(holds_, /*revocable=*/true);
  auto iterator = NewDbIterator(comparator_, merge_operator_.get(), options,
                                std::make_unique<IteratorSource>(shared_from_this(), options,
                                                                 /*counted=*/true, hold));
  if (hold != nullptr) iterator = NewRevocableIterator(std::move(iterator), std::move(hold));
  if (statistics_ == nullptr) return iterator;
  return std::make_unique<CountingIterator>(std::move(iterator), statistics_, clock_);
}

std::unique_ptr<Iterator> ReadPath::NewOwnIterator() {
  return NewDbIterator(
      comparator_, merge_operator_.get(), {},
      std::make_unique<IteratorSource>(shared_from_this(), ReadOptions(), /*counted=*/false));
}

}  // namespace varve
