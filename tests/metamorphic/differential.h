#ifndef VARVE_TESTS_METAMORPHIC_DIFFERENTIAL_H_
#define VARVE_TESTS_METAMORPHIC_DIFFERENTIAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/metamorphic/operation.h"
#include "tests/metamorphic/runner.h"

// One seed of the comparison, for the test and for `varve_crash --differential`.

namespace varve::metamorphic {

struct DifferentialOptions {
  uint64_t operations = 10000;   // of a seed; a quarter where the file system is the real one
  std::string without = {};      // kinds of operation that are left out: "merge,flush"
  bool rocksdb = true;           // compare with RocksDB too, not with the map alone
  int option_sets = 1;           // so many databases, each under options of its own
  uint64_t shrink_seconds = 60;  // how long a list that fails is made shorter; 0: not at all
};

enum class Disk { kSimulated, kReal };

std::optional<Difference> RunOn(Disk disk, const std::vector<Operation>& operations,
                                const DifferentialOptions& options);

// "" if all agreed on the operations of this seed. Else all there is to say, with the short list
// that fails as well, which is kept in a file; `replay` is the command that runs the seed again.
// One seed in four runs on the real file system, where syncs take their time.
std::string RunSeed(uint64_t seed, const DifferentialOptions& options, const std::string& replay);

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_DIFFERENTIAL_H_
