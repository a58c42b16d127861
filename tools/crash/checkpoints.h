#ifndef VARVE_TOOLS_CRASH_CHECKPOINTS_H_
#define VARVE_TOOLS_CRASH_CHECKPOINTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/ledger.h"
#include "tests/support/sim_disk.h"
#include "util/mutex.h"
#include "varve/db.h"

// The checkpoints that the clients of a run take, and what a crash may leave of them.
//
//  1. A client says that it begins one, and later that the call returned. If it returned OK, the
//     checkpoint is read at once, on a copy of the disk: what it holds then it holds for ever, and
//     Verify() says, when the run has ended, whether that is a prefix of the writes.
//  2. On a crash image a checkpoint that had returned OK is there; one that had not is there whole
//     or is no database (DB::Checkpoint). Where it is there it opens, and holds exactly what (1)
//     found; if the call failed, so that nobody read it, then some legal prefix.
//  3. That of a cache holds the same, less what has expired, and what had expired only when it was
//     read. What it may hold at all the oracle of the cache says.
//
// Whoever opens an image looks at most of the checkpoints for nothing, as crashes rarely change
// them: what was found is kept by the content of the directory.
//
// Recording may be done from any thread; judging too, when the run has ended.

namespace varve::crash {

class Checkpoints {
 public:
  // Reads an open database: "" and its state, or what is wrong.
  using Reader = std::function<std::string(DB*, Ledger::State*)>;
  // By what they are judged.
  struct Rules {
    const Ledger* ledger = nullptr;
    // Of a cache, in place of the ledger: what one may hold, and what may be missing later. Each
    // open of one begins with the time at which it was made, so that what had expired when it was
    // read may show in a later open.
    std::function<bool(const std::string& path, const std::string& key, const std::string& value)>
        may_hold = {};
    std::function<bool(const std::string& key, const std::string& value)> may_go = {};
  };

  explicit Checkpoints(Reader read) : read_(std::move(read)) {}

  // Before the call. A name that nothing on `disk` has; `acknowledged`: what must be in it.
  std::string Begin(const SimDisk& disk, std::vector<Ledger::BatchNumber> acknowledged,
                    uint64_t position);
  // When it returned, and left `disk`. Reads it if it is there. "" and what it holds, or what is
  // wrong. Runs under a scheduler, as Judge() does; `options`: for opening one, whatever the file
  // system.
  std::string Returned(const std::string& path, bool ok, const SimDisk& disk, uint64_t position,
                       const Options& options, Ledger::State* state);

  // "" or which of them holds what is no prefix.
  std::string Verify(const Ledger& ledger) const;

  // What an image at `boundary` has to say of them: differs if Judge() may.
  uint64_t Context(uint64_t boundary) const;
  // "" or what is wrong with them on `disk`, the image of a crash at `boundary`.
  std::string Judge(const SimDisk& disk, uint64_t boundary, const Rules& rules,
                    const Options& options) const;
  // Of `before`, for a run that begins on `disk`, the image of a crash at `boundary`.
  void GoOn(const Checkpoints& before, const SimDisk& disk, uint64_t boundary, bool kill);

 private:
  static constexpr uint64_t kNever = UINT64_MAX;
  struct Record {
    std::string path;
    uint64_t begun_at = 0;
    uint64_t durable_at = kNever;  // returned OK
    uint64_t ended_at = kNever;
    std::vector<Ledger::BatchNumber> low;
    std::optional<Ledger::State> state;
    uint64_t hash = 0;  // of path and state
    // It failed in a session before this one: nothing is known but that the name was used.
    bool given_up = false;
  };

  // What `disk` holds under a record's name, if that is a database: "" and its state, or what is
  // wrong.
  std::string Read(SimDisk disk, const std::string& path, Options options,
                   Ledger::State* state) const;
  std::string JudgeOne(const Record& record, const SimDisk& disk, const Rules& rules,
                       const Options& options) const;

  const Reader read_;
  mutable Mutex mutex_;
  // A record does not change any more when the run has ended.
  std::vector<std::shared_ptr<Record>> records_ GUARDED_BY(mutex_);
  mutable std::map<uint64_t, std::string> judged_ GUARDED_BY(mutex_);  // by record and content
};

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_CHECKPOINTS_H_
