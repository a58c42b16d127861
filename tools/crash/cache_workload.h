#ifndef VARVE_TOOLS_CRASH_CACHE_WORKLOAD_H_
#define VARVE_TOOLS_CRASH_CACHE_WORKLOAD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/support/sim_file_system.h"
#include "tools/crash/cache_oracle.h"
#include "tools/crash/checkpoints.h"
#include "varve/db.h"

// What the one client of a crashed cache did: writes with and without a time to live, reads that
// make hits, snapshots and iterators, evictions of the policy's choice and of any, in any order.

namespace varve::crash {

// How one run behaves; all from its seed.
struct CacheRunOptions {
  Options cache;  // without env and listeners
  int keys = 20;
  int steps = 100;  // in each life
  int lives = 1;    // opens, with a close after each
  size_t value_bytes_max = 1000;
  uint32_t sync_one_in = 8;
  uint32_t unlogged_one_in = 0;  // sections without a log begin so often; 0: never
  uint32_t ttl_one_in = 3;       // puts that expire
  uint32_t flush_one_in = 60, evict_one_in = 30, policy_one_in = 40, compact_one_in = 60;
  uint32_t checkpoint_one_in = 0;  // 0: never
  SimFault fault;                  // nth 0: none
  uint64_t lie_nth = 0;            // this sync persists nothing, and says OK; 0: none does

  static CacheRunOptions FromSeed(uint64_t seed, const std::string& variant, bool short_run);
  // What matters most of it, for people.
  std::string ToString() const;
  CacheOracle::Mode mode() const {
    return {cache.wal_sync == WalSyncMode::kAlways,
            cache.after_power_loss == AfterPowerLoss::kKeepPrefix};
  }
};

// What a snapshot, an iterator or a checkpoint has to show.
struct CacheView {
  uint32_t batch = 0;         // the last that it sees
  CacheOracle::Reading made;  // when
};

struct CacheRun {
  CacheRunOptions options;
  std::shared_ptr<SimFileSystem> fs;
  std::shared_ptr<CacheOracle> oracle;
  Checkpoints checkpoints{ReadCheckpoint};
  // When each was asked for, by its path.
  std::map<std::string, CacheView> checkpoint_views;
  int lives = 0;  // that have ended, in sessions before too
  DB* db = nullptr;
  Options opened;              // what a checkpoint of `db` is opened with
  uint64_t last_sequence = 0;  // that is known to have been given out
  uint64_t time_high = 0;      // the engine's time is not past it, in all of this session
  std::string fault;           // the first thing that went wrong

  void Fault(const std::string& what) {
    if (fault.empty()) fault = what;
  }
  // Whether an error is one that an injected fault explains; a fault otherwise.
  bool Explained(const char* call, const Status& status);
  bool reads_may_fail() const { return (options.fault.calls & (kSimOpen | kSimRead)) != 0; }
  CacheOracle::Reading Now() const;

 private:
  static std::string ReadCheckpoint(DB* of, Ledger::State* state);
};

// `options.steps` operations on `run->db`. False once a write failed: nothing must be written after
// it.
bool RunCacheClient(CacheRun* run, uint64_t seed);

// As a state of a ledger, which has texts for values, and back.
Ledger::State ToState(const CacheContents& contents);
CacheContents ToContents(const Ledger::State& state);  // of kCacheKeysMax keys

// All that an iterator of now gives: by key, and what is wrong, or "".
std::string ReadCache(DB* db, const Snapshot* snapshot, int keys, CacheContents* found);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_CACHE_WORKLOAD_H_
