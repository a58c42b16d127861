#include "db/manifest_page.h"

#include <cassert>
#include <cstdio>

#include "db/reset_record.h"
#include "util/coding.h"
#include "util/hash.h"

namespace varve {

std::string DatabaseId::ToString() const {
  char text[33];
  std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

namespace manifest {
namespace {

// Generations grow by less than 2^40 an open; one beyond this is no generation of ours.
constexpr uint64_t kGenerationMax = UINT64_MAX - (uint64_t{1} << 41);
// Room to reserve ahead without wrapping.
constexpr uint64_t kFileNumberMax = uint64_t{1} << 62;

constexpr uint32_t kStateBitsOfCaches = kCondemned | kUnlogged | kAllSynced;

uint32_t StateBits(const ManifestState& state) {
  return (state.clean_close ? uint32_t{kCleanClose} : 0) |
         (state.condemned ? uint32_t{kCondemned} : 0) | (state.unlogged ? uint32_t{kUnlogged} : 0) |
         (state.all_synced ? uint32_t{kAllSynced} : 0);
}

Status Unsupported(const char* what, uint32_t bits) {
  return Status::NotSupported(std::string("the database uses ") + what + " features " + Hex(bits) +
                              " that this build does not know");
}

}  // namespace

std::string Hex(uint64_t value) {
  char text[19];
  std::snprintf(text, sizeof(text), "0x%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string EncodePage(const PageHeader& header, Slice payload, uint64_t* checksum) {
  assert(payload.size() <= kPayloadBytesMax);
  std::string image(kPageBytes, '\0');
  char* p = image.data();
  EncodeFixed32(p + kPageNumberAt, header.page);
  p[kTypeAt] = static_cast<char>(header.type);
  p[kLevelAt] = static_cast<char>(header.level);
  EncodeFixed16(p + kItemsAt, header.items);
  EncodeFixed64(p + kGenerationAt, header.generation);
  EncodeFixed16(p + kPayloadSizeAt, static_cast<uint16_t>(payload.size()));
  payload.copy(p + kHeaderBytes, payload.size());
  *checksum = Hash64(Slice(image).substr(kPageNumberAt));
  EncodeFixed64(p + kChecksumAt, *checksum);
  return image;
}

Status DecodePage(Slice image, uint32_t page, PageHeader* header, uint64_t* checksum,
                  Slice* payload) {
  if (image.size() != kPageBytes) {
    return Status::Corruption("the page lies past the end of the file");
  }
  const char* p = image.data();
  *checksum = Hash64(image.substr(kPageNumberAt));
  const uint64_t stored = DecodeFixed64(p + kChecksumAt);
  if (stored != *checksum) {
    return Status::Corruption("checksum " + Hex(stored) + " stored, " + Hex(*checksum) +
                              " computed");
  }
  header->page = DecodeFixed32(p + kPageNumberAt);
  if (header->page != page) {
    return Status::Corruption("it is page " + std::to_string(header->page) + ", expected page " +
                              std::to_string(page));
  }
  header->type = static_cast<PageType>(p[kTypeAt]);
  header->level = static_cast<uint8_t>(p[kLevelAt]);
  header->items = DecodeFixed16(p + kItemsAt);
  header->generation = DecodeFixed64(p + kGenerationAt);
  const size_t size = DecodeFixed16(p + kPayloadSizeAt);
  if (size > kPayloadBytesMax) {
    return Status::Corruption("a payload of " + std::to_string(size) +
                              " bytes does not fit a page");
  }
  *payload = image.substr(kHeaderBytes, size);
  return Status::OK();
}

void PutPageLink(std::string* out, const PageLink& link) {
  PutFixed32(out, link.page);
  PutFixed64(out, link.generation);
  PutFixed64(out, link.checksum);
}

bool GetPageLink(Slice* input, PageLink* link) {
  return GetFixed32(input, &link->page) && GetFixed64(input, &link->generation) &&
         GetFixed64(input, &link->checksum);
}

void PutChildLink(std::string* out, const ChildLink& link) {
  PutFixed64(out, link.first);
  PutPageLink(out, link.link);
}

bool GetChildLink(Slice* input, ChildLink* link) {
  return GetFixed64(input, &link->first) && GetPageLink(input, &link->link);
}

std::string EncodeRemovedCell(FileNumber number) {
  std::string cell;
  PutVarint64(&cell, number);
  cell.push_back(static_cast<char>(CellKind::kRemoved));
  return cell;
}

std::string EncodeInlineCell(FileNumber number, Slice body) {
  std::string cell;
  PutVarint64(&cell, number);
  cell.push_back(static_cast<char>(CellKind::kInline));
  PutLengthPrefixed(&cell, body);
  return cell;
}

std::string EncodeSpilledCell(FileNumber number, uint64_t body_bytes, const PageLink& first) {
  std::string cell;
  PutVarint64(&cell, number);
  cell.push_back(static_cast<char>(CellKind::kSpilled));
  PutVarint64(&cell, body_bytes);
  PutPageLink(&cell, first);
  return cell;
}

bool GetCell(Slice* cells, Cell* cell) {
  const Slice before = *cells;
  if (!GetVarint64(cells, &cell->number) || cells->empty()) return false;
  cell->kind = static_cast<CellKind>(cells->front());
  cells->remove_prefix(1);
  switch (cell->kind) {
    case CellKind::kInline:
      if (!GetLengthPrefixed(cells, &cell->body)) return false;
      break;
    case CellKind::kSpilled:
      if (!GetVarint64(cells, &cell->body_bytes) || !GetPageLink(cells, &cell->spill)) return false;
      break;
    case CellKind::kRemoved:
      break;
    default:
      return false;
  }
  cell->whole = before.substr(0, before.size() - cells->size());
  return true;
}

size_t RootRoomForChanges(const Root& root, size_t links) {
  const size_t used = kRootFixedEnd + 2 + root.state.comparator.size() + 1 + kBootIdBytesMax + 2 +
                      EncodeLastReset(root.state.last_reset).size() + root.extensions.size() +
                      links * kChildLinkBytes;
  return used < kPageBytes ? kPageBytes - used : 0;
}

std::string EncodeRoot(const Root& root, uint32_t slot) {
  const ManifestState& s = root.state;
  std::string fields(kRootFixedEnd, '\0');
  char* p = fields.data();
  kMagic.copy(p + kMagicAt, kMagic.size());
  EncodeFixed32(p + kVersionAt, kFormatVersion);
  EncodeFixed32(p + kCompatibleAt, s.compatible_features);
  EncodeFixed32(p + kReadOnlyCompatibleAt, s.read_only_compatible_features);
  EncodeFixed32(p + kIncompatibleAt, s.incompatible_features);
  EncodeFixed64(p + kDatabaseIdAt, s.database_id.high);
  EncodeFixed64(p + kDatabaseIdAt + 8, s.database_id.low);
  EncodeFixed64(p + kNextFileNumberAt, s.next_file_number);
  EncodeFixed64(p + kNextSequenceAt, s.next_sequence);
  EncodeFixed64(p + kLowestLogAt, s.lowest_log);
  EncodeFixed64(p + kDurableLogAt, s.durable_log.log);
  EncodeFixed64(p + kDurableOffsetAt, s.durable_log.offset);
  EncodeFixed64(p + kRetainedSequenceAt, s.retained_sequence);
  EncodeFixed64(p + kClockMarkAt, s.clock_mark_ms);
  EncodeFixed64(p + kSegmentCountAt, root.segments);
  EncodeFixed32(p + kModeBitsAt, s.mode_bits);
  EncodeFixed32(p + kStateBitsAt, StateBits(s));
  p[kHeightAt] = static_cast<char>(root.height);
  EncodeFixed16(p + kLinksAt, static_cast<uint16_t>(root.links.size()));
  std::string payload = fields.substr(kHeaderBytes);
  PutLengthPrefixed(&payload, s.comparator);
  PutLengthPrefixed(&payload, s.boot_id);
  PutLengthPrefixed(&payload, EncodeLastReset(s.last_reset) + root.extensions);
  for (const ChildLink& link : root.links) PutChildLink(&payload, link);
  payload.append(root.changes);
  PageHeader header;
  header.page = slot;
  header.type = PageType::kRoot;
  header.items = root.changes_count;
  header.generation = s.generation;
  uint64_t checksum;
  return EncodePage(header, payload, &checksum);
}

Status DecodeRoot(Slice image, uint32_t slot, Root* root) {
  PageHeader header;
  uint64_t checksum;
  Slice payload;
  if (Status s = DecodePage(image, slot, &header, &checksum, &payload); !s.ok()) return s;
  if (header.type != PageType::kRoot) return Status::Corruption("the page is not a root");
  if (payload.size() < kRootFixedEnd - kHeaderBytes ||
      image.substr(kMagicAt, kMagic.size()) != kMagic) {
    return Status::Corruption("this is not a manifest: the magic is missing");
  }
  const char* p = image.data();
  ManifestState& s = root->state;
  s.generation = header.generation;
  s.format_version = DecodeFixed32(p + kVersionAt);
  s.compatible_features = DecodeFixed32(p + kCompatibleAt);
  s.read_only_compatible_features = DecodeFixed32(p + kReadOnlyCompatibleAt);
  s.incompatible_features = DecodeFixed32(p + kIncompatibleAt);
  s.database_id = {DecodeFixed64(p + kDatabaseIdAt), DecodeFixed64(p + kDatabaseIdAt + 8)};
  if (s.format_version != kFormatVersion) {
    return Status::NotSupported("format version " + std::to_string(s.format_version) +
                                ", this build reads version " + std::to_string(kFormatVersion));
  }
  if (const uint32_t unknown = s.incompatible_features & ~kKnownIncompatible; unknown != 0) {
    return Unsupported("incompatible", unknown);
  }
  s.next_file_number = DecodeFixed64(p + kNextFileNumberAt);
  s.next_sequence = DecodeFixed64(p + kNextSequenceAt);
  s.lowest_log = DecodeFixed64(p + kLowestLogAt);
  s.durable_log = {DecodeFixed64(p + kDurableLogAt), DecodeFixed64(p + kDurableOffsetAt)};
  s.retained_sequence = DecodeFixed64(p + kRetainedSequenceAt);
  s.clock_mark_ms = DecodeFixed64(p + kClockMarkAt);
  root->segments = DecodeFixed64(p + kSegmentCountAt);
  s.mode_bits = DecodeFixed32(p + kModeBitsAt);
  const uint32_t state_bits = DecodeFixed32(p + kStateBitsAt);
  s.clean_close = (state_bits & kCleanClose) != 0;
  s.condemned = (state_bits & kCondemned) != 0;
  s.unlogged = (state_bits & kUnlogged) != 0;
  s.all_synced = (state_bits & kAllSynced) != 0;
  if ((state_bits & kStateBitsOfCaches) != 0 && (s.mode_bits & kCacheMode) == 0) {
    return Status::Corruption("the root has the state bits of a cache, and is not of one");
  }
  if ((s.incompatible_features & kFeatureGhosts) != 0 && (s.mode_bits & kCacheMode) == 0) {
    return Status::Corruption("the root may have ghosts, and is not of a cache");
  }
  root->height = static_cast<uint8_t>(p[kHeightAt]);
  const size_t links = DecodeFixed16(p + kLinksAt);

  payload.remove_prefix(kRootFixedEnd - kHeaderBytes);
  Slice comparator, boot_id, extensions;
  if (!GetLengthPrefixed(&payload, &comparator) || comparator.size() > kComparatorBytesMax ||
      !GetLengthPrefixed(&payload, &boot_id) || boot_id.size() > kBootIdBytesMax ||
      !GetLengthPrefixed(&payload, &extensions) || extensions.size() > kRootExtensionBytesMax ||
      !DecodeRootExtensions(extensions, &s.last_reset, &root->extensions)) {
    return Status::Corruption("the root's names are malformed");
  }
  s.comparator = comparator;
  s.boot_id = boot_id;
  if (s.generation > kGenerationMax || s.next_file_number > kFileNumberMax ||
      s.next_sequence > kMaxSequence + 1) {
    return Status::Corruption("the root's counters are out of range");
  }
  if (links > kRootLinksMax || root->height > kHeightMax || (links == 0) != (root->height == 0)) {
    return Status::Corruption("a tree of height " + std::to_string(root->height) + " with " +
                              std::to_string(links) + " links in the root");
  }
  root->links.resize(links);
  for (ChildLink& link : root->links) {
    if (!GetChildLink(&payload, &link)) return Status::Corruption("the root's links are cut off");
  }
  root->changes_count = header.items;
  root->changes = payload;
  return Status::OK();
}

Status CheckWritable(const Root& root) {
  const uint32_t unknown = root.state.read_only_compatible_features & ~kKnownReadOnlyCompatible;
  return unknown == 0 ? Status::OK() : Unsupported("read-only-compatible", unknown);
}

}  // namespace manifest
}  // namespace varve
