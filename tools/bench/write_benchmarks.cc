// fillseq, fillrandom, fillsync, fillbatch, overwrite: each thread writes --num entries, in order
// or under uniformly random numbers below --num, --batch_size to a batch.

#include <algorithm>

#include "tools/bench/benchmark.h"
#include "tools/bench/key_codec.h"
#include "tools/bench/op_budget.h"
#include "tools/bench/random_data.h"
#include "varve/write_batch.h"

namespace varve::bench {
namespace {

enum class Order { kSequential, kRandom };

template <Order order>
Status WriteEntries(BenchRun* run, BenchThread* thread) {
  const BenchOptions& options = run->options;
  const auto num = static_cast<uint64_t>(options.num);
  const auto value_bytes = static_cast<size_t>(options.value_bytes);
  ThreadStats& stats = thread->stats;
  RandomData values(thread->random.Next(), options.compression_ratio, value_bytes);
  KeyCodec keys(options.key_bytes);
  WriteBatch batch;
  const int64_t batch_size = options.batch_size;
  stats.latency_of = batch_size == 1 ? "write" : "batch";

  stats.Start(run->clock);
  CallTimer timer(stats.latencies.get(), run->clock);
  OpBudget budget(options.num, order == Order::kRandom ? options.duration_seconds : 0, run->clock,
                  run->ProgressOf(thread));
  uint64_t next = 0;
  const auto next_key = [&] {
    return keys.Encode(order == Order::kSequential ? next++ : thread->random.Uniform(num));
  };
  uint64_t entries = 0;
  Status status;
  if (batch_size == 1) {
    while (budget.Take(1)) {
      const Slice key = next_key();
      const Slice value = values.Next(value_bytes);
      timer.Start();
      status = run->db->Put(run->write_options, key, value);
      timer.Stop();
      if (!status.ok()) [[unlikely]]
        break;
      ++entries;
    }
  } else {
    while (status.ok() && budget.Take(batch_size)) {
      batch.Clear();
      for (int64_t i = 0; status.ok() && i < batch_size; ++i) {
        status = batch.Put(next_key(), values.Next(value_bytes));
      }
      if (!status.ok()) break;
      timer.Start();
      status = run->db->Write(run->write_options, batch);
      timer.Stop();
      if (status.ok()) entries += static_cast<uint64_t>(batch_size);
    }
  }
  stats.Finish(run->clock);
  stats.operations = entries;
  stats.bytes = entries * (static_cast<uint64_t>(options.key_bytes) + value_bytes);
  return status.WithContext("write");
}

}  // namespace

Status WriteSequential(BenchRun* run, BenchThread* thread) {
  return WriteEntries<Order::kSequential>(run, thread);
}

Status WriteRandom(BenchRun* run, BenchThread* thread) {
  return WriteEntries<Order::kRandom>(run, thread);
}

}  // namespace varve::bench
