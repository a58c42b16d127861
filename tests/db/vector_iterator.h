#ifndef VARVE_TESTS_DB_VECTOR_ITERATOR_H_
#define VARVE_TESTS_DB_VECTOR_ITERATOR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "util/internal_iterator.h"
#include "util/internal_key.h"

namespace varve {

// Entries in a sorted vector, and damage: an entry that cannot be read. Who comes to it, in either
// direction, gets the error.
class VectorIterator final : public InternalIterator {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;  // internal key, value
  static constexpr size_t kNone = SIZE_MAX;

  // `entries` must outlive the iterator.
  VectorIterator(const InternalKeyComparator& comparator, const Entries* entries,
                 size_t damaged = kNone, Status error = Status::Corruption("damaged entry"),
                 uint64_t* moves = nullptr)
      : comparator_(comparator),
        entries_(entries),
        damaged_(damaged),
        error_(std::move(error)),
        moves_(moves) {}

  bool Valid() const override { return at_ < entries_->size() && at_ != damaged_; }
  void SeekToFirst() override { MoveTo(0); }
  void SeekToLast() override { MoveTo(entries_->size() - 1); }
  void Seek(Slice target) override { MoveTo(CountBelow(target, false)); }
  void SeekForPrev(Slice target) override { MoveTo(CountBelow(target, true) - 1); }
  void Next() override { MoveTo(at_ + 1); }
  void Prev() override { MoveTo(at_ - 1); }
  Slice key() const override { return Slice(key_.data(), key_.size()); }
  Slice value() const override { return (*entries_)[at_].second; }
  Status status() const override {
    return damaged_ != kNone && at_ == damaged_ ? error_ : Status::OK();
  }

 private:
  size_t CountBelow(Slice target, bool or_equal) const {
    return std::partition_point(entries_->begin(), entries_->end(),
                                [&](const auto& entry) {
                                  const int order = comparator_.Compare(entry.first, target);
                                  return order < 0 || (or_equal && order == 0);
                                }) -
           entries_->begin();
  }
  // A key's bytes live until the next move: in a buffer of its own, so that asan sees who keeps
  // one.
  void MoveTo(size_t at) {
    if (moves_ != nullptr) ++*moves_;
    at_ = at;
    key_ = std::vector<char>();
    if (Valid()) key_.assign((*entries_)[at_].first.begin(), (*entries_)[at_].first.end());
  }

  const InternalKeyComparator comparator_;
  const Entries* const entries_;
  const size_t damaged_;
  const Status error_;
  uint64_t* const moves_;  // counts seeks and steps
  size_t at_ = kNone;
  std::vector<char> key_;
};

}  // namespace varve

#endif  // VARVE_TESTS_DB_VECTOR_ITERATOR_H_
