#ifndef VARVE_TOOLS_CRASH_KILL_SUBJECT_H_
#define VARVE_TOOLS_CRASH_KILL_SUBJECT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tools/crash/system_calls.h"
#include "varve/db.h"

// What is really killed: a database or a cache, in one directory after the other. A *round* is one
// child process that opens it and writes, perhaps some that only open it, all of them killed, and
// the check of what they left.

namespace varve::crash {

// What the rounds came to, all together.
struct KillCounts {
  uint64_t batches = 0;    // found in a database; acknowledged by a cache
  uint64_t evictions = 0;  // of segments, and from memory, that a cache told of
};

inline constexpr char kWrong[] = "WRONG: ";

class KillSubject {
 public:
  virtual ~KillSubject() = default;

  // False, with errno, if the system gives no memory to share with children.
  virtual bool ok() const = 0;
  // A directory that does not exist yet, for the rounds from now on.
  virtual void NewDirectory(const std::string& path, uint64_t seed) = 0;
  // Before the first child of a round.
  virtual void BeginRound(uint64_t seed) = 0;

  // In a child: opens what is to be killed.
  virtual Status Open(std::unique_ptr<DB>* db) = 0;
  // In a child: writes until it is killed. Tells `fail` at once what goes wrong, from any thread,
  // and returns only then. What begins with kWrong no failure of the system explains.
  using Fail = std::function<void(const std::string& what)>;
  virtual void Write(DB* db, const Fail& fail) = 0;

  // After the last child of a round: opens what they left. "" or what is wrong with it.
  // `failed`: of calls in the children.
  virtual std::string Check(const FailedCalls& failed, KillCounts* counts) = 0;
};

std::unique_ptr<KillSubject> NewDbKillSubject();
std::unique_ptr<KillSubject> NewCacheKillSubject();

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_KILL_SUBJECT_H_
