#ifndef VARVE_UTIL_FILENAME_H_
#define VARVE_UTIL_FILENAME_H_

#include <compare>
#include <cstdint>
#include <string>

#include "util/internal_key.h"
#include "varve/slice.h"

// The names of the files of a database directory (docs/architecture.md). Parsing is strict: it
// accepts exactly the names that the functions below make, so a file that somebody else put into
// the directory is never taken for one of ours (Checklist L7).

namespace varve {

enum class FileType : uint8_t {
  kLog,
  kRecycledLog,
  kSegment,
  kGhost,
  kManifest,
  kManifestTemp,
  kLock,
  kProbe,
};

// A file that has a number: a log, a segment, a ghost.
struct NumberedFile {
  FileType type = FileType::kSegment;
  FileNumber number = 0;

  friend auto operator<=>(const NumberedFile&, const NumberedFile&) = default;
};

// `directory` and `name` joined by one slash; an empty directory gives the bare name.
std::string JoinPath(Slice directory, Slice name);

// The directory that `path` is in: "a" for "a/b" and for "a/b/", "." for "b", "/" for "/b".
std::string ParentDirectory(const std::string& path);

// <directory>/000012.log and the like: at least six digits, more where the number needs them.
std::string LogFileName(Slice directory, FileNumber number);
std::string RecycledLogFileName(Slice directory, FileNumber number);
std::string SegmentFileName(Slice directory, FileNumber number);
std::string GhostFileName(Slice directory, FileNumber number);
std::string FileName(Slice directory, const NumberedFile& file);

std::string ManifestFileName(Slice directory);
std::string ManifestTempFileName(Slice directory);
std::string LockFileName(Slice directory);
// Written and removed again, to see whether the directory works.
std::string ProbeFileName(Slice directory);

// Takes a bare name, without directory, apart; *number is 0 for files that have none. False, with
// nothing set, if it is no name of ours: another suffix, too few digits, more digits than the
// number needs, a number past 64 bits.
[[nodiscard]] bool ParseFileName(Slice name, FileNumber* number, FileType* type);

}  // namespace varve

#endif  // VARVE_UTIL_FILENAME_H_
