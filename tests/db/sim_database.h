#ifndef VARVE_TESTS_DB_SIM_DATABASE_H_
#define VARVE_TESTS_DB_SIM_DATABASE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/quiet_logger.h"
#include "tests/support/sim_env.h"
#include "varve/db.h"

// A small database on a simulated disk, and all it holds as a map.

namespace varve {

using State = std::map<std::string, std::string>;

inline Options SimDatabaseOptions(std::shared_ptr<FileSystem> file_system) {
  Options options;
  options.env = MakeSimEnv(nullptr, 7);
  options.env.file_system = std::move(file_system);
  options.create_if_missing = true;
  options.memtable_bytes = 64 << 10;
  options.compression = Compression::kNone;
  options.logger = std::make_shared<QuietLogger>();
  options.statistics = Statistics::Create(false);
  return options;
}

inline State ReadAll(DB* db, const ReadOptions& options = {}) {
  State state;
  const auto it = db->NewIterator(options);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    state.emplace(std::string(it->key()), std::string(it->value()));
  }
  EXPECT_TRUE(it->status().ok()) << it->status().ToString();
  return state;
}

}  // namespace varve

#endif  // VARVE_TESTS_DB_SIM_DATABASE_H_
