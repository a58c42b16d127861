// readrandom, readmissing, multireadrandom, readwhilewriting: each thread reads --reads keys of
// uniformly random numbers below --num.

#include <vector>

#include "tools/bench/benchmark.h"
#include "tools/bench/key_codec.h"
#include "tools/bench/op_budget.h"
#include "tools/bench/random_data.h"
#include "util/thread.h"

namespace varve::bench {
namespace {

// Overwrites random keys until the threads in the foreground are done, no faster than
// --benchmark_write_rate_limit: it sleeps when it is a millisecond ahead.
Status WriteInBackground(BenchRun* run, BenchThread* thread) {
  const BenchOptions& options = run->options;
  const auto value_bytes = static_cast<size_t>(options.value_bytes);
  RandomData values(thread->random.Next(), options.compression_ratio, value_bytes);
  KeyCodec keys(options.key_bytes);
  thread->stats.background = true;
  const uint64_t entry_bytes = static_cast<uint64_t>(options.key_bytes) + value_bytes;
  const double nanos_per_entry = options.write_bytes_per_second == 0
                                     ? 0
                                     : 1e9 * static_cast<double>(entry_bytes) /
                                           static_cast<double>(options.write_bytes_per_second);
  constexpr uint64_t kAheadNanos = 1'000'000;
  const uint64_t started = run->clock->MonotonicNanos();
  uint64_t entries = 0;
  while (run->foreground_threads.load(std::memory_order_relaxed) > 0) {
    const uint64_t number = thread->random.Uniform(static_cast<uint64_t>(options.num));
    Status status = run->db->Put(run->write_options, keys.Encode(number), values.Next(value_bytes));
    if (!status.ok()) return status.WithContext("write in the background");
    ++entries;
    if (nanos_per_entry == 0) continue;
    const auto due = static_cast<uint64_t>(static_cast<double>(entries) * nanos_per_entry);
    const uint64_t passed = run->clock->MonotonicNanos() - started;
    if (due > passed + kAheadNanos) SleepFor(due - passed);
  }
  return Status::OK();
}

}  // namespace

Status ReadRandom(BenchRun* run, BenchThread* thread) {
  const BenchOptions& options = run->options;
  const auto num = static_cast<uint64_t>(options.num);
  ThreadStats& stats = thread->stats;
  KeyCodec keys(options.key_bytes);
  PinnedValue value;
  stats.latency_of = "read";

  stats.Start(run->clock);
  CallTimer timer(stats.latencies.get(), run->clock);
  OpBudget budget(options.ReadsOrNum(), options.duration_seconds, run->clock,
                  run->ProgressOf(thread));
  uint64_t reads = 0, found = 0, value_bytes = 0;
  Status status;
  while (budget.Take(1)) {
    const Slice key = keys.Encode(thread->random.Uniform(num));
    timer.Start();
    status = run->db->Get(run->read_options, key, &value);
    timer.Stop();
    if (status.ok()) {
      ++found;
      value_bytes += value.size();
    } else if (!status.IsNotFound()) [[unlikely]] {
      break;
    }
    ++reads;
  }
  value.Reset();
  stats.Finish(run->clock);
  stats.operations = stats.sought = reads;
  stats.found = found;
  stats.counts_found = true;
  stats.bytes = found * static_cast<uint64_t>(options.key_bytes) + value_bytes;
  return status.IsNotFound() ? Status::OK() : status.WithContext("read");
}

Status MultiReadRandom(BenchRun* run, BenchThread* thread) {
  const BenchOptions& options = run->options;
  const auto num = static_cast<uint64_t>(options.num);
  const auto batch_size = static_cast<size_t>(options.batch_size);
  ThreadStats& stats = thread->stats;
  std::vector<KeyCodec> codecs(batch_size, KeyCodec(options.key_bytes));
  std::vector<Slice> keys(batch_size);
  std::vector<PinnedValue> values(batch_size);
  std::vector<Status> statuses(batch_size);
  stats.latency_of = "call";

  stats.Start(run->clock);
  CallTimer timer(stats.latencies.get(), run->clock);
  OpBudget budget(options.ReadsOrNum(), options.duration_seconds, run->clock,
                  run->ProgressOf(thread));
  uint64_t reads = 0, found = 0, value_bytes = 0;
  while (budget.Take(options.batch_size)) {
    for (size_t i = 0; i < batch_size; ++i) {
      keys[i] = codecs[i].Encode(thread->random.Uniform(num));
    }
    timer.Start();
    run->db->MultiGet(run->read_options, keys, values, statuses);
    timer.Stop();
    for (size_t i = 0; i < batch_size; ++i) {
      if (statuses[i].ok()) {
        ++found;
        value_bytes += values[i].size();
      } else if (!statuses[i].IsNotFound()) {
        return statuses[i].WithContext("read");
      }
      values[i].Reset();
    }
    reads += batch_size;
  }
  stats.Finish(run->clock);
  stats.operations = stats.sought = reads;
  stats.found = found;
  stats.counts_found = true;
  stats.bytes = found * static_cast<uint64_t>(options.key_bytes) + value_bytes;
  return Status::OK();
}

Status ReadWhileWriting(BenchRun* run, BenchThread* thread) {
  return thread->index == 0 ? WriteInBackground(run, thread) : ReadRandom(run, thread);
}

}  // namespace varve::bench
