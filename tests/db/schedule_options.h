#ifndef VARVE_TESTS_DB_SCHEDULE_OPTIONS_H_
#define VARVE_TESTS_DB_SCHEDULE_OPTIONS_H_

#include "util/random.h"
#include "varve/options.h"

namespace varve {

// Options under which little data keeps everything busy: memtables fill, flushes and compactions
// of both styles run, writers wait. For tests that run one interleaving a seed.
inline Options BusyOptions(Random* random) {
  Options options;
  options.create_if_missing = true;
  options.memtable_bytes = 64 << 10;
  options.memtables_max = static_cast<int>(random->Between(2, 5));
  options.flush_memtables_min =
      static_cast<int>(random->Between(1, static_cast<uint64_t>(options.memtables_max) - 1));
  options.wal_sync = static_cast<WalSyncMode>(random->Uniform(3));
  options.background_threads = static_cast<int>(random->Between(1, 3));
  options.level0_runs_trigger = static_cast<int>(random->Between(1, 4));
  options.compaction_style =
      random->OneIn(2) ? CompactionStyle::kLeveled : CompactionStyle::kTiered;
  options.segment_bytes = 64 << 10;
  options.level_base_bytes = 64 << 10;
  return options;
}

}  // namespace varve

#endif  // VARVE_TESTS_DB_SCHEDULE_OPTIONS_H_
