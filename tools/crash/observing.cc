#include "tools/crash/observing.h"

#include <algorithm>
#include <utility>

#include "util/filename.h"
#include "util/thread.h"

namespace varve::crash {

std::string EndFirstLife(const std::shared_ptr<SimFileSystem>& fs, uint64_t seed,
                         std::unique_ptr<DB>* db, std::shared_ptr<SimFileSystem>* second) {
  SimDisk dead = fs->disk().Kill();
  SleepFor(kSettleMillis * 1'000'000);
  if (Status s = (*db)->Close(); !s.ok()) return "close: " + s.ToString();
  db->reset();
  if (const int open = fs->open_files(); open != 0) {
    return std::to_string(open) + " files are open after close";
  }
  *second =
      seed % 2 == 0 ? SimFileSystem::New({.seed = seed + 1, .track = false}, std::move(dead)) : fs;
  return "";
}

void NoteNumbers(const SimFileSystem& fs, Observation* observation) {
  for (const std::string& name : fs.names_given()) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;
    if (type != FileType::kLog && type != FileType::kSegment) continue;
    observation->lowest_new_file = std::min<uint64_t>(observation->lowest_new_file, number);
  }
}

}  // namespace varve::crash
