#include "db/manifest_load.h"

#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

namespace varve::manifest {
namespace {

constexpr size_t kPieceBytes = size_t{64} * kPageBytes;
// About what a page holds. Room is taken for so many in advance at most, whatever a root says.
constexpr uint64_t kEntriesPerPage = 48;

std::string Place(uint32_t page) {
  return "page " + std::to_string(page) + " at offset " +
         std::to_string(uint64_t{page} * kPageBytes);
}

// Follows a root's links in order of segment numbers, and weaves the root's changes in.
class Loader {
 public:
  Loader(PageSource* source, LoadedManifest* out) : source_(source), out_(out) {}

  Status Run() {
    const Root& root = out_->root;
    if (Status s = ParseChanges(); !s.ok()) return source_->At(out_->slot, s);
    out_->segments.reserve(std::min(root.segments, source_->pages() * kEntriesPerPage));
    if (root.height > 0) {
      Status s = LoadChildren(out_->slot, root.links, root.height - 1,
                              std::numeric_limits<FileNumber>::max(), &out_->tree.top);
      if (!s.ok()) return s;
    }
    if (Status s = TakeChangesBelow(std::numeric_limits<FileNumber>::max()); !s.ok()) return s;
    if (out_->segments.size() != root.segments) {
      return source_->At(
          out_->slot,
          Status::Corruption("the root says " + std::to_string(root.segments) +
                             " segments, its pages hold " + std::to_string(out_->segments.size())));
    }
    return Status::OK();
  }

 private:
  Status ParseChanges() {
    Slice cells = out_->root.changes;
    Cell cell;
    while (!cells.empty()) {
      if (!GetCell(&cells, &cell)) return Status::Corruption("a change is malformed");
      if (!changes_.empty() && cell.number <= changes_.back().number) {
        return Status::Corruption("changes out of order at segment " + std::to_string(cell.number));
      }
      changes_.push_back(cell);
    }
    if (changes_.size() != out_->root.changes_count) {
      return Status::Corruption("the root says " + std::to_string(out_->root.changes_count) +
                                " changes, it has " + std::to_string(changes_.size()));
    }
    return Status::OK();
  }

  // Marks a page as part of the tree.
  Status Reach(uint32_t page) {
    if (page < kRoots) return Status::Corruption("links to the root " + Place(page));
    if (page >= source_->pages()) {
      return Status::Corruption("links to " + Place(page) + ", past the end of the file (" +
                                std::to_string(source_->file_bytes()) + " bytes)");
    }
    if (!reached_.insert(page).second) {
      return Status::Corruption("links to " + Place(page) + " a second time");
    }
    out_->pages.push_back(page);
    return Status::OK();
  }

  Status LoadChildren(uint32_t parent, const std::vector<ChildLink>& links, int level,
                      FileNumber limit, std::vector<TreeNodePtr>* children) {
    children->reserve(links.size());
    for (size_t i = 0; i < links.size(); ++i) {
      const bool last = i + 1 == links.size();
      const FileNumber end = last ? limit : links[i + 1].first;
      if (links[i].first >= end) {
        return source_->At(parent, Status::Corruption("links out of order at segment " +
                                                      std::to_string(links[i].first)));
      }
      if (Status s = Reach(links[i].link.page); !s.ok()) return source_->At(parent, s);
      auto node = std::make_shared<TreeNode>();
      node->level = static_cast<uint8_t>(level);
      node->first = links[i].first;
      node->link = links[i].link;
      Status s = level == 0 ? LoadLeaf(end, node.get()) : LoadInner(end, node.get());
      if (!s.ok()) return s;
      children->push_back(std::move(node));
    }
    return Status::OK();
  }

  Status LoadInner(FileNumber end, TreeNode* node) {
    PageHeader header;
    Slice payload;
    Status s = ReadLinked(source_, node->link, PageType::kInner, node->level, &header, &payload);
    if (!s.ok()) return s;
    const uint32_t page = node->link.page;
    std::vector<ChildLink> links(payload.size() / kChildLinkBytes);
    if (links.empty() || links.size() != header.items || payload.size() % kChildLinkBytes != 0) {
      return source_->At(page, Status::Corruption(std::to_string(header.items) + " links in " +
                                                  std::to_string(payload.size()) + " bytes"));
    }
    for (ChildLink& link : links) GetChildLink(&payload, &link);
    if (links.front().first != node->first) {
      return source_->At(
          page, Status::Corruption("begins at segment " + std::to_string(links.front().first) +
                                   ", its link says " + std::to_string(node->first)));
    }
    return LoadChildren(page, links, node->level - 1, end, &node->children);
  }

