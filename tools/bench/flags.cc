// The command line, with the flag names of RocksDB's db_bench wherever it has the same thing. Every
// default is read from BenchOptions, so that a program which fills one in gets the same run.

#include "tools/bench/flags.h"

#include <gflags/gflags.h>

#include <algorithm>
#include <climits>
#include <numeric>
#include <sstream>
#include <type_traits>
#include <utility>
#include <vector>

#include "table/compression.h"
#include "tools/bench/trace_benchmark.h"
#include "tools/bench/trace_footprint.h"

namespace varve::bench {
namespace {

const BenchOptions& Defaults() {
  static const BenchOptions defaults;
  return defaults;
}

std::string Join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  return joined;
}

}  // namespace
}  // namespace varve::bench

#define VARVE_DEFAULT (varve::bench::Defaults())

DEFINE_string(benchmarks, varve::bench::Join(VARVE_DEFAULT.benchmarks).c_str(),
              "Comma-separated list of what to run, in this order. Known:\n"
              "\tfillseq       -- write --num values in the order of their keys, into a new db\n"
              "\tfillrandom    -- write --num values under random keys, into a new db\n"
              "\toverwrite     -- write --num values under random keys\n"
              "\tfillsync      -- write --num/1000 values under random keys, each made durable\n"
              "\tfillbatch     -- fillseq in batches of 1000\n"
              "\treadrandom    -- read --reads random keys\n"
              "\treadmissing   -- read --reads random keys that are not there\n"
              "\tmultireadrandom -- readrandom, --batch_size keys a call\n"
              "\treadseq       -- scan --reads entries from the first key on\n"
              "\treadreverse   -- scan --reads entries backwards from the last key\n"
              "\tseekrandom    -- --reads times: a new iterator, a seek to a random key, and\n"
              "\t                 --seek_nexts steps\n"
              "\treadwhilewriting -- readrandom in --threads threads beside one that writes\n"
              "\ttrace         -- replay --trace, or --num generated requests, as a\n"
              "\t                 read-through cache\n"
              "\tflush         -- write what is in memory to segments, and wait for it\n"
              "\twaitforcompaction -- flush, and wait until nothing is merged any more\n"
              "\tcompact       -- merge all segments there are\n"
              "\tamplification -- flush and scan; bytes written, and kept, for a byte given\n"
              "\tstats         -- print the property varve.stats\n"
              "Those that fill a new db are skipped with --use_existing_db.");
DEFINE_int64(num, VARVE_DEFAULT.num, "Keys are 0 to num - 1; writes are num for each thread.");
DEFINE_int64(reads, VARVE_DEFAULT.reads,
             "Reads for each thread, or requests of a trace; negative: --num, or the whole trace.");
DEFINE_int64(
    duration, VARVE_DEFAULT.duration_seconds,
    "Seconds after which a benchmark of random operations ends, in place of their number (a "
    "trace ends at whichever comes first); 0: no limit.");
DEFINE_int32(threads, VARVE_DEFAULT.threads, "Threads, each with as many operations.");
DEFINE_uint64(seed, VARVE_DEFAULT.seed, "Seed of the random numbers; 0: another one each run.");
DEFINE_bool(histogram, VARVE_DEFAULT.histogram, "Time each operation; print a histogram.");
DEFINE_int64(stats_interval_seconds, VARVE_DEFAULT.stats_interval_seconds,
             "Print throughput every so many seconds on standard error; 0: never.");
DEFINE_bool(statistics, VARVE_DEFAULT.statistics,
            "Count and time inside the engine; print the statistics at the end.");
DEFINE_bool(json, VARVE_DEFAULT.json,
            "Print one JSON object for each benchmark, and nothing else, on standard output.");

DEFINE_int32(key_size, VARVE_DEFAULT.key_bytes, "Bytes of a key.");
DEFINE_int64(value_size, VARVE_DEFAULT.value_bytes,
             "Bytes of a value; in a trace, of those without a size.");
