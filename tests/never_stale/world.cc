#include "tests/never_stale/world.h"

#include <atomic>
#include <utility>

#include "tests/support/quiet_logger.h"
#include "varve/listener.h"

namespace varve::never_stale {
namespace {

constexpr uint64_t kRoomyBytes = uint64_t{1} << 30;
constexpr uint64_t kTightBytesMax = uint64_t{4} << 20;

template <typename T>
T OneOf(Random* random, std::initializer_list<T> choices) {
  return choices.begin()[random->Uniform(choices.size())];
}

// Little data keeps everything busy: memtables fill, flushes and compactions run, writers wait.
void SetSizes(Random* random, Options* options) {
  options->memtable_bytes = 64 << 10;
  options->memtables_max = static_cast<int>(random->Between(2, 5));
  options->flush_memtables_min =
      static_cast<int>(random->Between(1, static_cast<uint64_t>(options->memtables_max) - 1));
  options->segment_bytes = 64 << 10;
  options->level_base_bytes = 64 << 10;
  options->block_bytes = OneOf<size_t>(random, {1 << 10, 4 << 10});
  options->level0_runs_trigger = static_cast<int>(random->Between(1, 4));
  options->tiered_runs_trigger = static_cast<int>(random->Between(2, 5));
}

}  // namespace

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kDatabase:
      return "a database";
    case Mode::kRoomyCache:
      return "a cache with room for all";
    case Mode::kEvictedCache:
      return "a cache whose segments are evicted at random";
    case Mode::kTightCache:
      break;
  }
  return "a cache that is short of room";
}

Shape::Shape(uint64_t seed, Random* random) {
  mode = static_cast<Mode>(seed % 4);
  power_losses = random->OneIn(3);
  damage = random->OneIn(3);
  keys = OneOf<uint32_t>(random, {10, 100, 1000});
  value_bytes_max = OneOf<uint32_t>(random, {64, 400, 4000});
  if (cache()) options = Options::ForCache(kRoomyBytes);
  if (mode == Mode::kTightCache) {
    SetTight(random);
  } else {
    SetSizes(random, &options);
  }
  options.create_if_missing = true;
  options.compaction_style =
      OneOf(random, {CompactionStyle::kTiered, CompactionStyle::kNone,
                     cache() ? CompactionStyle::kByTime : CompactionStyle::kLeveled});
  options.eviction = OneOf(random, {EvictionPolicy::kFifo, EvictionPolicy::kLru});
  options.compression = OneOf(random, {Compression::kNone, Compression::kLz4});
  options.filter_bits_per_key = OneOf(random, {0, 4, 10});
  options.wal_sync =
      OneOf(random, {WalSyncMode::kNever, WalSyncMode::kInterval, WalSyncMode::kAlways});
  options.wal_sync_interval_ms = static_cast<uint32_t>(random->Between(1, 50));
  options.wal_mapped = random->OneIn(2);
  options.background_threads = static_cast<int>(random->Between(1, 3));
  options.block_cache_bytes = OneOf<size_t>(random, {0, 1 << 20, 8 << 20});
  options.open_segments_max = 16;
  options.logger = std::make_shared<QuietLogger>();
  options.statistics = Statistics::Create(/*latencies=*/false);
}

// As a user sets it, the sizes of ForCache() included. Little data would never fill it.
void Shape::SetTight(Random* random) {
  keys = OneOf<uint32_t>(random, {300, 1000, 4000});
  value_bytes_max = OneOf<uint32_t>(random, {400, 4000, 16000});
  batch_entries_max = std::max(1u, (48u << 10) / value_bytes_max);
  options = Options::ForCache(AnyCapacity(random));
  options.admission =
      OneOf(random, {AdmissionPolicy::kAll, AdmissionPolicy::kAll, AdmissionPolicy::kSeenBefore});
  options.room_wait_ms = 3'600'000;
}

uint64_t Shape::AnyCapacity(Random* random) {
  // Of the largest: the sizes that follow from a capacity stay when another is set.
  const uint64_t least = DB::MinimumCapacity(Options::ForCache(kTightBytesMax));
  return least + (random->OneIn(3) ? 0 : random->Uniform(kTightBytesMax - least));
}

class World::ResetListener : public EventListener {
 public:
  void OnCacheReset(const CacheResetInfo&) override {
    count.fetch_add(1, std::memory_order_relaxed);
  }
  std::atomic<uint64_t> count{0};
};

World::World(uint64_t seed, const Shape& shape, std::shared_ptr<Clock> durations)
    : seed_(seed),
      track_(shape.power_losses),
      watched_(shape.mode == Mode::kTightCache),
      random_(seed * 31 + 7),
      clock_(std::make_shared<ManualClock>(std::move(durations))),
      time_(clock_, shape.options.clock_jump_max_ms),
      files_(SimFileSystem::New({.seed = seed, .track = track_})),
      resets_(std::make_shared<ResetListener>()),
      options_(shape.options) {
  options_.listeners = {resets_};
  options_.env = MakeSimEnv(files_, seed);
  options_.env.clock = clock_;
  if (!watched_) return;
  files_->CreateDirectory(kPath).ok();
  files_->SyncDirectory("/").ok();
  Watch();
}

void World::Watch() {
  if (watched_) files_->WatchDirectory(kPath);
}

Status World::Open() {
  const Status status = DB::Open(options_, kPath, &db_);
  time_.Opened();
  return status;
}

Status World::Close() {
  const Status status = db_->Close();
  if (status.ok()) db_.reset();
  return status;
}

uint64_t World::resets() const { return resets_->count.load(std::memory_order_relaxed); }

Losses World::losses(uint32_t keys) const {
  const Statistics& statistics = *options_.statistics;
  const auto count = [&](Counter counter) { return statistics.Get(counter); };
  const uint64_t ghosts = count(Counter::kGhostsMade);
  Losses losses;
  losses.entries = count(Counter::kEvictedEntries) + count(Counter::kDamagedEntries) +
                   count(Counter::kRefusedEntries);
  losses.evictions = losses.entries + ghosts;
  if (ghosts == 0) return losses;
  // What has expired hides from a snapshot what was there before it, once a ghost is all that is
  // left of it (RULES R2.6).
  losses.entries += count(Counter::kExpiredEntries);
  // Each ghost accepts one key in 4096 by chance: four times as many, and some for bad luck. Of
  // each the newest state and some that are held miss another version.
  losses.entries += 4 * (3 + ghosts * keys / 1024);
  return losses;
}

void World::Kill(bool power, const std::function<void()>& let_go) {
  SimDisk disk = files_->disk();
  // It goes on for a while, on a disk that nobody will look at.
  let_go();
  db_.reset();
  disk = power ? disk.PowerLoss(SimLoss::Random(random_.Next())) : disk.Kill();
  files_ = SimFileSystem::New({.seed = random_.Next(), .track = track_}, std::move(disk));
  options_.env.file_system = files_;
  Watch();
  if (power) {
    clock_->Boot();
    options_.env.machine = std::make_shared<SimMachine>(seed_ + ++boots_ * 1'000'003);
  }
}

}  // namespace varve::never_stale