  Status LoadLeaf(FileNumber end, TreeNode* node) {
    PageHeader header;
    Slice payload;
    Status s = ReadLinked(source_, node->link, PageType::kLeaf, 0, &header, &payload);
    if (!s.ok()) return s;
    const uint32_t page = node->link.page;
    node->cells = payload;
    node->cells_count = header.items;
    Slice cells = node->cells;
    Cell cell;
    size_t count = 0;
    for (; !cells.empty(); ++count) {
      if (!GetCell(&cells, &cell) || cell.kind == CellKind::kRemoved) {
        return source_->At(page,
                           Status::Corruption("cell " + std::to_string(count) + " is malformed"));
      }
      const bool in_order = count == 0 ? cell.number == node->first : cell.number > node->last;
      if (!in_order || cell.number >= end) {
        return source_->At(page, Status::Corruption("segment " + std::to_string(cell.number) +
                                                    " is out of order"));
      }
      node->last = cell.number;
      if (s = TakeCell(page, cell); !s.ok()) return s;
    }
    if (count == 0 || count != header.items) {
      return source_->At(page, Status::Corruption("the page says " + std::to_string(header.items) +
                                                  " segments, it has " + std::to_string(count)));
    }
    return Status::OK();
  }

  // A cell of the tree: emitted, unless a change replaces or removes it.
  Status TakeCell(uint32_t page, const Cell& cell) {
    if (Status s = TakeChangesBelow(cell.number); !s.ok()) return s;
    bool emit = true;
    if (next_change_ < changes_.size() && changes_[next_change_].number == cell.number) {
      const Cell& change = changes_[next_change_];
      emit = false;
      // The change is of use only after this: its removal hits something.
      if (change.kind != CellKind::kRemoved) {
        if (Status s = Emit(out_->slot, change, true); !s.ok()) return s;
      }
      ++next_change_;
    }
    return Emit(page, cell, emit);
  }

  Status TakeChangesBelow(FileNumber number) {
    for (; next_change_ < changes_.size() && changes_[next_change_].number < number;
         ++next_change_) {
      const Cell& change = changes_[next_change_];
      if (change.kind == CellKind::kRemoved) {
        return source_->At(out_->slot,
                           Status::Corruption("removes segment " + std::to_string(change.number) +
                                              ", which is not there"));
      }
      if (Status s = Emit(out_->slot, change, true); !s.ok()) return s;
    }
    return Status::OK();
  }

  Status Emit(uint32_t page, const Cell& cell, bool emit) {
    std::string spilled;
    Slice body = cell.body;
    if (cell.kind == CellKind::kSpilled) {
      std::vector<uint32_t> chain;
      Status s = ReadSpill(
          source_, page, cell, [this](uint32_t p) { return Reach(p); }, &spilled, &chain);
      if (!s.ok()) return s;
      out_->spills.emplace(cell.spill.page, std::move(chain));
      body = spilled;
    }
    if (!emit) return Status::OK();
    SegmentEntry entry;
    if (Status s = DecodeSegmentEntry(cell.number, body, &entry); !s.ok()) {
      return source_->At(page, s.WithContext("segment " + std::to_string(cell.number)));
    }
    out_->segments.push_back(std::move(entry));
    return Status::OK();
  }

