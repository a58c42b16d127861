// readseq, readreverse: each thread scans up to --reads entries from one end of the keys.
// seekrandom: a new iterator for each seek, to a uniformly random number below --num, and up to
// --seek_nexts entries from there, whose values are copied. One seek with its steps is one
// operation. With --prefix_size the iterator is bounded by the keys that share the prefix.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "tools/bench/benchmark.h"
#include "tools/bench/key_codec.h"
#include "tools/bench/op_budget.h"

namespace varve::bench {
namespace {

enum class Direction { kForward, kBackward };

template <Direction direction>
Status Scan(BenchRun* run, BenchThread* thread) {
  ThreadStats& stats = thread->stats;
  stats.latency_of = "step";
  const int64_t entries_max = run->options.ReadsOrNum();

  stats.Start(run->clock);
  CallTimer timer(stats.latencies.get(), run->clock);
  std::unique_ptr<Iterator> iterator = run->db->NewIterator(run->read_options);
  int64_t entries = 0;
  uint64_t bytes = 0;
  timer.Start();
  if constexpr (direction == Direction::kForward) {
    iterator->SeekToFirst();
  } else {
    iterator->SeekToLast();
  }
  while (entries < entries_max && iterator->Valid()) {
    bytes += iterator->key().size() + iterator->value().size();
    ++entries;
    timer.Stop();
    timer.Start();
    if constexpr (direction == Direction::kForward) {
      iterator->Next();
    } else {
      iterator->Prev();
    }
  }
  const Status status = iterator->status();
  iterator.reset();
  stats.Finish(run->clock);
  stats.operations = static_cast<uint64_t>(entries);
  stats.bytes = bytes;
  return status.WithContext("scan");
}

// The bounds of the keys that begin as one does.
class PrefixBounds {
 public:
  explicit PrefixBounds(int bytes) : bytes_(static_cast<size_t>(bytes)) {}

  // Valid until the next call.
  void Set(Slice key, ReadOptions* options) {
    if (bytes_ == 0) return;
    lower_.assign(key.substr(0, bytes_));
    upper_ = lower_;
    while (!upper_.empty() && upper_.back() == '\xff') upper_.pop_back();
    options->lower_bound = lower_;
    options->upper_bound.reset();
    if (upper_.empty()) return;
    ++upper_.back();
    options->upper_bound = upper_;
  }

 private:
  const size_t bytes_;
  std::string lower_, upper_;
};

}  // namespace

Status ReadSequential(BenchRun* run, BenchThread* thread) {
  return Scan<Direction::kForward>(run, thread);
}

Status ReadReverse(BenchRun* run, BenchThread* thread) {
  return Scan<Direction::kBackward>(run, thread);
}

Status SeekRandom(BenchRun* run, BenchThread* thread) {
  const BenchOptions& options = run->options;
  const auto num = static_cast<uint64_t>(options.num);
  ThreadStats& stats = thread->stats;
  stats.latency_of = "seek";
  KeyCodec keys(options.key_bytes);
  PrefixBounds bounds(options.prefix_bytes);
  ReadOptions read_options = run->read_options;
  char copied[256];

  stats.Start(run->clock);
  CallTimer timer(stats.latencies.get(), run->clock);
  OpBudget budget(options.ReadsOrNum(), options.duration_seconds, run->clock,
                  run->ProgressOf(thread));
  uint64_t seeks = 0, found = 0, bytes = 0;
  Status status;
  while (status.ok() && budget.Take(1)) {
    const Slice key = keys.Encode(thread->random.Uniform(num));
    timer.Start();
    bounds.Set(key, &read_options);
    std::unique_ptr<Iterator> iterator = run->db->NewIterator(read_options);
    iterator->Seek(key);
    if (iterator->Valid() && iterator->key() == key) ++found;
    for (int i = 0; i < options.seek_nexts && iterator->Valid(); ++i) {
      const Slice value = iterator->value();
      std::memcpy(copied, value.data(), std::min(value.size(), sizeof(copied)));
      asm volatile("" : : "r"(copied) : "memory");  // the copy is part of the work
      bytes += iterator->key().size() + value.size();
      if (options.reverse_iterator) {
        iterator->Prev();
      } else {
        iterator->Next();
      }
    }
    status = iterator->status();
    iterator.reset();
    timer.Stop();
    ++seeks;
  }
  stats.Finish(run->clock);
  stats.operations = stats.sought = seeks;
  stats.found = found;
  stats.counts_found = true;
  stats.bytes = bytes;
  return status.WithContext("seek");
}

}  // namespace varve::bench
