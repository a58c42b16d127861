#include "db/ghost.h"

#include "util/filename.h"

namespace varve {

SegmentEntry GhostEntry(const SegmentEntry& segment, uint64_t evicted, bool has_file) {
  SegmentEntry ghost = segment;
  ghost.flags |= kSegmentGhost;
  ghost.evicted = evicted;
  ghost.file_bytes = ghost.ghost_bytes;
  ghost.ghost_bytes = 0;
  return has_file ? ghost : WideGhostEntry(ghost, evicted);
}

SegmentEntry WideGhostEntry(const SegmentEntry& ghost, uint64_t evicted) {
  SegmentEntry wide = ghost;
  wide.evicted = evicted;
  wide.flags &= ~uint64_t{kSegmentHasGhostFile};
  wide.file_bytes = 0;
  return wide;
}

Status LoadGhost(FileSystem* file_system, const Comparator* comparator,
                 const std::string& directory, const SegmentEntry& entry,
                 std::shared_ptr<const GhostReader>* reader) {
  const std::string path = GhostFileName(directory, entry.number);
  if ((entry.flags & kSegmentHasGhostFile) == 0) {
    return Status::NotFound(path + ": the manifest names no such file");
  }
  std::unique_ptr<RandomAccessFile> file;
  Status status = file_system->NewRandomAccessFile(path, /*direct=*/false, &file);
  if (status.IsNotFound()) {
    status = Status::Corruption(path + ": missing, but the manifest names it");
  }
  uint64_t size = 0;
  if (status.ok()) status = file->Size(&size);
  if (const uint64_t expected = BytesOf(entry, FileType::kGhost); status.ok() && size != expected) {
    status = Status::Corruption(path + ": expected " + std::to_string(expected) +
                                " bytes as the manifest says, found " + std::to_string(size));
  }
  std::unique_ptr<GhostReader> opened;
  if (status.ok()) {
    status = GhostReader::Open(comparator, std::move(file), path, entry.number, &opened);
  }
  if (status.ok()) *reader = std::move(opened);
  return status;
}

}  // namespace varve