  PageSource* const source_;
  LoadedManifest* const out_;
  std::vector<Cell> changes_;
  size_t next_change_ = 0;
  std::unordered_set<uint32_t> reached_;
};

}  // namespace

PageSource::PageSource(std::string path, uint64_t file_bytes, ReadFunction read)
    : path_(std::move(path)),
      file_bytes_(file_bytes),
      pages_(static_cast<uint32_t>(
          std::min<uint64_t>(file_bytes / kPageBytes, std::numeric_limits<uint32_t>::max()))),
      read_(std::move(read)) {}

Status PageSource::Page(uint32_t page, Slice* image) {
  *image = Slice();
  if (page >= pages_) return Status::OK();
  const uint64_t offset = uint64_t{page} * kPageBytes, base = offset / kPieceBytes * kPieceBytes;
  Piece& piece = pieces_[base];
  if (piece.bytes == nullptr) {
    const size_t size = std::min<uint64_t>(kPieceBytes, file_bytes_ - base);
    auto bytes = std::make_unique_for_overwrite<char[]>(size);
    if (Status s = read_(base, size, bytes.get(), &piece.size); !s.ok()) return s;
    piece.bytes = std::move(bytes);
  }
  if (offset - base + kPageBytes <= piece.size) {
    *image = Slice(piece.bytes.get() + (offset - base), kPageBytes);
  }
  return Status::OK();
}

Status PageSource::At(uint32_t page, const Status& status) const {
  return status.WithContext(path_ + ": " + Place(page));
}

Status ReadRoot(PageSource* source, uint32_t slot, FoundRoot* found) {
  Slice image, payload;
  if (Status s = source->Page(slot, &image); !s.ok()) return s;
  PageHeader header;
  uint64_t checksum;
  found->status = DecodePage(image, slot, &header, &checksum, &payload);
  found->valid = found->status.ok();
  if (found->valid) found->status = DecodeRoot(image, slot, &found->root);
  return Status::OK();
}

Status ChooseRoot(const PageSource& source, const FoundRoot (&roots)[kRoots], uint32_t* slot) {
  if (!roots[0].valid && !roots[1].valid) {
    return Status::Corruption(source.path() + ": no valid root. " + Place(0) + ": " +
                              std::string(roots[0].status.message()) + "; " + Place(1) + ": " +
                              std::string(roots[1].status.message()));
  }
  for (uint32_t i = 0; i < kRoots; ++i) {
    if (roots[i].valid && !roots[i].status.ok()) return source.At(i, roots[i].status);
  }
  const ManifestState &a = roots[0].root.state, &b = roots[1].root.state;
  if (roots[0].valid && roots[1].valid) {
    if (a.generation == b.generation) {
      return Status::Corruption(source.path() + ": both roots have generation " +
                                std::to_string(a.generation));
    }
    if (a.database_id != b.database_id || a.comparator != b.comparator) {
      return Status::Corruption(source.path() + ": the roots are of two databases, " +
                                a.database_id.ToString() + " and " + b.database_id.ToString());
    }
  }
  *slot = !roots[0].valid || (roots[1].valid && b.generation > a.generation) ? 1 : 0;
  return Status::OK();
}

Status LoadManifest(PageSource* source, LoadedManifest* loaded) {
  FoundRoot roots[kRoots];
  for (uint32_t i = 0; i < kRoots; ++i) {
    if (Status s = ReadRoot(source, i, &roots[i]); !s.ok()) return s;
  }
  if (Status s = ChooseRoot(*source, roots, &loaded->slot); !s.ok()) return s;
  for (uint32_t i = 0; i < kRoots; ++i) {
    if (roots[i].valid) {
      ++loaded->valid_roots;
    } else {
      loaded->invalid_root = Place(i) + ": " + std::string(roots[i].status.message());
    }
  }
  loaded->root = std::move(roots[loaded->slot].root);
  return Loader(source, loaded).Run();
}

ManifestState TakeState(const PageSource& source, LoadedManifest* loaded) {
  ManifestState state = loaded->root.state;
  state.segments = std::move(loaded->segments);
  state.valid_roots = loaded->valid_roots;
  state.invalid_root = loaded->invalid_root;
  state.file_bytes = source.file_bytes();
  return state;
}

Status ReadLinked(PageSource* source, const PageLink& link, PageType type, uint8_t level,
                  PageHeader* header, Slice* payload) {
  Slice image;
  if (Status s = source->Page(link.page, &image); !s.ok()) return s;
  uint64_t checksum;
  Status s = DecodePage(image, link.page, header, &checksum, payload);
  if (s.ok() && (checksum != link.checksum || header->generation != link.generation)) {
    s = Status::Corruption("generation " + std::to_string(header->generation) + ", checksum " +
                           Hex(checksum) + "; its link says generation " +
                           std::to_string(link.generation) + ", checksum " + Hex(link.checksum));
  }
  if (s.ok() && (header->type != type || header->level != level)) {
    s = Status::Corruption("a page of type " + std::to_string(static_cast<int>(header->type)) +
                           " and level " + std::to_string(header->level) + ", expected type " +
                           std::to_string(static_cast<int>(type)) + " and level " +
                           std::to_string(level));
  }
  return s.ok() ? s : source->At(link.page, s);
}

Status ReadSpill(PageSource* source, uint32_t from, const Cell& cell,
                 const std::function<Status(uint32_t page)>& reach, std::string* body,
                 std::vector<uint32_t>* chain) {
  const std::string what = "segment " + std::to_string(cell.number) + ": ";
  if (cell.body_bytes <= kInlineBodyBytesMax || cell.body_bytes > kBodyBytesMax ||
      cell.body_bytes / kSpillBytesMax >= source->pages()) {
    return source->At(from, Status::Corruption(what + "a spilled entry of " +
                                               std::to_string(cell.body_bytes) + " bytes"));
  }
  PageLink link = cell.spill;
  while (body->size() < cell.body_bytes) {
    if (Status s = reach(link.page); !s.ok()) return source->At(from, s);
    PageHeader header;
    Slice payload;
    Status s = ReadLinked(source, link, PageType::kSpill, 0, &header, &payload);
    if (!s.ok()) return s;
    from = link.page;
    chain->push_back(from);
    const size_t expected = std::min<size_t>(cell.body_bytes - body->size(), kSpillBytesMax);
    if (!GetPageLink(&payload, &link) || payload.size() != expected) {
      return source->At(from, Status::Corruption(what + "part of its entry, expected " +
                                                 std::to_string(expected) + " bytes"));
    }
    body->append(payload);
  }
  if (link.page != 0) {
    return source->At(from, Status::Corruption(what + "its spill pages do not end"));
  }
  return Status::OK();
}

}  // namespace varve::manifest