DEFINE_double(compression_ratio, VARVE_DEFAULT.compression_ratio,
              "Values shrink to this part of their size when compressed.");
DEFINE_int64(batch_size, VARVE_DEFAULT.batch_size,
             "Entries of a write batch, and keys of a call of multireadrandom.");
DEFINE_int32(seek_nexts, VARVE_DEFAULT.seek_nexts, "Steps after each seek of seekrandom.");
DEFINE_bool(reverse_iterator, VARVE_DEFAULT.reverse_iterator,
            "seekrandom steps backwards after the seek.");
DEFINE_int32(prefix_size, VARVE_DEFAULT.prefix_bytes,
             "seekrandom stays within the keys that share so many first bytes with the one sought, "
             "and filters hold those prefixes; 0: neither.");

DEFINE_uint64(benchmark_write_rate_limit, VARVE_DEFAULT.write_bytes_per_second,
              "Bytes of keys and values a second that the writer of readwhilewriting writes; 0: as "
              "many as it can.");

DEFINE_string(db, VARVE_DEFAULT.path,
              "Directory of the database. Unless --use_existing_db is given, a database in it is "
              "removed. Empty: varve_bench-<user id> below $TMPDIR or /tmp.");
DEFINE_bool(use_existing_db, VARVE_DEFAULT.use_existing_db, "Run on the database that is there.");
DEFINE_bool(sync, VARVE_DEFAULT.sync, "Each write is durable before it returns.");
DEFINE_bool(disable_wal, VARVE_DEFAULT.disable_wal, "Writes are not logged.");
DEFINE_bool(verify_checksum, VARVE_DEFAULT.verify_checksums,
            "Verify the checksums of blocks that reads take from files.");

DEFINE_uint64(capacity_bytes, VARVE_DEFAULT.engine.capacity_bytes,
              "Run on a cache whose files take no more bytes than this (Options::ForCache, changed "
              "by what other flags say); 0: on a database.");
DEFINE_double(capacity_percent, VARVE_DEFAULT.capacity_percent,
              "--capacity_bytes as a percentage of what the values of all keys of the trace take "
              "together; 0: take --capacity_bytes.");
DEFINE_uint64(memory_bytes, VARVE_DEFAULT.engine.memory_bytes,
              "Bytes of memory that the engine may take in all (Options::memory_bytes); 0: its "
              "default.");
DEFINE_int64(cache_size, static_cast<int64_t>(VARVE_DEFAULT.engine.block_cache_bytes),
             "Bytes of the block cache.");
DEFINE_string(compression_type, varve::CompressionName(VARVE_DEFAULT.engine.compression),
              "Compression of blocks: none, snappy, lz4 or zstd.");
DEFINE_int32(bloom_bits, VARVE_DEFAULT.engine.filter_bits_per_key,
             "Filter bits a key; 0 or less: no filters.");
DEFINE_int64(block_size, static_cast<int64_t>(VARVE_DEFAULT.engine.block_bytes),
             "Uncompressed bytes of a data block.");
DEFINE_bool(use_direct_reads, VARVE_DEFAULT.engine.use_direct_reads,
            "Read segments with O_DIRECT.");
DEFINE_int32(open_files, VARVE_DEFAULT.engine.open_segments_max,
             "Segments kept open; -1: all of them.");
DEFINE_int64(write_buffer_size, static_cast<int64_t>(VARVE_DEFAULT.engine.memtable_bytes),
             "Bytes of one memtable (Options::memtable_bytes).");
DEFINE_int32(max_write_buffer_number, VARVE_DEFAULT.engine.memtables_max,
             "Memtables that may exist before writes wait (Options::memtables_max).");
DEFINE_int32(min_write_buffer_number_to_merge, VARVE_DEFAULT.engine.flush_memtables_min,
             "Full memtables that are flushed together (Options::flush_memtables_min).");
DEFINE_string(compaction_style,
              varve::bench::CompactionStyleName(VARVE_DEFAULT.engine.compaction_style),
              "How segments are merged: leveled (or 0), tiered (or 1), none, by_time.");
