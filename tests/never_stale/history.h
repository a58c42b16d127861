#ifndef VARVE_TESTS_NEVER_STALE_HISTORY_H_
#define VARVE_TESTS_NEVER_STALE_HISTORY_H_

#include <cstdint>
#include <string>

namespace varve::never_stale {

struct HistoryResult {
  std::string finding;  // "": nothing was wrong
  uint64_t operations = 0;
  // What happened in it, so that a history that shows nothing shows that too.
  uint64_t hits = 0, flushes = 0, compactions = 0;
};

// Random operations on the engine, which a seed decides with everything else: options, interleaving
// of background threads, what is lost in a crash. The same build always does the same.
HistoryResult RunHistory(uint64_t seed, uint64_t operations);

}  // namespace varve::never_stale

#endif  // VARVE_TESTS_NEVER_STALE_HISTORY_H_
