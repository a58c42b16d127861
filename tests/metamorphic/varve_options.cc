#include "tests/metamorphic/varve_options.h"

#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>

#include "tests/metamorphic/merge_operators.h"

namespace varve::metamorphic {
namespace {

constexpr char kMergeOperator[] = "merge_operator";

enum class Change { kNever, kAtOpen, kLive };

struct OptionRow {
  const char* name;
  Change change;
  uint64_t (*draw)(Random* random);
  void (*set)(uint64_t value, Options* options);
};

// Of keys like "t3/417xxx": none, of some fixed length, or up to a delimiter.
std::shared_ptr<const PrefixExtractor> PrefixExtractorOf(uint64_t number) {
  if (number < 2) return nullptr;
  return number < 5 ? NewFixedPrefixExtractor(number - 1) : NewDelimiterPrefixExtractor('/', 1);
}

// Live ones are drawn so that any mixture of them is valid: flush_memtables_min stays below
// memtables_max.
const OptionRow kRows[] = {
    {"memtable_bytes", Change::kLive,
     [](Random* r) { return uint64_t{64} << (10 + r->Uniform(3)); },
     [](uint64_t v, Options* o) { o->memtable_bytes = v; }},
    {"memtables_max", Change::kLive, [](Random* r) { return r->Between(4, 10); },
     [](uint64_t v, Options* o) { o->memtables_max = static_cast<int>(v); }},
    {"flush_memtables_min", Change::kLive, [](Random* r) { return r->Between(1, 3); },
     [](uint64_t v, Options* o) { o->flush_memtables_min = static_cast<int>(v); }},
    {"wal_sync", Change::kAtOpen, [](Random* r) { return r->Uniform(2); },
     [](uint64_t v, Options* o) { o->wal_sync = static_cast<WalSyncMode>(v); }},
    {"wal_sync_interval_ms", Change::kLive, [](Random* r) { return r->Between(1, 1000); },
     [](uint64_t v, Options* o) { o->wal_sync_interval_ms = static_cast<uint32_t>(v); }},
    {"wal_mapped", Change::kAtOpen, [](Random* r) { return r->Uniform(2); },
     [](uint64_t v, Options* o) { o->wal_mapped = v != 0; }},
    {"compression", Change::kAtOpen, [](Random* r) { return r->Uniform(4); },
     [](uint64_t v, Options* o) { o->compression = static_cast<Compression>(v); }},
    {"block_bytes", Change::kAtOpen, [](Random* r) { return uint64_t{1024} << r->Uniform(4); },
     [](uint64_t v, Options* o) { o->block_bytes = v; }},
    {"filter_bits_per_key", Change::kAtOpen, [](Random* r) { return r->Uniform(2) * 10; },
     [](uint64_t v, Options* o) { o->filter_bits_per_key = static_cast<int>(v); }},
    {"prefix_extractor", Change::kAtOpen, [](Random* r) { return r->Uniform(6); },
     [](uint64_t v, Options* o) { o->prefix_extractor = PrefixExtractorOf(v); }},
    {"use_direct_reads", Change::kAtOpen, [](Random* r) { return uint64_t{r->OneIn(4)}; },
     [](uint64_t v, Options* o) { o->use_direct_reads = v != 0; }},
    // Never too little for what the others may be.
    {"memory_bytes", Change::kLive,
     [](Random* r) { return r->OneIn(2) ? 0 : uint64_t{32} << (20 + r->Uniform(3)); },
     [](uint64_t v, Options* o) { o->memory_bytes = v; }},
    {"block_cache_bytes", Change::kLive, [](Random* r) { return r->Uniform(3) << 18; },
     [](uint64_t v, Options* o) { o->block_cache_bytes = v; }},
    {"open_segments_max", Change::kAtOpen,
     [](Random* r) { return r->OneIn(2) ? uint64_t{16} : 1000; },
     [](uint64_t v, Options* o) { o->open_segments_max = static_cast<int>(v); }},
    {"history_retention_sequences", Change::kNever,
     [](Random* r) { return r->OneIn(2) ? 0 : uint64_t{10} << r->Uniform(9); },
     [](uint64_t v, Options* o) { o->history_retention_sequences = v; }},
    {"history_retention_ms", Change::kNever,
     [](Random* r) { return r->OneIn(6) ? uint64_t{3'600'000} : 0; },
     [](uint64_t v, Options* o) { o->history_retention_ms = v; }},
    {"compaction_style", Change::kAtOpen, [](Random* r) { return r->Uniform(5) % 4; },
     [](uint64_t v, Options* o) { o->compaction_style = static_cast<CompactionStyle>(v); }},
    {"segment_bytes", Change::kLive, [](Random* r) { return uint64_t{64} << (10 + r->Uniform(3)); },
     [](uint64_t v, Options* o) { o->segment_bytes = v; }},
    {"level0_runs_trigger", Change::kLive, [](Random* r) { return r->Between(1, 6); },
     [](uint64_t v, Options* o) { o->level0_runs_trigger = static_cast<int>(v); }},
    {"level_base_bytes", Change::kLive,
     [](Random* r) { return uint64_t{64} << (10 + r->Uniform(2)); },
     [](uint64_t v, Options* o) { o->level_base_bytes = v; }},
    {"level_size_ratio", Change::kLive, [](Random* r) { return r->Between(2, 4); },
     [](uint64_t v, Options* o) { o->level_size_ratio = static_cast<int>(v); }},
    {"tiered_runs_trigger", Change::kLive, [](Random* r) { return r->Between(2, 6); },
     [](uint64_t v, Options* o) { o->tiered_runs_trigger = static_cast<int>(v); }},
    {"tiered_space_percent_max", Change::kLive, [](Random* r) { return r->Between(10, 200); },
     [](uint64_t v, Options* o) { o->tiered_space_percent_max = static_cast<int>(v); }},
    {"background_bytes_per_second", Change::kLive,
     [](Random* r) { return r->OneIn(4) ? uint64_t{64} << 20 : 0; },
     [](uint64_t v, Options* o) { o->background_bytes_per_second = v; }},
    {"open_segments_bytes", Change::kAtOpen,
     [](Random* r) { return uint64_t{1} << (20 + 9 * r->Uniform(2)); },
     [](uint64_t v, Options* o) { o->open_segments_bytes = v; }},
    {"background_threads", Change::kAtOpen, [](Random* r) { return r->Between(1, 4); },
     [](uint64_t v, Options* o) { o->background_threads = static_cast<int>(v); }},
};

}  // namespace

OptionMap DrawFixedOptions(Random* random) {
  OptionMap drawn;
  for (const OptionRow& row : kRows) {
    if (row.change == Change::kNever) drawn[row.name] = std::to_string(row.draw(random));
  }
  static constexpr const char* kMergeOperators[] = {"append", "add", "none"};
  drawn[kMergeOperator] = kMergeOperators[random->Uniform(std::size(kMergeOperators))];
  return drawn;
}

OptionMap DrawOptions(Random* random) {
  OptionMap drawn;
  for (const OptionRow& row : kRows) {
    if (row.change != Change::kNever) drawn[row.name] = std::to_string(row.draw(random));
  }
  return drawn;
}

OptionMap DrawLiveOptions(Random* random) {
  OptionMap drawn;
  for (const size_t count = random->Between(1, 2); drawn.size() < count;) {
    const OptionRow& row = kRows[random->Uniform(std::size(kRows))];
    if (row.change == Change::kLive) drawn[row.name] = std::to_string(row.draw(random));
  }
  return drawn;
}

Status ApplyOptions(const OptionMap& changes, Options* options) {
  for (const auto& [name, value] : changes) {
    if (name == kMergeOperator) {
      options->merge_operator = NewMergeOperator(MergeKindOf(value));
      continue;
    }
    const OptionRow* found = nullptr;
    for (const OptionRow& row : kRows) {
      if (name == row.name) found = &row;
    }
    if (found == nullptr) return Status::InvalidArgument("no such option: " + name);
    found->set(std::strtoull(value.c_str(), nullptr, 10), options);
  }
  return Status::OK();
}

}  // namespace varve::metamorphic
