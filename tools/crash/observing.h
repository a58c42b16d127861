#ifndef VARVE_TOOLS_CRASH_OBSERVING_H_
#define VARVE_TOOLS_CRASH_OBSERVING_H_

#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/sim_file_system.h"
#include "tools/crash/session.h"
#include "util/filename.h"
#include "varve/db.h"

// What observing the image of a database and that of a cache have in common.

namespace varve::crash {

// Background work that needs no one to wait for it has ended after that much virtual time.
inline constexpr uint64_t kSettleMillis = 60'000;

// Ends the first life of an image: lets background work settle, in virtual time, and closes `db`.
// *second is what the second open meets, by the seed: what a process leaves that dies at once, or
// `fs` as closing has left it. "" or what was wrong.
std::string EndFirstLife(const std::shared_ptr<SimFileSystem>& fs, uint64_t seed,
                         std::unique_ptr<DB>* db, std::shared_ptr<SimFileSystem>* second);

// The highest number of a segment's or ghost's file in the directory, 0 if there is none.
FileNumber HighestNumber(FileSystem* fs, const std::string& directory);
// Notes the lowest number of the logs and segments that were made in it. "" if it is above
// `there`, the highest that was there before, and so no name was in the way.
std::string NoteNumbers(const SimFileSystem& fs, FileNumber there, Observation* observation);

}  // namespace varve::crash

#endif  // VARVE_TOOLS_CRASH_OBSERVING_H_
