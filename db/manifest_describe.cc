// Manifest::Describe: a dump for people that goes on past damage.

#include <cinttypes>
#include <unordered_set>
#include <utility>

#include "db/cache_reset.h"
#include "db/manifest.h"
#include "db/manifest_load.h"
#include "util/filename.h"
#include "util/printable.h"

namespace varve {
namespace manifest {
namespace {

std::string InternalKeyText(Slice key) {
  if (key.size() < kTrailerBytes) return Printable(key) + " (no internal key)";
  const uint64_t trailer = ExtractTrailer(key);
  if (trailer == kExclusiveTrailer) return "before " + Printable(ExtractUserKey(key));
  return Printable(ExtractUserKey(key)) + " @" + std::to_string(TrailerSequence(trailer)) +
         " type " + std::to_string(static_cast<int>(TrailerType(trailer)));
}

// What is told of an entry in a cache: nothing in most databases.
std::string GhostText(const SegmentEntry& e) {
  std::string text;
  if (e.applied_to != 0) text += ", evictions applied to " + std::to_string(e.applied_to);
  if (e.flags & kSegmentGhost) {
    text += ", a ghost since eviction " + std::to_string(e.evicted) +
            (e.flags & kSegmentHasGhostFile ? "" : ", without a file");
  } else if (e.flags & kSegmentHasGhostFile) {
    text += ", ghost file of " + std::to_string(e.ghost_bytes) + " bytes";
  }
  return text;
}

class Describer {
 public:
  Describer(PageSource* source, std::string* text) : source_(source), text_(text) {}

  Status Run() {
    Line(0, source_->path() + ": " + std::to_string(source_->file_bytes()) + " bytes, " +
                std::to_string(source_->pages()) + " pages");
    FoundRoot roots[kRoots];
    for (uint32_t i = 0; i < kRoots; ++i) {
      if (Status s = ReadRoot(source_, i, &roots[i]); !s.ok()) return s;
      DescribeRoot(i, roots[i]);
    }
    uint32_t slot;
    if (Status s = ChooseRoot(*source_, roots, &slot); !s.ok()) {
      Problem(0, s);
    } else {
      Line(0, "contents, by the root in page " + std::to_string(slot) + ":");
      const Root& root = roots[slot].root;
      if (root.height > 0) Links(1, slot, root.links, root.height - 1);
      Line(1, "changes in the root: " + std::to_string(root.changes_count));
      Cells(2, slot, root.changes);
      Line(0, std::to_string(root.segments) + " segments by the root; " +
                  std::to_string(reached_.size()) + " pages reached below it");
    }
    // The walk above goes on past what it does not understand; this is what an opening would say.
    LoadedManifest loaded;
    const Status strict = LoadManifest(source_, &loaded);
    if (!strict.ok() && problems_ == 0) Problem(0, strict);
    Line(0, problems_ == 0 ? "no damage found"
                           : "DAMAGED: " + std::to_string(problems_) + " problems, see above");
    return Status::OK();
  }

 private:
  void Line(int depth, const std::string& line) {
    text_->append(2 * depth, ' ').append(line).push_back('\n');
  }
  void Problem(int depth, const Status& status) {
    ++problems_;
    Line(depth, "!! " + status.ToString());
  }

  void DescribeRoot(uint32_t slot, const FoundRoot& found) {
    const std::string name = "root in page " + std::to_string(slot);
    if (!found.valid) {
      // A crash in the midst of a commit leaves this; with the other root valid it is no damage.
      Line(0, name + ": not valid: " + std::string(found.status.message()));
      return;
    }
    const Root& root = found.root;
    const ManifestState& s = root.state;
    Line(0, name + ": generation " + std::to_string(s.generation));
    Line(1, "format version " + std::to_string(s.format_version) + ", features: compatible " +
                Hex(s.compatible_features) + ", read-only-compatible " +
                Hex(s.read_only_compatible_features) + ", incompatible " +
                Hex(s.incompatible_features));
    Line(1, "database " + s.database_id.ToString() + ", comparator " + Printable(s.comparator));
    if (!found.status.ok()) return;  // told where the root is chosen
    Line(1, "next file number " + std::to_string(s.next_file_number) + ", next sequence " +
                std::to_string(s.next_sequence) + ", retained sequence " +
                std::to_string(s.retained_sequence));
    Line(1, "lowest log " + std::to_string(s.lowest_log) + ", log durable to " +
                s.durable_log.ToString() + ", clock mark " + std::to_string(s.clock_mark_ms) +
                " ms");
    Line(1, "mode bits " + Hex(s.mode_bits) +
                ((s.mode_bits & kCacheMode) != 0 ? " (a cache)" : " (a database)") +
                (s.clean_close ? ", closed cleanly" : ", not closed") +
                (s.condemned ? ", condemned" : "") + (s.unlogged ? ", unlogged writes" : "") +
                (s.all_synced ? ", every write synced" : "") + ", boot " + Printable(s.boot_id));
    if (s.last_reset.has_value()) Line(1, "last reset: " + DescribeReset(*s.last_reset));
    Line(1, std::to_string(root.segments) + " segments, tree of height " +
                std::to_string(root.height) + " with " + std::to_string(root.links.size()) +
                " links, " + std::to_string(root.changes_count) + " changes, " +
                std::to_string(root.extensions.size()) + " bytes of extensions");
  }

