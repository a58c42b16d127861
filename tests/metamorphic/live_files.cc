#include "tests/metamorphic/live_files.h"

#include <set>
#include <vector>

#include "db/manifest.h"
#include "util/filename.h"

namespace varve::metamorphic {

std::string CheckLiveFiles(FileSystem* file_system, const std::string& directory) {
  ManifestState state;
  Status status = Manifest::Inspect(file_system, directory, &state);
  if (!status.ok()) return status.ToString();
  if (!state.clean_close) return "the manifest does not know of the close";
  std::vector<std::string> names;
  status = file_system->ListDirectory(directory, &names);
  if (!status.ok()) return status.ToString();

  std::set<NumberedFile> missing;
  for (const SegmentEntry& segment : state.segments) {
    for (const NumberedFile& file : FilesOf(segment)) missing.insert(file);
  }
  for (const std::string& name : names) {
    FileNumber number;
    FileType type;
    if (!ParseFileName(name, &number, &type)) return "a file of no known name: " + name;
    switch (type) {
      case FileType::kLock:
      case FileType::kManifest:
      case FileType::kRecycledLog:
        break;
      case FileType::kManifestTemp:
      case FileType::kProbe:
        return "left over: " + name;
      case FileType::kLog:
        if (number < state.lowest_log) return "a log that is not needed: " + name;
        break;
      case FileType::kSegment:
      case FileType::kGhost:
        if (missing.erase({type, number}) == 0) return "a file that is not live: " + name;
        break;
    }
  }
  if (!missing.empty()) return "a file is missing: " + FileName(directory, *missing.begin());
  return "OK";
}

}  // namespace varve::metamorphic
