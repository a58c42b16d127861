#ifndef VARVE_TOOLS_CRASH_DB_WORKLOAD_H_
#define VARVE_TOOLS_CRASH_DB_WORKLOAD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/ledger.h"
#include "tests/support/sim_file_system.h"
#include "tools/crash/checkpoints.h"
#include "tools/crash/db_reader.h"
#include "tools/crash/import_device.h"
#include "util/mutex.h"
#include "util/random.h"
#include "varve/db.h"

// What the clients of a crashed database did: seeded writes, ingestions, reads, flushes, syncs,
// checkpoints, snapshots and iterators, each recorded in the ledger and checked against what the
// client knows.

namespace varve::crash {

// How one run behaves; all from its seed.
struct DbRunOptions {
  Options db;  // without env
  int writers = 1;
  int keys_per_writer = 20;
  int steps = 100;  // of each writer in each life
  int lives = 1;    // opens, with a close after each
  size_t value_bytes_max = 1000;
  uint32_t sync_one_in = 8;
  uint32_t unlogged_one_in = 0;  // sections without a log begin so often; 0: never
  uint32_t flush_one_in = 60;
  uint32_t ingest_one_in = 0, checkpoint_one_in = 0;  // 0: never
  SimFault fault;                                     // nth 0: none
  uint64_t lie_nth = 0;  // the sync that persists nothing and says OK; 0: none

  // `focus`: "flush", "compaction", "checkpoint", "recovery": what there is to be most of; "db": of
  // nothing.
  static DbRunOptions FromSeed(uint64_t seed, const std::string& variant, const std::string& focus,
                               bool short_run);
  void FocusOn(const std::string& focus, Random* random);
};

std::string KeyOf(int writer, int key);
// Whose a key is; -1 if nobody's.
int WriterOf(Slice key);
// Of a state, one sum a writer. *fault says of a key that nobody has.
std::vector<uint64_t> HashesOf(const Ledger::State& state, int writers, std::string* fault);

// What the clients of one run share.
struct DbRun {
  DbRunOptions options;
  std::shared_ptr<SimFileSystem> fs;
  std::shared_ptr<Ledger> ledger;
  std::shared_ptr<ImportDevice> imports;
  Checkpoints checkpoints{
      [](DB* of, Ledger::State* state) { return ReadEverything(of, {}, state); }};
  int lives = 0;  // that have ended, in sessions before too
  DB* db = nullptr;
  Options opened;  // what `db` was opened with

  // The first thing that went wrong.
  void Fault(const std::string& what);
  std::string fault() const;
  // Whether an error is one that an injected fault explains; a fault otherwise.
  bool Explained(const char* call, const Status& status);
  // The highest sequence published, by position. What a failed write may have taken does not count:
  // it may have failed before it took any.
  void SetSequence(uint64_t last, uint64_t position);
  uint64_t HighestSequence(uint64_t position) const;

 private:
  mutable Mutex mutex_;
  std::string fault_ GUARDED_BY(mutex_);
  std::vector<std::pair<uint64_t, uint64_t>> sequences_ GUARDED_BY(mutex_);  // position, highest
};

// One writer's life: `options.steps` operations on `run->db`. `state` is what its keys hold, and is
// kept so. False once a write failed: it must not write again.
bool RunClient(DbRun* run, int writer, uint64_t seed, Ledger::State* state);

// The newest published sequence of an open database.
uint64_t LastSequence(DB* db);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_DB_WORKLOAD_H_
