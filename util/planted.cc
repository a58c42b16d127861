#include "util/planted.h"

#ifdef VARVE_PLANTED_BUGS

#include <cstdlib>
#include <cstring>

namespace varve {

bool PlantedBugIs(const char* name) {
  static const char* const chosen = std::getenv("VARVE_PLANTED_BUG");
  return chosen != nullptr && std::strcmp(chosen, name) == 0;
}

}  // namespace varve

#endif
