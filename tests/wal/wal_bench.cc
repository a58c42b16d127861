#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "util/crc32c.h"
#include "varve/env.h"
#include "wal/replay.h"
#include "wal/wal.h"

// What a record costs, without its sync: Append(mapped, payload bytes, parts). The making of logs
// is not counted. And what reading it back costs.
//
//   wal_bench --benchmark_filter=Append

namespace varve {
namespace {

void Check(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

class Fixture {
 public:
  explicit Fixture(bool mapped)
      : directory_(std::filesystem::temp_directory_path() /
                   ("wal_bench." + std::to_string(getpid()))) {
    std::filesystem::create_directory(directory_);
    options_.env = Env::Default();
    options_.directory = directory_;
    options_.log_bytes = uint64_t{64} << 20;
    options_.mapped = mapped;
    options_.recycled_files_max = 1;
    Check(Wal::Create(options_, &wal_));
    Switch();
    Switch();
    Check(wal_->Retire(number_));
  }

  ~Fixture() {
    wal_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Switch() {
    std::unique_ptr<PreparedLog> log;
    Check(wal_->Prepare(++number_, 0, &log));
    Check(wal_->Use(std::move(log)));
  }
  void Recycle() {
    Check(wal_->Sync(wal_->end()));
    Switch();
    Check(wal_->Retire(number_));
  }

  Wal* wal() { return wal_.get(); }
  std::string directory() const { return directory_; }

 private:
  const std::filesystem::path directory_;
  WalOptions options_;
  std::unique_ptr<Wal> wal_;
  FileNumber number_ = 0;
};

void BM_Append(benchmark::State& state) {
  Fixture fixture(state.range(0) != 0);
  const size_t bytes = state.range(1), count = state.range(2);
  const std::string payload(bytes, 'x');
  std::vector<Slice> parts(count, Slice(payload).substr(0, bytes / count));
  parts.back() = Slice(payload).substr(0, bytes - (count - 1) * (bytes / count));
  for (auto _ : state) {
    if (!fixture.wal()->Fits(bytes)) {
      state.PauseTiming();
      fixture.Recycle();
      state.ResumeTiming();
    }
    LogPosition end;
    Check(fixture.wal()->Append(parts, &end));
    benchmark::DoNotOptimize(end);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
}
BENCHMARK(BM_Append)
    ->ArgNames({"mapped", "bytes", "parts"})
    ->ArgsProduct({{1, 0}, {136}, {1, 2}})
    ->ArgsProduct({{1, 0}, {4096, 65536}, {1, 32}});

// The part of it that is the checksum of the payload.
void BM_PayloadChecksum(benchmark::State& state) {
  const std::string payload(state.range(0), 'x');
  uint32_t crc = 1;
  for (auto _ : state) crc = ExtendCrc32c(crc, payload);
  benchmark::DoNotOptimize(crc);
}
BENCHMARK(BM_PayloadChecksum)->Arg(136)->Arg(4096);

class CountingSink final : public LogSink {
 public:
  Status OnRecord(LogPosition, Slice) override { return Status::OK(); }
  Status OnLogEnd(FileNumber) override { return Status::OK(); }
};

// 64 MiB of log: full of records (all are verified), and empty (all is scanned).
void BM_Replay(benchmark::State& state) {
  Fixture fixture(true);
  const std::string payload(136, 'x');
  const Slice part = payload;
  LogPosition end;
  if (state.range(0) != 0) {
    while (fixture.wal()->Fits(part.size())) Check(fixture.wal()->Append({&part, 1}, &end));
  }
  ReplayOptions options;
  const Env env = Env::Default();
  options.file_system = env.file_system.get();
  options.directory = fixture.directory();
  for (auto _ : state) {
    CountingSink sink;
    ReplayResult result;
    Check(ReplayLogs(options, &sink, &result));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * (64 << 20));
}
BENCHMARK(BM_Replay)->ArgName("full")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace varve

BENCHMARK_MAIN();
