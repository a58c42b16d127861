#ifndef VARVE_TOOLS_CRASH_MATRIX_H_
#define VARVE_TOOLS_CRASH_MATRIX_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tools/crash/crash_point.h"
#include "tools/crash/session.h"
#include "util/random.h"

// Makes the crash images of a session and holds what is found on them against the ledger.
//
//   1. Walk through the session's history, change by change.
//   2. At each boundary choose crashes (Plan): kill, a torn next write, power loss with each of the
//      ways to lose what is pending.
//   3. Materialise each; an image seen before is not opened again, as what was observed on it can
//   be
//      judged anew by what was promised at this boundary.
//   4. Observe it, and judge: the state is a legal prefix, no number is used twice.
//   5. From a few images go on with a further session, and walk through that one too: crashes
//      during recovery, and after it.

namespace varve::crash {

struct MatrixOptions {
  uint64_t images_max = 3000;    // of a session, about; 0: every image that Plan knows
  int depth = 2;                 // crashes in a row
  int continuations = 2;         // sessions that go on after a crash of one
  bool damage = true;            // also images that are damaged apart from the crash
  uint64_t boundary_one_in = 1;  // looks at each so many-th boundary, by chance, and at the last
  // Of the manifest: every mixture of old and new sectors of a root that is pending, and of pages
  // while they are twelve at most.
  bool exhaustive = false;
  // These alone, as CrashPoint::Fault() names them; none: all.
  std::vector<std::string> faults = {};
};

struct Cell {
  uint64_t images = 0, violations = 0;
};

// What the matrix tells whoever runs it.
class MatrixListener {
 public:
  virtual ~MatrixListener() = default;
  // Before each image, so that a hang or an abort can be traced. False ends the run.
  virtual bool OnImage(const Token& token) = 0;
  virtual void OnObserved() = 0;  // the image was one never seen before, and passed
  virtual void OnViolation(const Token& token, const std::string& text) = 0;
};

class Matrix {
 public:
  Matrix(const MatrixOptions& options, MatrixListener* listener)
      : options_(options), listener_(listener) {}

  // Starts the session that `token` names, without its points, and examines it. False if the
  // listener ended it.
  bool Run(const Token& token);
  // Runs the session of `token` again and again, with its first call failing, its second, and so
  // on, once and for good, until no call is left to fail (variants of the db matrix).
  bool RunFaults(const Token& token);
  // Examines a session; `token` names it.
  bool Examine(const Session& session, Token token) {
    return Examine(session, std::move(token), options_.images_max);
  }
  // Exactly the image of `token`. The text of its violation, or "".
  std::string Replay(const Token& token);

  // By place (the label of the change before the crash) and fault.
  const std::map<std::pair<std::string, std::string>, Cell>& cells() const { return cells_; }

 private:
  // `from`: those before it have been examined.
  bool Examine(const Session& session, Token token, uint64_t images_max, uint64_t from = 0);
  // `after_step`: the last change was none of the disk. `decays`: damage is to be found.
  std::vector<CrashPoint> Plan(const SimReplay& replay, const SimOp* next, bool after_step,
                               bool decays, uint64_t allowance, Random* random) const;
  void PlanEveryMixture(const SimReplay& replay, const SimOp* next,
                        std::vector<CrashPoint>* points) const;
  bool IsWanted(const CrashPoint& point) const;
  // "" or what is wrong. `doubtful`: a sync failed, so the cache promises nothing.
  std::string Judge(const Session& session, const CrashPoint& point, const Observation& observation,
                    bool doubtful, uint64_t highest_file) const;
  static Circumstances CircumstancesOf(const Session& session, const CrashPoint& point,
                                       bool doubtful);
  std::string Report(const Session& session, const SimReplay& replay, const CrashPoint& point,
                     const std::string& wrong, bool doubtful) const;

  const MatrixOptions options_;
  MatrixListener* const listener_;
  std::unordered_map<uint64_t, Observation> seen_;
  std::unordered_set<uint64_t> counted_;  // of this token, whichever call failed
  std::map<std::pair<std::string, std::string>, Cell> cells_;
};

// The session a token begins with; null if there is no such matrix.
std::unique_ptr<Session> StartSession(const Token& token);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_MATRIX_H_