DEFINE_string(eviction, varve::bench::EvictionPolicyName(VARVE_DEFAULT.engine.eviction),
              "What a cache gives up first: fifo or lru (Options::eviction).");
DEFINE_string(admission, varve::bench::AdmissionPolicyName(VARVE_DEFAULT.engine.admission),
              "Which puts a cache takes: all or seen_before (Options::admission).");
DEFINE_uint64(target_file_size_base, VARVE_DEFAULT.engine.segment_bytes,
              "Bytes at which a compaction begins its next segment (Options::segment_bytes).");
DEFINE_int32(level0_file_num_compaction_trigger, VARVE_DEFAULT.engine.level0_runs_trigger,
             "Runs in level 0 at which they are merged (Options::level0_runs_trigger).");
DEFINE_uint64(max_bytes_for_level_base, VARVE_DEFAULT.engine.level_base_bytes,
              "Bytes of the first level below level 0 (Options::level_base_bytes).");
DEFINE_int32(max_bytes_for_level_multiplier, VARVE_DEFAULT.engine.level_size_ratio,
             "Of one level to the one above (Options::level_size_ratio).");
DEFINE_int32(max_background_jobs, VARVE_DEFAULT.engine.background_threads,
             "Threads for background work.");
DEFINE_uint64(rate_limiter_bytes_per_sec, VARVE_DEFAULT.engine.background_bytes_per_second,
              "Bytes a second that background work writes; 0: no limit.");
DEFINE_string(wal_sync, varve::bench::WalSyncModeName(VARVE_DEFAULT.engine.wal_sync),
              "When the log is made durable without --sync: never, interval or always. db_bench's "
              "behaviour is never.");
DEFINE_uint32(wal_sync_interval_ms, VARVE_DEFAULT.engine.wal_sync_interval_ms,
              "Milliseconds a write may stay unsynced with --wal_sync=interval.");
DEFINE_bool(wal_mapped, VARVE_DEFAULT.engine.wal_mapped,
            "Write the log through mapped memory where the file system allows it.");

DEFINE_string(trace, VARVE_DEFAULT.trace,
              "File that the benchmark trace replays: CSV lines op,key,size with op one of get, "
              "put, set, delete; gzipped or not; - for standard input. Empty: generated requests.");

namespace varve::bench {
namespace {

// Levenshtein's distance, for the hint.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

std::string NearestFlag(const std::string& name) {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  std::string nearest;
  size_t distance_min = std::max<size_t>(2, name.size() / 3) + 1;
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    const size_t distance = EditDistance(name, flag.name);
    if (distance < distance_min) {
      distance_min = distance;
      nearest = flag.name;
    }
  }
  return nearest;
}

// Names an argument that gflags would not know, before it ends the process with less to say.
Status CheckArguments(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name.size() < 2 || name[0] != '-') {
      return Status::InvalidArgument("\"" + name + "\" is no flag");
    }
    name.erase(0, name[1] == '-' ? 2 : 1);
    const size_t equals = name.find('=');
    const bool has_value = equals != std::string::npos;
    name.resize(has_value ? equals : name.size());
    std::replace(name.begin(), name.end(), '-', '_');

