#ifndef VARVE_TESTS_METAMORPHIC_LIVE_FILES_H_
#define VARVE_TESTS_METAMORPHIC_LIVE_FILES_H_

#include <string>

#include "varve/env.h"

namespace varve::metamorphic {

// "OK" if the directory of a closed database holds its lock, its manifest, the segments that the
// manifest names, logs that recovery would read or that wait to be used again, and nothing else;
// otherwise what is missing or too much.
std::string CheckLiveFiles(FileSystem* file_system, const std::string& directory);

}  // namespace varve::metamorphic

#endif  // VARVE_TESTS_METAMORPHIC_LIVE_FILES_H_
