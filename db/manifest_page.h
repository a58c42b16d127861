#ifndef VARVE_DB_MANIFEST_PAGE_H_
#define VARVE_DB_MANIFEST_PAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "db/manifest.h"
#include "db/manifest_format.h"

// The pages of a manifest as bytes: headers, links, cells and roots, encoded and decoded. Pure
// functions over memory. Decoders take any bytes; their errors say what is wrong, without a place.

namespace varve::manifest {

// Where a page is and what it must be. Page 0 is none.
struct PageLink {
  uint32_t page = 0;
  uint64_t generation = 0;
  uint64_t checksum = 0;
  friend bool operator==(const PageLink&, const PageLink&) = default;
};

struct ChildLink {
  FileNumber first = 0;  // the lowest number below
  PageLink link;
};

struct PageHeader {
  uint32_t page = 0;
  PageType type = PageType::kRoot;
  uint8_t level = 0;
  uint16_t items = 0;
  uint64_t generation = 0;
};

// A whole page of kPageBytes; payload.size() <= kPayloadBytesMax. *checksum is what links to it
// say.
std::string EncodePage(const PageHeader& header, Slice payload, uint64_t* checksum);
// Checks the checksum, that it is page `page`, and the size. *payload points into `image`.
Status DecodePage(Slice image, uint32_t page, PageHeader* header, uint64_t* checksum,
                  Slice* payload);

void PutPageLink(std::string* out, const PageLink& link);
bool GetPageLink(Slice* input, PageLink* link);
void PutChildLink(std::string* out, const ChildLink& link);
bool GetChildLink(Slice* input, ChildLink* link);

struct Cell {
  FileNumber number = 0;
  CellKind kind = CellKind::kRemoved;
  Slice whole;              // the cell's own bytes
  Slice body;               // kInline
  uint64_t body_bytes = 0;  // kSpilled
  PageLink spill;           // kSpilled
};
std::string EncodeRemovedCell(FileNumber number);
std::string EncodeInlineCell(FileNumber number, Slice body);
std::string EncodeSpilledCell(FileNumber number, uint64_t body_bytes, const PageLink& first);
// Takes one cell from the front of *cells; false if it is malformed.
bool GetCell(Slice* cells, Cell* cell);

// Numbers in a message: "0x00c0ffee00c0ffee".
std::string Hex(uint64_t value);

// One root, decoded. state.segments is empty and how the root was found is unset.
struct Root {
  ManifestState state;
  // Those that no field of `state` stands for, as they are on disk.
  std::string extensions;
  // Not on disk: the boot id is still that of who wrote the root before (ManifestEdit::judged).
  bool boot_id_is_kept = false;
  uint8_t height = 0;
  std::vector<ChildLink> links;
  uint64_t segments = 0;
  uint16_t changes_count = 0;
  std::string changes;  // cells
};

// Room for cells in a root with these links, whatever the boot id.
size_t RootRoomForChanges(const Root& root, size_t links);
// The page image. The root must fit.
std::string EncodeRoot(const Root& root, uint32_t slot);
// Corruption, or NotSupported for a version or incompatible bits of another build: then only what
// says so is filled in, and the generation.
Status DecodeRoot(Slice image, uint32_t slot, Root* root);
// NotSupported if feature bits forbid writing.
Status CheckWritable(const Root& root);

}  // namespace varve::manifest

#endif  // VARVE_DB_MANIFEST_PAGE_H_