    gflags::CommandLineFlagInfo info;
    bool known = gflags::GetCommandLineFlagInfo(name.c_str(), &info);
    if (!known && !has_value && name.rfind("no", 0) == 0) {
      known = gflags::GetCommandLineFlagInfo(name.c_str() + 2, &info) && info.type == "bool";
    }
    if (!known) {
      const std::string nearest = NearestFlag(name);
      return Status::InvalidArgument("unknown flag --" + name +
                                     (nearest.empty() ? "" : "; did you mean --" + nearest + "?"));
    }
    if (!has_value && info.type != "bool") ++i;  // the value is the next argument
  }
  return Status::OK();
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> names;
  std::stringstream stream(list);
  for (std::string name; std::getline(stream, name, ',');) {
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

// A size that does not fit is refused here, before the conversion could make it look fine.
Status CheckNotNegative(const char* flag, int64_t value) {
  if (value >= 0) return Status::OK();
  return Status::InvalidArgument("--" + std::string(flag) + "=" + std::to_string(value) +
                                 ": must not be negative");
}

bool Given(const char* flag) { return !gflags::GetCommandLineFlagInfoOrDie(flag).is_default; }

// The capacity of the cache to run on; 0: a database.
Status Capacity(const BenchOptions& options, uint64_t* bytes) {
  *bytes = FLAGS_capacity_bytes;
  // What is out of range is refused with everything else.
  if (!(options.capacity_percent > 0 && options.capacity_percent <= 1000)) return Status::OK();
  if (*bytes != 0) {
    return Status::InvalidArgument("--capacity_bytes and --capacity_percent exclude each other");
  }
  if (!options.Runs("trace") || options.trace == "-" ||
      (options.trace.empty() && options.seed == 0)) {
    return Status::InvalidArgument(
        "--capacity_percent needs the benchmark \"trace\", of a --trace that can be read twice, "
        "or of generated requests with a --seed");
  }
  std::unique_ptr<RequestSource> source;
  Status status = OpenRequestSource(options, &source);
  TraceFootprint footprint;
  if (status.ok()) {
    status = MeasureFootprint(source.get(),
                              options.reads < 0 ? UINT64_MAX : static_cast<uint64_t>(options.reads),
                              static_cast<uint64_t>(options.value_bytes), &footprint);
  }
  *bytes =
      static_cast<uint64_t>(static_cast<double>(footprint.bytes) * options.capacity_percent / 100);
  return status;
}

// A database has what the flags say, whose defaults are those of a database. A cache has what
// Options::ForCache() says, but where a flag is given.
Status EngineOptions(uint64_t capacity_bytes, Options* engine) {
  const bool cache = capacity_bytes != 0;
  if (cache) {
    Options options = Options::ForCache(capacity_bytes);
    options.env = engine->env;
    options.prefix_extractor = engine->prefix_extractor;
    *engine = std::move(options);
  }
  const auto says = [cache](const char* flag) { return !cache || Given(flag); };
  Status status = CheckNotNegative("cache_size", FLAGS_cache_size);
  if (status.ok()) status = CheckNotNegative("block_size", FLAGS_block_size);
  if (status.ok()) status = CheckNotNegative("write_buffer_size", FLAGS_write_buffer_size);
  if (status.ok() && says("compression_type")) {
    status = ParseCompression(FLAGS_compression_type, &engine->compression);
  }
  if (status.ok() && says("wal_sync")) status = ParseWalSyncMode(FLAGS_wal_sync, &engine->wal_sync);
  if (status.ok() && says("compaction_style")) {
    status = ParseCompactionStyle(FLAGS_compaction_style, &engine->compaction_style);
  }
  if (status.ok() && says("eviction"))
    status = ParseEvictionPolicy(FLAGS_eviction, &engine->eviction);
  if (status.ok() && says("admission"))
    status = ParseAdmissionPolicy(FLAGS_admission, &engine->admission);
  if (!status.ok()) return status;
  const auto take = [&says](const char* flag, auto value, auto* option) {
    if (says(flag)) *option = static_cast<std::remove_reference_t<decltype(*option)>>(value);
  };
  take("cache_size", FLAGS_cache_size, &engine->block_cache_bytes);
  take("block_size", FLAGS_block_size, &engine->block_bytes);
  take("write_buffer_size", FLAGS_write_buffer_size, &engine->memtable_bytes);
  take("max_write_buffer_number", FLAGS_max_write_buffer_number, &engine->memtables_max);
  take("min_write_buffer_number_to_merge", FLAGS_min_write_buffer_number_to_merge,
       &engine->flush_memtables_min);
  take("bloom_bits", std::max(FLAGS_bloom_bits, 0), &engine->filter_bits_per_key);
  take("use_direct_reads", FLAGS_use_direct_reads, &engine->use_direct_reads);
  take("open_files", FLAGS_open_files == -1 ? INT_MAX : FLAGS_open_files,
       &engine->open_segments_max);
  take("target_file_size_base", FLAGS_target_file_size_base, &engine->segment_bytes);
  take("level0_file_num_compaction_trigger", FLAGS_level0_file_num_compaction_trigger,
       &engine->level0_runs_trigger);
  take("max_bytes_for_level_base", FLAGS_max_bytes_for_level_base, &engine->level_base_bytes);
  take("max_bytes_for_level_multiplier", FLAGS_max_bytes_for_level_multiplier,
       &engine->level_size_ratio);
  take("max_background_jobs", FLAGS_max_background_jobs, &engine->background_threads);
  take("rate_limiter_bytes_per_sec", FLAGS_rate_limiter_bytes_per_sec,
       &engine->background_bytes_per_second);
  take("wal_sync_interval_ms", FLAGS_wal_sync_interval_ms, &engine->wal_sync_interval_ms);
  take("wal_mapped", FLAGS_wal_mapped, &engine->wal_mapped);
  take("memory_bytes", FLAGS_memory_bytes, &engine->memory_bytes);
  return Status::OK();
}

}  // namespace

