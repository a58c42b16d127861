#ifndef VARVE_DB_MANIFEST_FREE_PAGES_H_
#define VARVE_DB_MANIFEST_FREE_PAGES_H_

#include <cstdint>
#include <iterator>
#include <map>

namespace varve::manifest {

// Which pages below end() are free, as ranges, so that it stays small whatever the size of the
// file. Everything costs the logarithm of the number of ranges.
class FreePages {
 public:
  explicit FreePages(uint32_t end) : end_(end) {}

  uint64_t count() const { return count_; }
  // Pages from here on are not in use either, and count as no part of the file.
  uint32_t end() const { return end_; }

  // The lowest free page, so that it is the end of the file that becomes free; else end(), which
  // then moves on.
  uint32_t Allocate() {
    if (ranges_.empty()) return end_++;
    const auto first = ranges_.begin();
    const uint32_t page = first->first, end = first->second;
    ranges_.erase(first);
    if (page + 1 < end) ranges_.emplace_hint(ranges_.begin(), page + 1, end);
    --count_;
    return page;
  }

  // [begin, end), below end(); none of it may be free.
  void Free(uint32_t begin, uint32_t end) {
    if (begin >= end) return;
    count_ += end - begin;
    auto next = ranges_.lower_bound(begin);
    if (next != ranges_.end() && next->first == end) {
      end = next->second;
      next = ranges_.erase(next);
    }
    if (next != ranges_.begin()) {
      auto previous = std::prev(next);
      if (previous->second == begin) {
        previous->second = end;
        return;
      }
    }
    ranges_.emplace_hint(next, begin, end);
  }
  void Free(uint32_t page) { Free(page, page + 1); }

  // So many pages after end() have been written, and are free now.
  void Append(uint32_t pages) {
    end_ += pages;
    Free(end_ - pages, end_);
  }

  // How many pages before end() are free.
  uint32_t Tail() const {
    if (ranges_.empty() || ranges_.rbegin()->second != end_) return 0;
    return end_ - ranges_.rbegin()->first;
  }
  // Moves end() back by `pages`, at most Tail().
  void CutTail(uint32_t pages) {
    if (pages == 0) return;
    const auto last = std::prev(ranges_.end());
    end_ -= pages;
    count_ -= pages;
    if (last->first == end_) {
      ranges_.erase(last);
    } else {
      last->second = end_;
    }
  }

 private:
  std::map<uint32_t, uint32_t> ranges_;  // begin to end; neither overlap nor touch
  uint64_t count_ = 0;
  uint32_t end_;
};

}  // namespace varve::manifest

#endif  // VARVE_DB_MANIFEST_FREE_PAGES_H_
