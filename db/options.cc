#include "varve/options.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <vector>

#include "db/capacity_plan.h"
#include "db/live_options.h"
#include "db/memory_plan.h"
#include "varve/compaction_filter.h"
#include "varve/db.h"

namespace varve {

namespace {

constexpr size_t kExtractorNameBytesMax = 256;

// One option that is a number, or can be shown as one: its name, range, and how to reach it.
struct Field {
  const char* name;
  bool live;
  uint64_t min, max;
  std::function<uint64_t(const Options&)> get;
  std::function<void(Options*, uint64_t)> set;  // null: not by text
};

template <typename T>
Field Make(const char* name, bool live, uint64_t min, uint64_t max, T Options::*member) {
  return {name,
          live,
          min,
          max,
          [member](const Options& o) { return static_cast<uint64_t>(o.*member); },
          [member](Options* o, uint64_t value) { o->*member = static_cast<T>(value); }};
}

// Negative ints become huge when converted, and so are out of every range.
const std::vector<Field>& Fields() {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  static const std::vector<Field>* const fields = new std::vector<Field>{
      Make("create_if_missing", false, 0, 1, &Options::create_if_missing),
      Make("error_if_exists", false, 0, 1, &Options::error_if_exists),
      Make("memtable_bytes", true, size_t{64} << 10, size_t{1} << 30, &Options::memtable_bytes),
      Make("memtables_max", true, 2, 128, &Options::memtables_max),
      Make("flush_memtables_min", true, 1, 127, &Options::flush_memtables_min),
      Make("wal_sync", false, 0, 2, &Options::wal_sync),
      Make("wal_sync_interval_ms", true, 1, 3'600'000, &Options::wal_sync_interval_ms),
      Make("wal_sync_timeout_ms", false, 0, std::numeric_limits<uint32_t>::max(),
           &Options::wal_sync_timeout_ms),
      Make("wal_recovery", false, 0, 2, &Options::wal_recovery),
      Make("wal_mapped", false, 0, 1, &Options::wal_mapped),
      Make("compression", false, 0, 3, &Options::compression),
      Make("block_bytes", false, 1 << 10, 1 << 20, &Options::block_bytes),
      Make("filter_bits_per_key", false, 0, 32, &Options::filter_bits_per_key),
      Make("use_direct_reads", false, 0, 1, &Options::use_direct_reads),
      Make("capacity_bytes", true, 0, std::numeric_limits<int64_t>::max(),
           &Options::capacity_bytes),
      Make("eviction", false, 0, 1, &Options::eviction),
      Make("admission", false, 0, 1, &Options::admission),
      Make("after_power_loss", false, 0, 1, &Options::after_power_loss),
      Make("room_wait_ms", true, 0, 3'600'000, &Options::room_wait_ms),
      Make("default_ttl_ms", true, 0, std::numeric_limits<int64_t>::max(),
           &Options::default_ttl_ms),
      Make("clock_jump_max_ms", false, 0, std::numeric_limits<int64_t>::max(),
           &Options::clock_jump_max_ms),
      Make("history_retention_ms", true, 0, kAny, &Options::history_retention_ms),
      Make("history_retention_sequences", true, 0, kAny, &Options::history_retention_sequences),
      Make("compaction_style", false, 0, 3, &Options::compaction_style),
      Make("segment_bytes", true, 64 << 10, uint64_t{4} << 30, &Options::segment_bytes),
      Make("level0_runs_trigger", true, 1, 64, &Options::level0_runs_trigger),
      Make("level_base_bytes", true, 64 << 10, uint64_t{1} << 40, &Options::level_base_bytes),
      Make("level_size_ratio", true, 2, 100, &Options::level_size_ratio),
      Make("tiered_runs_trigger", true, 2, 64, &Options::tiered_runs_trigger),
      Make("tiered_space_percent_max", true, 10, 1000, &Options::tiered_space_percent_max),
      Make("memory_bytes", true, 0, std::numeric_limits<int64_t>::max(), &Options::memory_bytes),
      Make("block_cache_bytes", true, 0, kAny, &Options::block_cache_bytes),
      Make("open_segments_max", false, 16, std::numeric_limits<int>::max(),
           &Options::open_segments_max),
      Make("open_segments_bytes", false, 1 << 20, kAny, &Options::open_segments_bytes),
      Make("on_io_failure", false, 0, 2, &Options::on_io_failure),
      Make("background_threads", false, 1, 64, &Options::background_threads),
      Make("background_bytes_per_second", true, 0, kAny, &Options::background_bytes_per_second),
  };
  return *fields;
}

Status OutOfRange(const Field& field, const std::string& value) {
  return Status::InvalidArgument(std::string(field.name) + " = " + value + ": must be from " +
                                 std::to_string(field.min) + " to " + std::to_string(field.max));
}

const Field* Find(const std::string& name) {
  for (const Field& field : Fields()) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

// What does not mix with cache mode (RULES R9): each of it could make a stale answer.
Status ValidateCache(const Options& options) {
  if (!options.cache()) return Status::OK();
  if (!options.comparator->EqualMeansIdentical()) {
    return Status::InvalidArgument(
        std::string("comparator = ") + options.comparator->Name() +
        ": a cache needs one under which equal keys are identical bytes");
  }
  if (options.merge_operator != nullptr) {
    return Status::InvalidArgument("merge_operator: a cache takes no merges");
  }
  if (options.compaction_style == CompactionStyle::kLeveled) {
    return Status::InvalidArgument(
        "compaction_style = kLeveled: a cache keeps its order of age in level 0");
  }
  if (options.wal_recovery == WalRecoveryMode::kPointInTime) {
    return Status::InvalidArgument("wal_recovery = kPointInTime: a cache skips no records");
  }
  if (const uint64_t minimum = DB::MinimumCapacity(options); options.capacity_bytes < minimum) {
    return Status::InvalidArgument(
        "capacity_bytes = " + std::to_string(options.capacity_bytes) + ": must be at least " +
        std::to_string(minimum) +
        " with memtable_bytes = " + std::to_string(options.memtable_bytes) +
        " and segment_bytes = " + std::to_string(options.segment_bytes));
  }
  return Status::OK();
}

}  // namespace

Options Options::ForCache(uint64_t capacity_bytes) {
  Options options;
  options.capacity_bytes = capacity_bytes;
  SetSizes(SizesFor(capacity_bytes), &options);
  options.compaction_style = CompactionStyle::kByTime;
  // Hundreds of runs are asked for a key (docs/cache.md, "Eviction").
  options.filter_bits_per_key = 16;
  // All that memory_bytes leaves.
  options.block_cache_bytes = std::numeric_limits<size_t>::max();
  options.open_segments_bytes = std::numeric_limits<size_t>::max();
  return options;
}

Status Options::Validate() const {
  if (comparator == nullptr) return Status::InvalidArgument("comparator = null: must be set");
  if (Status status = ValidateCache(*this); !status.ok()) return status;
  if (prefix_extractor != nullptr) {
    const std::string name = prefix_extractor->Name();
    if (name.empty() || name.size() > kExtractorNameBytesMax) {
      return Status::InvalidArgument("prefix_extractor = \"" + name +
                                     "\": its name must be of 1 to 256 bytes");
    }
  }
  if (std::find(listeners.begin(), listeners.end(), nullptr) != listeners.end()) {
    return Status::InvalidArgument("listeners: one is null");
  }
  for (const Field& field : Fields()) {
    const uint64_t value = field.get(*this);
    if (value < field.min || value > field.max) {
      const auto as_signed = static_cast<int64_t>(value);
      return OutOfRange(field, as_signed < 0 && field.max <= INT32_MAX ? std::to_string(as_signed)
                                                                       : std::to_string(value));
    }
  }
  if (on_io_failure == OnIoFailure::kMemoryOnly && !cache()) {
    return Status::InvalidArgument("on_io_failure = kMemoryOnly: a database may lose nothing");
  }
  if (flush_memtables_min > memtables_max - 1) {
    return Status::InvalidArgument(
        "flush_memtables_min = " + std::to_string(flush_memtables_min) +
        ": must be below memtables_max = " + std::to_string(memtables_max));
  }
  if (const uint64_t minimum = MinimumMemory(*this); memory_bytes != 0 && memory_bytes < minimum) {
    return Status::InvalidArgument("memory_bytes = " + std::to_string(memory_bytes) +
                                   ": must be at least " + std::to_string(minimum) +
                                   " with these options");
  }
  return Status::OK();
}

uint64_t DB::MinimumCapacity(const Options& options) { return PlanCapacity(options).minimum_bytes; }

Status ApplyLiveChanges(const std::map<std::string, std::string>& changes, Options* options) {
  Options changed = *options;
  const bool planned = options->cache() && SizesOf(*options) == SizesFor(options->capacity_bytes);
  for (const auto& [name, text] : changes) {
    const Field* field = Find(name);
    if (field == nullptr) return Status::InvalidArgument(name + ": no such option");
    if (!field->live) {
      return Status::InvalidArgument(name + ": cannot change while the database is open");
    }
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Status::InvalidArgument(name + " = " + text + ": not a number");
    }
    if (value < field->min || value > field->max) return OutOfRange(*field, text);
    if ((field->get(*options) == 0) != (value == 0) && name == "capacity_bytes") {
      return Status::InvalidArgument(
          name + " = " + text + ": a database does not become a cache, nor a cache a database");
    }
    field->set(&changed, value);
  }
  // Sizes follow the capacity where they did before and none of them was given.
  if (planned && SizesOf(changed) == SizesOf(*options)) {
    SetSizes(SizesFor(changed.capacity_bytes), &changed);
  }
  if (Status status = changed.Validate(); !status.ok()) return status;
  *options = std::move(changed);
  return Status::OK();
}

std::string DescribeOptions(const Options& options) {
  std::string text = "comparator = " + std::string(options.comparator->Name()) + "\n";
  text += "merge_operator = ";
  text += options.merge_operator == nullptr ? "none" : options.merge_operator->Name();
  text += "\nprefix_extractor = ";
  text += options.prefix_extractor == nullptr ? "none" : options.prefix_extractor->Name();
  text += "\ncompaction_filter = ";
  text += options.compaction_filter == nullptr ? "none" : options.compaction_filter->Name();
  text += "\n";
  for (const Field& field : Fields()) {
    text += std::string(field.name) + " = " + std::to_string(field.get(options)) + "\n";
  }
  return text;
}

}  // namespace varve
