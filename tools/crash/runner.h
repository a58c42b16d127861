#ifndef VARVE_TOOLS_CRASH_RUNNER_H_
#define VARVE_TOOLS_CRASH_RUNNER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tools/crash/matrix.h"

// Runs matrices for a time in several worker processes, one seed after the other, and gathers what
// they report. Processes, so that an abort or a hang of the engine ends a worker alone: it is a
// violation like any other, with the token of the image that was being looked at.

namespace varve::crash {

struct RunnerOptions {
  std::vector<std::string> matrices;  // taken in turn; "faults" is Matrix::RunFaults of "db"
  std::string variant = "-";
  uint64_t seed = 1;  // the first; each session takes the next
  double seconds = 60;
  uint64_t sessions_max = 0;  // 0: as many as the time allows
  int jobs = 2;
  double hang_seconds = 60;      // without a new image
  uint64_t violations_max = 20;  // ends the run
  MatrixOptions matrix;
};

struct Violation {
  std::string token;
  std::string text;
};

struct RunnerReport {
  uint64_t sessions = 0;  // that seeds started; continuations not counted
  uint64_t images = 0;    // judged
  uint64_t distinct = 0;  // with a state never seen before in their run: opened and read
  uint64_t violations = 0;
  double seconds = 0;
  std::vector<Violation> found;  // the first ones
  std::map<std::pair<std::string, std::string>, Cell> cells;
  std::string error;  // the run itself went wrong
};

// `progress`: draw a table of it on standard error as it goes.
RunnerReport Run(const RunnerOptions& options, bool progress);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_RUNNER_H_
