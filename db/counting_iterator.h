#ifndef VARVE_DB_COUNTING_ITERATOR_H_
#define VARVE_DB_COUNTING_ITERATOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "util/stopwatch.h"
#include "varve/env.h"
#include "varve/iterator.h"
#include "varve/statistics.h"

namespace varve {

// A user's iterator that counts its seeks and steps, and times the seeks. Only where there are
// statistics, so that others pay nothing. Steps are added up and told when the next seek or the
// end comes.
class CountingIterator : public Iterator {
 public:
  CountingIterator(std::unique_ptr<Iterator> base, std::shared_ptr<Statistics> statistics,
                   std::shared_ptr<Clock> clock)
      : base_(std::move(base)), statistics_(std::move(statistics)), clock_(std::move(clock)) {}
  ~CountingIterator() override { TellSteps(); }

  bool Valid() const override { return base_->Valid(); }
  void SeekToFirst() override {
    Timed([this] { base_->SeekToFirst(); });
  }
  void SeekToLast() override {
    Timed([this] { base_->SeekToLast(); });
  }
  void Seek(Slice target) override {
    Timed([&] { base_->Seek(target); });
  }
  void SeekForPrev(Slice target) override {
    Timed([&] { base_->SeekForPrev(target); });
  }
  void Next() override {
    ++steps_;
    base_->Next();
  }
  void Prev() override {
    ++steps_;
    base_->Prev();
  }
  Slice key() const override { return base_->key(); }
  Slice value() const override { return base_->value(); }
  std::optional<uint64_t> expires_at_ms() const override { return base_->expires_at_ms(); }
  Status status() const override { return base_->status(); }
  Status Refresh() override { return base_->Refresh(); }

 private:
  template <typename Seek>
  void Timed(Seek seek) {
    TellSteps();
    statistics_->Add(Counter::kSeeks, 1);
    Stopwatch watch(statistics_.get(), clock_.get(), Latency::kSeek);
    seek();
  }
  void TellSteps() {
    if (steps_ != 0) statistics_->Add(Counter::kIteratorSteps, std::exchange(steps_, 0));
  }

  const std::unique_ptr<Iterator> base_;
  const std::shared_ptr<Statistics> statistics_;
  const std::shared_ptr<Clock> clock_;
  uint64_t steps_ = 0;
};

}  // namespace varve

#endif  // VARVE_DB_COUNTING_ITERATOR_H_