bool WantsHelp(int argc, char** argv) {
  return std::any_of(argv + 1, argv + argc, [](const char* argument) {
    const std::string name = argument;
    return name == "--help" || name == "-help" || name == "-h";
  });
}

void PrintHelp(const char* program) {
  gflags::SetUsageMessage(
      "measures Varve, with the flags and lines of db_bench\n\n"
      "  varve_bench --benchmarks=fillrandom,readrandom --num=1000000\n"
      "  varve_bench --benchmarks=trace --trace=requests.csv.gz");
  gflags::ShowUsageWithFlagsRestrict(program, "bench/flags.cc");
}

Status ParseCommandLine(int argc, char** argv, BenchOptions* options) {
  Status status = CheckArguments(argc, argv);
  if (!status.ok()) return status;
  gflags::ParseCommandLineFlags(&argc, &argv, true);

  options->benchmarks = Split(FLAGS_benchmarks);
  options->num = FLAGS_num;
  options->reads = FLAGS_reads < 0 ? -1 : FLAGS_reads;
  options->duration_seconds = FLAGS_duration;
  options->threads = FLAGS_threads;
  options->seed = FLAGS_seed;
  options->histogram = FLAGS_histogram;
  options->stats_interval_seconds = FLAGS_stats_interval_seconds;
  options->statistics = FLAGS_statistics;
  options->json = FLAGS_json;
  options->key_bytes = FLAGS_key_size;
  options->value_bytes = FLAGS_value_size;
  options->compression_ratio = FLAGS_compression_ratio;
  options->batch_size = FLAGS_batch_size;
  options->seek_nexts = FLAGS_seek_nexts;
  options->reverse_iterator = FLAGS_reverse_iterator;
  options->write_bytes_per_second = FLAGS_benchmark_write_rate_limit;
  options->prefix_bytes = FLAGS_prefix_size;
  if (FLAGS_prefix_size > 0) {
    options->engine.prefix_extractor =
        NewFixedPrefixExtractor(static_cast<size_t>(FLAGS_prefix_size));
  }
  options->path = FLAGS_db;
  options->use_existing_db = FLAGS_use_existing_db;
  options->capacity_percent = FLAGS_capacity_percent;
  options->sync = FLAGS_sync;
  options->disable_wal = FLAGS_disable_wal;
  options->verify_checksums = FLAGS_verify_checksum;
  options->trace = FLAGS_trace;
  uint64_t capacity_bytes = 0;
  status = Capacity(*options, &capacity_bytes);
  if (status.ok()) status = EngineOptions(capacity_bytes, &options->engine);
  return status.ok() ? options->Validate() : status;
}

}  // namespace varve::bench
