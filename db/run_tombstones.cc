#include "db/run_tombstones.h"

#include <algorithm>
#include <optional>

namespace varve {

namespace {

// A segment's bounds cover its tombstones, so between the bounds of two that have any there is
// nothing, and that need not be looked up. (An inclusive largest key is itself not covered: the
// tombstone's end would be the bound.)
class RunTombstones final : public TombstoneSource {
 public:
  RunTombstones(const InternalKeyComparator& comparator, const SortedRun* run, SegmentCache* cache)
      : comparator_(comparator), segments_(run->with_range_deletes()), cache_(cache) {}

  Status Find(Slice user_key, SequenceNumber at, TombstoneStretch* stretch) override {
    if (!IsFirstNotBefore(at_, user_key)) {
      const auto first = std::partition_point(
          segments_.begin(), segments_.end(),
          [&](const auto& segment) { return segment->IsBefore(comparator_, user_key); });
      at_ = static_cast<size_t>(first - segments_.begin());
    }
    *stretch = {};
    if (at_ < segments_.size()) {
      if (segments_[at_]->IsAfter(comparator_, user_key)) {
        stretch->to = segments_[at_]->smallest_user_key();
      } else {
        Status status = Open();
        if (!status.ok()) return status;
        if (list_.has_value()) {
          status = list_->Find(user_key, at, stretch);
          if (!status.ok()) return status;
        }
        if (!stretch->to.has_value() && at_ + 1 < segments_.size()) {
          stretch->to = segments_[at_ + 1]->smallest_user_key();
        }
      }
    }
    if (!stretch->from.has_value() && at_ > 0) {
      stretch->from = segments_[at_ - 1]->largest_user_key();
    }
    return Status::OK();
  }

 private:
  bool IsFirstNotBefore(size_t i, Slice user_key) const {
    return (i == segments_.size() || !segments_[i]->IsBefore(comparator_, user_key)) &&
           (i == 0 || segments_[i - 1]->IsBefore(comparator_, user_key));
  }
  // Makes list_ that of segment number at_.
  Status Open() {
    if (reader_ != nullptr && open_ == at_) return Status::OK();
    list_.reset();
    Status status = cache_->Share(segments_[at_], &reader_);
    if (!status.ok()) {
      reader_.reset();
      return status;
    }
    open_ = at_;
    if (reader_->range_tombstones() != nullptr) {
      // Owned by the reader.
      list_.emplace(comparator_, std::shared_ptr<const FragmentedRangeTombstones>(
                                     reader_, reader_->range_tombstones()));
    }
    return Status::OK();
  }

  const InternalKeyComparator comparator_;
  const SegmentList& segments_;
  SegmentCache* const cache_;
  size_t at_ = 0;    // the first segment not before the last key asked for
  size_t open_ = 0;  // the segment of reader_ and list_
  std::shared_ptr<SegmentReader> reader_;
  std::optional<TombstoneList> list_;
};

}  // namespace

std::unique_ptr<TombstoneSource> NewRunTombstones(const InternalKeyComparator& comparator,
                                                  const SortedRun* run, SegmentCache* cache) {
  return std::make_unique<RunTombstones>(comparator, run, cache);
}

}  // namespace varve
