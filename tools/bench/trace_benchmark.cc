#include "tools/bench/trace_benchmark.h"

#include "tools/bench/disk_sampler.h"
#include "tools/bench/progress_bar.h"
#include "tools/bench/trace_reader.h"
#include "tools/bench/trace_replayer.h"
#include "tools/bench/workload_generator.h"
#include "util/process_memory.h"

namespace varve::bench {
namespace {

constexpr char kManifestBytes[] = "varve.manifest-bytes-written";

// The engine's counts of what it wrote, so that what came before a replay can be taken away.
struct WrittenBytes {
  uint64_t wal = 0, flush = 0, compaction = 0, ghost = 0, manifest = 0;

  Status Read(const Statistics& statistics, DB* db) {
    wal = statistics.Get(Counter::kWalBytes);
    flush = statistics.Get(Counter::kFlushBytes);
    compaction =
        statistics.Get(Counter::kCompactionBytesWritten) + statistics.Get(Counter::kSalvagedBytes);
    ghost = statistics.Get(Counter::kGhostBytesWritten);
    if (db->GetIntProperty(kManifestBytes, &manifest)) return Status::OK();
    return Status::NotSupported(std::string("property ") + kManifestBytes);
  }
};

TraceReplayOptions ReplayOptions(const BenchOptions& options) {
  TraceReplayOptions replay;
  if (options.reads >= 0) replay.requests_max = static_cast<uint64_t>(options.reads);
  if (options.duration_seconds > 0) {
    replay.nanos_max = static_cast<uint64_t>(options.duration_seconds) * 1000000000;
  }
  replay.default_value_bytes = static_cast<uint64_t>(options.value_bytes);
  replay.compression_ratio = options.compression_ratio;
  replay.evicts = options.engine.cache();
  replay.warm = options.use_existing_db;
  replay.statistics = options.engine.statistics.get();
  replay.read_options.verify_checksums = options.verify_checksums;
  replay.write_options.sync = options.sync;
  replay.write_options.disable_wal = options.disable_wal;
  return replay;
}

}  // namespace

Status OpenRequestSource(const BenchOptions& options, std::unique_ptr<RequestSource>* source) {
  if (!options.trace.empty()) return TraceReader::Open(options.trace, source);
  const int64_t requests = options.ReadsOrNum();
  *source = std::make_unique<WorkloadGenerator>(static_cast<uint64_t>(requests), options.seed);
  return Status::OK();
}

Status RunTrace(const BenchOptions& options, RequestSource* source, DB* db, const std::string& path,
                std::FILE* progress_stream, TraceResult* result) {
  const Env& env = options.engine.env;
  const Statistics& statistics = *options.engine.statistics;
  TraceReplayOptions replay_options = ReplayOptions(options);
  // Two bits are left free, so that counting on from it cannot come to 0.
  replay_options.stamp_base = (env.machine->RandomSeed() >> 2) + 1;
  TraceReplayer replayer(replay_options, db, env.clock.get());
  ProgressBar progress(progress_stream);
  DiskSampler disk(env.file_system, path);
  WrittenBytes before, after;

  Status status = before.Read(statistics, db);
  if (status.ok()) status = disk.Start();
  if (status.ok()) status = replayer.Run(source, &progress);
  const uint64_t flush_started = env.clock->MonotonicNanos();
  if (status.ok()) status = db->Flush().WithContext("flush");
  result->flush_seconds = static_cast<double>(env.clock->MonotonicNanos() - flush_started) * 1e-9;
  Status sampled = disk.Stop();
  if (status.ok()) status = sampled;
  if (status.ok() && replayer.counts().requests() == 0) {
    status = Status::InvalidArgument(source->Name() + ": holds no request");
  }

  if (status.ok()) status = after.Read(statistics, db);
  result->source = source->Name();
  result->counts = replayer.counts();
  result->gets = replayer.get_nanos().Summary();
  result->puts = replayer.put_nanos().Summary();
  result->wal_bytes = after.wal - before.wal;
  result->flush_bytes = after.flush - before.flush;
  result->compaction_bytes = after.compaction - before.compaction;
  result->ghost_bytes = after.ghost - before.ghost;
  result->manifest_bytes = after.manifest - before.manifest;
  result->disk_bytes_max = disk.bytes_max();
  result->disk_bytes_end = disk.bytes_last();
  result->data_bytes_max = disk.data_bytes_max();
  result->capacity_bytes = options.engine.capacity_bytes;
  result->memory_peak_bytes = ReadProcessMemory().peak_bytes;
  db->GetIntProperty("varve.memory-budget", &result->memory_budget_bytes);
  return status;
}

}  // namespace varve::bench
