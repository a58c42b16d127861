#include "tools/crash/eviction_log.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "db/ghost.h"
#include "table/ghost_reader.h"
#include "util/filename.h"
#include "util/hash.h"
#include "varve/comparator.h"

namespace varve::crash {

std::string CacheKey(int key) {
  char text[16];
  std::snprintf(text, sizeof(text), "key-%04d", key);
  return text;
}

int CacheKeyNumber(Slice key) {
  if (key.size() != 8 || key.substr(0, 4) != "key-") return -1;
  const int number = std::atoi(std::string(key.substr(4)).c_str());
  return CacheKey(number) == key ? number : -1;
}

uint64_t KeysOfGhost(FileSystem* files, const std::string& directory, uint64_t number, int keys) {
  const uint64_t all = keys == 64 ? UINT64_MAX : (uint64_t{1} << keys) - 1;
  const std::string path = GhostFileName(directory, number);
  std::unique_ptr<RandomAccessFile> file;
  if (!files->NewRandomAccessFile(path, /*direct=*/false, &file).ok()) return all;
  std::unique_ptr<GhostReader> ghost;
  if (!GhostReader::Open(BytewiseComparator(), std::move(file), path, number, &ghost).ok()) {
    return all;
  }
  uint64_t accepted = 0;
  for (int key = 0; key < keys; ++key) {
    const std::string name = CacheKey(key);
    if (ghost->Accepts(name, Hash64(name))) accepted |= uint64_t{1} << key;
  }
  return accepted;
}

void EvictionLog::OnEviction(const EvictionInfo& info) {
  // Not on the file system itself, whose calls may be counted and made to fail.
  const auto files = SimFileSystem::New({.track = false}, fs_->disk());
  for (const EvictionInfo::Segment& segment : info.segments) {
    LoggedEviction eviction;
    eviction.position = fs_->op_count();
    eviction.number = segment.number;
    // The ghost of one that cannot be read accepts all within its bounds.
    const bool all = segment.number == 0 || info.reason == EvictionReason::kDamaged;
    eviction.keys = all ? UINT64_MAX : KeysOfGhost(files.get(), directory_, segment.number, keys_);
    eviction.smallest_sequence = segment.smallest_sequence;
    eviction.largest_sequence = segment.largest_sequence;
    eviction.sequence_then = newest_();
    eviction.leaves_ghost = segment.leaves_ghost;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      evictions_.push_back(eviction);
    }
    if (call_) call_(eviction);
  }
}

void EvictionLog::OnCacheReset(const CacheResetInfo&) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++resets_;
}

std::vector<LoggedEviction> EvictionLog::evictions() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return evictions_;
}

uint64_t EvictionLog::resets() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return resets_;
}

std::set<uint64_t> LiveSegments(const ManifestState& manifest) {
  std::set<uint64_t> numbers;
  for (const SegmentEntry& entry : manifest.segments) {
    if ((entry.flags & kSegmentGhost) == 0) numbers.insert(entry.number);
  }
  return numbers;
}

std::string CheckGhostFiles(FileSystem* file_system, const std::string& directory,
                            const ManifestState& manifest) {
  for (const SegmentEntry& entry : manifest.segments) {
    if ((entry.flags & kSegmentHasGhostFile) == 0) continue;
    std::shared_ptr<const GhostReader> ghost;
    Status status = LoadGhost(file_system, BytewiseComparator(), directory, entry, &ghost);
    if (status.ok()) status = ghost->Verify();
    if (!status.ok())
      return "ghost of segment " + std::to_string(entry.number) + ": " + status.ToString();
  }
  return "";
}

}  // namespace varve::crash