  // False, and a problem, if the page was there before: so this ends.
  Status Reach(uint32_t page) {
    if (page < kRoots || page >= source_->pages()) {
      return Status::Corruption("links to page " + std::to_string(page));
    }
    if (!reached_.insert(page).second) {
      return Status::Corruption("links to page " + std::to_string(page) + " a second time");
    }
    return Status::OK();
  }

  void Links(int depth, uint32_t parent, const std::vector<ChildLink>& links, int level) {
    for (const ChildLink& child : links) {
      Status s = Reach(child.link.page);
      if (!s.ok()) {
        Problem(depth, source_->At(parent, s));
        continue;
      }
      PageHeader header;
      Slice payload;
      s = ReadLinked(source_, child.link, level == 0 ? PageType::kLeaf : PageType::kInner,
                     static_cast<uint8_t>(level), &header, &payload);
      if (!s.ok()) {
        Problem(depth, s);
        continue;
      }
      Line(depth, (level == 0 ? "leaf in page " : "inner node in page ") +
                      std::to_string(child.link.page) + ": level " + std::to_string(level) +
                      ", generation " + std::to_string(header.generation) + ", " +
                      std::to_string(header.items) + " items, " + std::to_string(payload.size()) +
                      " bytes, from segment " + std::to_string(child.first));
      if (level == 0) {
        Cells(depth + 1, child.link.page, payload);
        continue;
      }
      std::vector<ChildLink> below(payload.size() / kChildLinkBytes);
      for (ChildLink& link : below) GetChildLink(&payload, &link);
      Links(depth + 1, child.link.page, below, level - 1);
    }
  }

  void Cells(int depth, uint32_t page, Slice cells) {
    Cell cell;
    while (!cells.empty()) {
      if (!GetCell(&cells, &cell)) {
        Problem(depth, source_->At(page, Status::Corruption("a cell is malformed")));
        return;
      }
      const std::string name = "segment " + std::to_string(cell.number);
      if (cell.kind == CellKind::kRemoved) {
        Line(depth, name + ": removed");
        continue;
      }
      std::string spilled, where;
      Slice body = cell.body;
      if (cell.kind == CellKind::kSpilled) {
        std::vector<uint32_t> chain;
        Status s = ReadSpill(
            source_, page, cell, [this](uint32_t p) { return Reach(p); }, &spilled, &chain);
        if (!s.ok()) {
          Problem(depth, s);
          continue;
        }
        body = spilled;
        where = ", spilled to " + std::to_string(chain.size()) + " pages from " +
                std::to_string(chain.front());
      }
      SegmentEntry e;
      if (Status s = DecodeSegmentEntry(cell.number, body, &e); !s.ok()) {
        Problem(depth, source_->At(page, s.WithContext(name)));
        continue;
      }
      Line(depth, name + ": level " + std::to_string(e.level) + ", epoch " +
                      std::to_string(e.epoch) + ", " + std::to_string(e.file_bytes) + " bytes (" +
                      std::to_string(e.raw_bytes) + " raw), " + std::to_string(e.entries) +
                      " entries (" + std::to_string(e.deletes) + " deletes" +
                      (e.hidden == 0 ? "" : ", " + std::to_string(e.hidden) + " hidden") +
                      "), sequences " + std::to_string(e.smallest_sequence) + "…" +
                      std::to_string(e.largest_sequence) + ", flags " + Hex(e.flags) +
                      GhostText(e) + where);
      Line(depth + 1, InternalKeyText(e.smallest) + " … " + InternalKeyText(e.largest));
    }
  }

  PageSource* const source_;
  std::string* const text_;
  std::unordered_set<uint32_t> reached_;
  uint64_t problems_ = 0;
};

}  // namespace
}  // namespace manifest

Status Manifest::Describe(FileSystem* file_system, const std::string& directory,
                          std::string* text) {
  const std::string path = ManifestFileName(directory);
  std::unique_ptr<RandomAccessFile> file;
  if (Status s = file_system->NewRandomAccessFile(path, /*direct=*/false, &file); !s.ok()) return s;
  uint64_t file_bytes;
  if (Status s = file->Size(&file_bytes); !s.ok()) return s;
  manifest::PageSource source(path, file_bytes,
                              [&](uint64_t offset, size_t size, char* buffer, size_t* bytes_read) {
                                return file->Read(offset, size, buffer, bytes_read);
                              });
  text->clear();
  return manifest::Describer(&source, text).Run();
}

}  // namespace varve
