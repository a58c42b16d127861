#include "util/filename.h"

#include <cassert>
#include <charconv>
#include <system_error>

namespace varve {
namespace {

constexpr size_t kMinDigits = 6;
constexpr Slice kLogSuffix = ".log";
constexpr Slice kRecycledLogSuffix = ".recycled";
constexpr Slice kSegmentSuffix = ".seg";
constexpr Slice kGhostSuffix = ".ghost";
constexpr Slice kManifestName = "MANIFEST";
constexpr Slice kManifestTempName = "MANIFEST.tmp";
constexpr Slice kLockName = "LOCK";
constexpr Slice kProbeName = "PROBE";

std::string NumberedName(Slice directory, FileNumber number, Slice suffix) {
  std::string name = std::to_string(number);
  if (name.size() < kMinDigits) name.insert(0, kMinDigits - name.size(), '0');
  name.append(suffix);
  return JoinPath(directory, name);
}

bool ParseDigits(Slice digits, FileNumber* number) {
  if (digits.size() < kMinDigits) return false;
  // Two names for one number would let a stranger's file pass for ours.
  if (digits.size() > kMinDigits && digits.front() == '0') return false;
  const char* end = digits.data() + digits.size();
  const auto [parsed_to, error] = std::from_chars(digits.data(), end, *number);
  return error == std::errc() && parsed_to == end;
}

}  // namespace

std::string JoinPath(Slice directory, Slice name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path.push_back('/');
  path.append(name);
  return path;
}

std::string ParentDirectory(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const size_t slash = end == std::string::npos ? end : path.rfind('/', end);
  if (slash == std::string::npos) return end == std::string::npos && !path.empty() ? "/" : ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string LogFileName(Slice directory, FileNumber number) {
  return NumberedName(directory, number, kLogSuffix);
}

std::string RecycledLogFileName(Slice directory, FileNumber number) {
  return NumberedName(directory, number, kRecycledLogSuffix);
}

std::string SegmentFileName(Slice directory, FileNumber number) {
  return NumberedName(directory, number, kSegmentSuffix);
}

std::string GhostFileName(Slice directory, FileNumber number) {
  return NumberedName(directory, number, kGhostSuffix);
}

std::string FileName(Slice directory, const NumberedFile& file) {
  switch (file.type) {
    case FileType::kLog:
      return LogFileName(directory, file.number);
    case FileType::kRecycledLog:
      return RecycledLogFileName(directory, file.number);
    case FileType::kSegment:
      return SegmentFileName(directory, file.number);
    case FileType::kGhost:
      return GhostFileName(directory, file.number);
    case FileType::kManifest:
    case FileType::kManifestTemp:
    case FileType::kLock:
    case FileType::kProbe:
      break;
  }
  assert(false);  // it has no number
  return {};
}

std::string ManifestFileName(Slice directory) { return JoinPath(directory, kManifestName); }
std::string ManifestTempFileName(Slice directory) { return JoinPath(directory, kManifestTempName); }
std::string LockFileName(Slice directory) { return JoinPath(directory, kLockName); }
std::string ProbeFileName(Slice directory) { return JoinPath(directory, kProbeName); }

bool ParseFileName(Slice name, FileNumber* number, FileType* type) {
  struct Fixed {
    Slice name;
    FileType type;
  };
  for (const Fixed& fixed :
       {Fixed{kManifestName, FileType::kManifest},
        Fixed{kManifestTempName, FileType::kManifestTemp}, Fixed{kLockName, FileType::kLock},
        Fixed{kProbeName, FileType::kProbe}}) {
    if (name == fixed.name) {
      *number = 0;
      *type = fixed.type;
      return true;
    }
  }
  for (const Fixed& suffix :
       {Fixed{kLogSuffix, FileType::kLog}, Fixed{kRecycledLogSuffix, FileType::kRecycledLog},
        Fixed{kSegmentSuffix, FileType::kSegment}, Fixed{kGhostSuffix, FileType::kGhost}}) {
    if (!name.ends_with(suffix.name)) continue;
    FileNumber parsed = 0;
    if (!ParseDigits(name.substr(0, name.size() - suffix.name.size()), &parsed)) return false;
    *number = parsed;
    *type = suffix.type;
    return true;
  }
  return false;
}

}  // namespace varve
