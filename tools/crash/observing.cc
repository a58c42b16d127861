#include "tools/crash/observing.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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

FileNumber HighestNumber(FileSystem* fs, const std::string& directory) {
  std::vector<std::string> names;
  fs->ListDirectory(directory, &names).ok();  // without a directory nothing is there
  FileNumber highest = 0;
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;
    if (type == FileType::kSegment || type == FileType::kGhost) highest = std::max(highest, number);
  }
  return highest;
}

std::string NoteNumbers(const SimFileSystem& fs, FileNumber there, Observation* observation) {
  for (const std::string& name : fs.names_given()) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) continue;
    if (type != FileType::kLog && type != FileType::kSegment) continue;
    observation->lowest_new_file = std::min<uint64_t>(observation->lowest_new_file, number);
  }
  if (observation->lowest_new_file > there) return "";
  return "file number " + std::to_string(observation->lowest_new_file) + " is given out; " +
         std::to_string(there) + " is there";
}

}  // namespace varve::crash
