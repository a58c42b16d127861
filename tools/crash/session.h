#ifndef VARVE_TOOLS_CRASH_SESSION_H_
#define VARVE_TOOLS_CRASH_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/ledger.h"
#include "tests/support/sim_file_system.h"
#include "tools/crash/crash_point.h"
#include "varve/status.h"

// What is crashed: a part of the engine, or all of it, behind one interface.
//
// A *session* is one life of it: it opens what is on a simulated disk, does seeded work on it and
// ends, and leaves a recorded history of the disk and a ledger of what was promised when. From any
// crash image of it the subject can be *observed* (opened, read in every way, closed, opened again)
// and a further session can be started.

namespace varve::crash {

struct CacheFindings;

// What was found on a crash image.
struct Observation {
  // The first thing that went wrong, in words; empty if all agreed with itself. Whether the state
  // is one of those allowed is not judged here.
  std::string fault;
  // Of the state, one sum a writer (Ledger::HashEntry).
  std::vector<uint64_t> hashes;
  // Lowest number of a file that opening it made; UINT64_MAX if it made none.
  uint64_t lowest_new_file = UINT64_MAX;
  // Lowest sequence that a write after opening it takes; UINT64_MAX if not tried.
  uint64_t lowest_new_sequence = UINT64_MAX;
  // Of a cache, in place of the hashes.
  std::shared_ptr<const CacheFindings> cache;
};

// What counts of a crash when an observation is judged.
struct Circumstances {
  bool kill = false;  // nothing that was cached is lost: the process died, and no sync had failed
  bool damaged = false;  // something besides the crash befell the disk
  bool lied = false;     // a sync before it had persisted nothing
  bool decayed = false;  // either of a kind that no engine can make up for
};

class Session {
 public:
  virtual ~Session() = default;

  const SimHistory& history() const { return fs_->history(); }
  const std::shared_ptr<Ledger>& ledger() const { return ledger_; }
  // What went wrong while it ran, as in Observation.
  const std::string& fault() const { return fault_; }
  // Whether an injected error was met.
  bool met_injected_error() const { return fs_->calls_failed() > 0; }
  // The boundary after which it was met first; UINT64_MAX: it was not.
  uint64_t first_injected_error() const { return fs_->first_failure(); }

  // Where the subject's files are.
  const char* directory() const { return "/db"; }
  // Whether a sync that persisted nothing had returned OK by then.
  bool LiedBefore(uint64_t boundary) const { return fs_->first_lie() < boundary; }
  // Whether opening and reading must tell of any damage that counts: see MatrixOptions::damage.
  virtual bool finds_damage() const { return false; }
  // Says what else than the disk an observation after `point` depends on.
  virtual uint64_t Context(const CrashPoint& /*point*/) const { return 0; }
  // `state`, if not null, gets the entries found. const, and callable by several threads.
  virtual Observation Observe(SimDisk disk, const CrashPoint& point,
                              Ledger::State* state) const = 0;
  // "" if what was found is what the crash may leave, or what is wrong.
  virtual std::string JudgeState(const Observation& observation, const CrashPoint& point,
                                 const Circumstances& how) const;
  // For people: how `state` differs from all that would be legal.
  virtual std::string Explain(const Ledger::State& state, const CrashPoint& point,
                              const Circumstances& how) const;
  // A session on what the crash at `boundary` left. Null if the subject knows no such thing.
  virtual std::unique_ptr<Session> Continue(SimDisk disk, uint64_t boundary, bool kill,
                                            uint64_t seed) const = 0;
  // What must be there after a crash at `boundary`; with the newest root destroyed perhaps less.
  virtual Ledger::Bounds BoundsAt(uint64_t boundary, bool kill, bool /*newest_root_lost*/) const {
    return ledger_->At(boundary, kill);
  }
  // The highest sequence, and number of a file, that may have been given out before `boundary`,
  // apart from names in the history; 0 if unknown.
  virtual uint64_t HighestSequence(uint64_t /*boundary*/) const { return 0; }
  virtual uint64_t HighestFile(uint64_t /*boundary*/) const { return 0; }
  // The highest number of any file that sessions before this one made.
  uint64_t highest_file_before() const { return highest_file_before_; }
  void set_highest_file_before(uint64_t number) { highest_file_before_ = number; }

 protected:
  std::shared_ptr<SimFileSystem> fs_;
  std::shared_ptr<Ledger> ledger_;
  std::string fault_;

 private:
  uint64_t highest_file_before_ = 0;
};

// What the seed leaves open. "-" in a token.
struct SessionOptions {
  uint64_t seed = 1;
  std::string variant = "-";
  // The matrix: what of the engine is to be busiest.
  std::string focus = "db";
};

// The subjects, by name: "wal", "manifest", "db" and what is drawn from it, "evict".
std::unique_ptr<Session> StartWalSession(const SessionOptions& options);
std::unique_ptr<Session> StartManifestSession(const SessionOptions& options);
std::unique_ptr<Session> StartDbSession(const SessionOptions& options);
std::unique_ptr<Session> StartCacheSession(const SessionOptions& options);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_SESSION_H_
