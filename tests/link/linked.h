#ifndef VARVE_TESTS_LINK_LINKED_H_
#define VARVE_TESTS_LINK_LINKED_H_

#include <string>

#include "varve/options.h"

namespace varve {

// Whether this program uses glog, from a shared library or linked in.
bool LinksGlog();

// Opens a database in `directory` in a way that makes the engine warn: it gives up what is behind a
// damaged record of the log. No logger is set.
void MakeTheEngineWarn(const std::string& directory);

// What the warning says, among other things.
inline constexpr char kWarning[] = "recovery of the log ends";

}  // namespace varve

#endif  // VARVE_TESTS_LINK_LINKED_H_
