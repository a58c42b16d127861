#include "tools/bench/runner.h"

#include <algorithm>
#include <cinttypes>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "tools/bench/amplification.h"
#include "tools/bench/interval_reporter.h"
#include "tools/bench/report.h"
#include "tools/bench/text_format.h"
#include "tools/bench/trace_benchmark.h"
#include "util/hash.h"
#include "util/mutex.h"
#include "util/process_memory.h"
#include "util/thread.h"

namespace varve::bench {
namespace {

// Fills in what the run needs and the user left open.
BenchOptions Completed(BenchOptions options) {
  const Env defaults = Env::Default();
  Env& env = options.engine.env;
  if (env.file_system == nullptr) env.file_system = defaults.file_system;
  if (env.clock == nullptr) env.clock = defaults.clock;
  if (env.machine == nullptr) env.machine = defaults.machine;
  // A replay and amplification count bytes, and of a cache hits are told; latencies inside the
  // engine are timed only if somebody will see them.
  if (options.engine.statistics == nullptr &&
      (options.statistics || options.engine.cache() || options.Runs("trace") ||
       options.Runs("amplification"))) {
    options.engine.statistics = Statistics::Create(options.statistics);
  }
  return options;
}

// Holds the threads of a benchmark until all are there.
class StartLine {
 public:
  explicit StartLine(int threads) : missing_(threads) {}
  void Wait() {
    MutexLock lock(&mutex_);
    if (--missing_ == 0) all_here_.SignalAll();
    while (missing_ > 0) all_here_.Wait(&mutex_);
  }

