#ifndef VARVE_TOOLS_LDB_LDB_H_
#define VARVE_TOOLS_LDB_LDB_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "varve/options.h"

namespace varve::ldb {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Runs the command line `arguments` (without the program's name) and returns the exit status.
// Results go to `out`, each error as one line "varve_ldb: <what>" to `err`. `base` gives what no
// flag can name: the comparator and the Env. One call at a time, as the flags are global.
int Run(const std::vector<std::string>& arguments, const Options& base, std::ostream& out,
        std::ostream& err);

}  // namespace varve::ldb

#endif  // VARVE_TOOLS_LDB_LDB_H_
