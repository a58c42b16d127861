#ifndef VARVE_DB_MANIFEST_LOAD_H_
#define VARVE_DB_MANIFEST_LOAD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "db/manifest_page.h"
#include "db/manifest_tree.h"
#include "varve/env.h"
#include "varve/status.h"

// Reads a manifest: chooses the root, then follows every link of it and checks everything on the
// way. Writes nothing. What comes from the file is never trusted: memory is taken in proportion to
// pages that were read and found whole, and no page is followed twice.

namespace varve::manifest {

// The pages of a file, read in pieces of 256 KiB that stay in memory as long as it does.
class PageSource {
 public:
  using ReadFunction = std::function<Status(uint64_t offset, size_t size, char* buffer, size_t*)>;

  PageSource(std::string path, uint64_t file_bytes, ReadFunction read);

  // The pages that lie whole in the file.
  uint32_t pages() const { return pages_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // *image is empty if the page lies past the end of the file.
  Status Page(uint32_t page, Slice* image);
  // `status` with "<path>: page 7 at offset 28672: " before its message.
  Status At(uint32_t page, const Status& status) const;
  const std::string& path() const { return path_; }

 private:
  struct Piece {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
  };
  const std::string path_;
  const uint64_t file_bytes_;
  const uint32_t pages_;
  const ReadFunction read_;
  std::unordered_map<uint64_t, Piece> pieces_;
};

// Spill pages of each chain, by its first page.
using SpillChains = std::unordered_map<uint32_t, std::vector<uint32_t>>;

struct LoadedManifest {
  Root root;  // the one that counts
  uint32_t slot = 0;
  int valid_roots = 0;
  std::string invalid_root;  // which and why, if not both are valid
  Tree tree;
  SpillChains spills;
  std::vector<uint32_t> pages;  // all that the root reaches, in no order
  std::vector<SegmentEntry> segments;
};

// A root as it stands in its page. `valid`: the page is whole; then `status` is of its fields.
struct FoundRoot {
  bool valid = false;
  Status status;  // why it is not valid, or what is wrong with its fields
  Root root;
};
// Errors are those of reading alone.
Status ReadRoot(PageSource* source, uint32_t slot, FoundRoot* found);
// The slot of the root that counts, or why there is none.
Status ChooseRoot(const PageSource& source, const FoundRoot (&roots)[kRoots], uint32_t* slot);

Status LoadManifest(PageSource* source, LoadedManifest* loaded);
// What callers are told of it; takes the segments.
ManifestState TakeState(const PageSource& source, LoadedManifest* loaded);

// Reads the page a link leads to, and holds it against the link.
Status ReadLinked(PageSource* source, const PageLink& link, PageType type, uint8_t level,
                  PageHeader* header, Slice* payload);
// Reads the body that a spilled cell of page `from` leads to; *chain is its pages, and `reach` is
// asked about each before it is read.
Status ReadSpill(PageSource* source, uint32_t from, const Cell& cell,
                 const std::function<Status(uint32_t page)>& reach, std::string* body,
                 std::vector<uint32_t>* chain);

}  // namespace varve::manifest

#endif  // VARVE_DB_MANIFEST_LOAD_H_