 private:
  Mutex mutex_;
  CondVar all_here_;
  int missing_ GUARDED_BY(mutex_);
};

bool IsJob(const std::string& name) {
  static constexpr const char* kJobs[] = {"trace",   "flush", "waitforcompaction",
                                          "compact", "stats", "amplification"};
  return std::find(std::begin(kJobs), std::end(kJobs), name) != std::end(kJobs);
}

// Until neither a flush nor a compaction is due. As no call of the engine's tells, it is asked
// again and again, and is to say so for two seconds: between two jobs it may look idle, and what
// only saves room is merged when nothing was written for a second.
Status WaitForCompaction(DB* db) {
  constexpr uint64_t kNanosBetween = 20'000'000;
  constexpr int kTimesInARow = 100;
  Status status = db->Flush();
  for (int times = 0; status.ok() && times < kTimesInARow;) {
    uint64_t running = 0, immutable = 0;
    std::string error;
    if (!db->GetIntProperty("varve.num-running-compactions", &running) ||
        !db->GetIntProperty("varve.num-immutable-memtables", &immutable) ||
        !db->GetProperty("varve.background-error", &error)) {
      return Status::NotSupported("the properties of compactions");
    }
    if (!error.empty()) return Status::IOError(error);
    times = running + immutable == 0 ? times + 1 : 0;
    if (times < kTimesInARow) SleepFor(kNanosBetween);
  }
  return status;
}

Status CompactAll(DB* db) { return db->CompactRange({}, std::nullopt, std::nullopt); }
Status FlushAll(DB* db) { return db->Flush(); }

}  // namespace

Runner::Runner(const BenchOptions& options, std::FILE* out, std::FILE* err)
    : options_(Completed(options)), out_(out), err_(err), database_(options_) {}

void Runner::Print(const std::string& text) const {
  if (options_.json) return;
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
}

Status Runner::CheckNames() const {
  for (const std::string& name : options_.benchmarks) {
    if (!IsJob(name) && FindBenchmark(name) == nullptr) {
      return Status::InvalidArgument("unknown benchmark \"" + name + "\"");
    }
  }
  return Status::OK();
}

Status Runner::Run() {
  Status status = CheckNames();
  if (!status.ok()) return status;
  if (options_.seed == 0) {
    options_.seed = options_.engine.env.machine->RandomSeed() | 1;
    Print(Format("Set seed to %" PRIu64 " because --seed was 0\n", options_.seed));
  }
  Print(HeaderText(options_));
  status = options_.use_existing_db ? database_.OpenExisting() : database_.OpenNew();
  for (const std::string& name : options_.benchmarks) {
    if (status.ok()) status = RunOne(name);
  }
  if (status.ok() && options_.statistics) {
    std::string text = "STATISTICS:\n" + options_.engine.statistics->ToString();
    if (uint64_t budget; database_.db()->GetIntProperty("varve.memory-budget", &budget)) {
      text += Format("Memory budget: %" PRIu64 " bytes\n", budget);
      text += Format("Peak memory: %" PRIu64 " bytes\n", ReadProcessMemory().peak_bytes);
    }
    std::fputs(text.c_str(), options_.json ? err_ : out_);
  }
  cache_.reset();
  Status closed = database_.Close();
  return status.ok() ? closed : status;
}

Status Runner::RunOne(const std::string& name) {
  const Benchmark* load = FindBenchmark(name);
  const bool wants_new = load != nullptr ? load->new_database : name == "trace";
  if (load != nullptr && load->new_database && options_.use_existing_db) {
    Print(Format("%-12s : skipped (--use_existing_db is true)\n", name.c_str()));
    return Status::OK();
  }
  Status status;
  if (wants_new && !options_.use_existing_db) status = database_.OpenNew();
  if (!status.ok()) return status;
  if (name == "stats") {
    PrintStats();
    return Status::OK();
  }
  cache_.reset();
  if (options_.engine.cache()) cache_.emplace(*options_.engine.statistics, database_.db());
  Print("DB path: [" + database_.path() + "]\n");
  if (name == "trace") return RunTraceReplay();
  if (name == "amplification") return RunAmplification();
  if (name == "flush") return RunJob(name, FlushAll);
  if (name == "waitforcompaction") return RunJob(name, WaitForCompaction);
  if (name == "compact") return RunJob(name, CompactAll);
  return RunLoad(*load);
}

Status Runner::RunLoad(const Benchmark& benchmark) {
  BenchRun run;
  run.options = options_;
  if (benchmark.adapt != nullptr) benchmark.adapt(&run.options);
  run.write_options.sync = run.options.sync;
  run.write_options.disable_wal = run.options.disable_wal;
  run.read_options.verify_checksums = run.options.verify_checksums;
  run.db = database_.db();
  run.clock = options_.engine.env.clock.get();
  run.foreground_threads = run.options.threads;

  const int thread_count = run.options.threads + (benchmark.has_background_thread ? 1 : 0);
  std::vector<std::unique_ptr<BenchThread>> states;
  // Each thread draws other numbers, and a read other ones than the fill of an earlier process with
  // the same seed: it would ask for the keys in the order they were written.
  const uint64_t seed = options_.seed ^ Hash64(benchmark.name);
  for (int i = 0; i < thread_count; ++i) {
    states.push_back(std::make_unique<BenchThread>(i, seed + Mix64(++threads_made_)));
    if (options_.histogram) states.back()->stats.latencies = std::make_unique<Histogram>();
  }
  IntervalReporter::Progress progress;
  for (const auto& state : states) {
    // The work of the one in the background is not part of the result.
    const bool background = benchmark.has_background_thread && state->index == 0;
    if (!background) progress.push_back(&state->progress);
  }
  IntervalReporter intervals(benchmark.name,
                             static_cast<uint64_t>(options_.stats_interval_seconds) * 1'000'000'000,
                             std::move(progress), run.clock, err_);
  if (options_.stats_interval_seconds > 0) {
    if (Status status = intervals.Start(); !status.ok()) return status;
  }
  std::vector<Status> statuses(states.size());
  StartLine start_line(thread_count);
  {
    std::vector<Thread> threads;
    for (size_t i = 0; i < states.size(); ++i) {
      threads.emplace_back("bench", [&, i] {
        start_line.Wait();
        statuses[i] = benchmark.body(&run, states[i].get());
        if (!states[i]->stats.background) {
          run.foreground_threads.fetch_sub(1, std::memory_order_relaxed);
        }
      });
    }
  }  // joins them
  intervals.Stop();
  for (const Status& status : statuses) {
    if (!status.ok()) return status.WithContext(benchmark.name);
  }
  ThreadStats total;
  for (const std::unique_ptr<BenchThread>& state : states) total.Merge(state->stats);
  Report(benchmark.name, total, Summarised(intervals.rates()));
  return Status::OK();
}

void Runner::Report(const std::string& name, const ThreadStats& stats,
                    const IntervalRates& intervals) {
  if (options_.json) {
    JsonObject json;
    AddResult(name, stats, &json);
    AddIntervals(intervals, &json);
    AddCacheTo(&json);
    std::fputs((json.ToString() + "\n").c_str(), out_);
    return;
  }
  Print(ResultLine(name, stats) + IntervalsText(intervals) + CacheLines());
  if (stats.latencies != nullptr) Print(HistogramText(stats.latency_of, *stats.latencies));
}

Status Runner::RunTraceReplay() {
  std::unique_ptr<RequestSource> source;
  Status status = OpenRequestSource(options_, &source);
  if (!status.ok()) return status;
  TraceResult result;
  status = RunTrace(options_, source.get(), database_.db(), database_.path(), err_, &result);
  if (!status.ok()) return status;
  if (options_.json) {
    JsonObject json;
    AddTrace(result, &json);
    AddCacheTo(&json);
    std::fputs((json.ToString() + "\n").c_str(), out_);
  } else {
    ThreadStats line;
    line.operations = result.counts.requests();
    line.started_nanos = 0;
    line.finished_nanos = static_cast<uint64_t>(result.counts.seconds * 1e9);
    line.busy_seconds = result.counts.seconds;
    line.bytes = result.counts.hit_bytes + result.counts.written_bytes;
    line.counts_found = true;
    line.found = result.counts.hits;
    line.sought = result.counts.gets;
    Print(ResultLine("trace", line) + TraceText(result) + CacheLines());
  }
  if (!result.failed()) return Status::OK();
  return Status::Corruption(TraceFailure(result)).WithContext(result.source);
}

Status Runner::RunJob(const std::string& name, Status (*job)(DB* db)) {
  ThreadStats stats;
  Clock* const clock = options_.engine.env.clock.get();
  stats.Start(clock);
  Status status = job(database_.db());
  stats.Finish(clock);
  stats.operations = 1;
  if (status.ok()) Report(name, stats);
  return status.WithContext(name);
}

Status Runner::RunAmplification() {
  Clock* const clock = options_.engine.env.clock.get();
  ThreadStats stats;
  Amplification measured;
  stats.Start(clock);
  Status status = database_.db()->Flush();
  if (status.ok()) {
    status = MeasureAmplification(*options_.engine.statistics, database_.db(), &measured);
  }
  stats.Finish(clock);
  if (!status.ok()) return status.WithContext("amplification");
  stats.operations = measured.live_entries;
  stats.bytes = measured.live_bytes;
  if (options_.json) {
    JsonObject json;
    AddResult("amplification", stats, &json);
    AddAmplification(measured, &json);
    AddCacheTo(&json);
    std::fputs((json.ToString() + "\n").c_str(), out_);
  } else {
    Print(ResultLine("amplification", stats) + AmplificationText(measured) + CacheLines());
  }
  return Status::OK();
}

std::string Runner::CacheLines() const {
  return cache_ ? CacheText(cache_->Measure(options_.engine.capacity_bytes)) : "";
}

void Runner::AddCacheTo(JsonObject* json) const {
  if (cache_) AddCache(cache_->Measure(options_.engine.capacity_bytes), json);
}

void Runner::PrintStats() {
  std::string text;
  if (!database_.db()->GetProperty("varve.stats", &text)) text = "(the engine has no statistics)";
  std::fputs((text + "\n").c_str(), options_.json ? err_ : out_);
}

}  // namespace varve::bench
