#include "tests/support/sim_disk.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "util/hash.h"
#include "util/random.h"

namespace varve {
namespace {

constexpr uint8_t kAllSectors = 0xff;

const char* Bytes(const SimPageRef& page) {
  static const SimPage zeros{};
  return page ? page->bytes.data() : zeros.bytes.data();
}

// A page to fill: a copy of `page`.
std::shared_ptr<SimPage> Copy(const SimPageRef& page) {
  auto copy = std::make_shared<SimPage>();
  std::memcpy(copy->bytes.data(), Bytes(page), kSimPageBytes);
  return copy;
}

const SimPageRef& PageAt(const std::vector<SimPageRef>& pages, size_t index) {
  static const SimPageRef none;
  return index < pages.size() ? pages[index] : none;
}

SimPageRef* PageSlot(std::vector<SimPageRef>* pages, size_t index) {
  if (index >= pages->size()) pages->resize(index + 1);
  return &(*pages)[index];
}

// The page in `slot` to change in place: a copy if others hold it too.
SimPage* OwnPage(SimPageRef* slot) {
  if (*slot == nullptr || slot->use_count() > 1) *slot = Copy(*slot);
  auto* page = const_cast<SimPage*>(slot->get());  // made by Copy(), which makes no const objects
  page->Changed();
  return page;
}

// Makes everything past `size` zero.
void CutPages(std::vector<SimPageRef>* pages, uint64_t size) {
  const size_t whole = size / kSimPageBytes, rest = size % kSimPageBytes;
  if (whole + (rest > 0) < pages->size()) pages->resize(whole + (rest > 0));
  if (rest == 0 || whole >= pages->size() || (*pages)[whole] == nullptr) return;
  std::memset(OwnPage(&(*pages)[whole])->bytes.data() + rest, 0, kSimPageBytes - rest);
}

// Which kind of file a path names; for labels.
std::string FileKind(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name == "MANIFEST") return "manifest";
  if (name == "MANIFEST.tmp") return "manifest_temp";
  if (name == "LOCK") return "lock";
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "directory";
  if (name.substr(dot) == ".log") return "log";
  if (name.substr(dot) == ".recycled") return "recycled";
  if (name.substr(dot) == ".seg") return "segment";
  return "other";
}

}  // namespace

uint64_t SimPage::Hash() const {
  // Relaxed: whoever computes it computes the same, and the bytes no longer change.
  uint64_t hash = hash_.load(std::memory_order_relaxed);
  if (hash == 0) {
    hash = Hash64(Slice(bytes.data(), bytes.size())) | 1;
    hash_.store(hash, std::memory_order_relaxed);
  }
  return hash;
}

std::string SimOp::Label() const {
  static const char* const kVerbs[] = {
      "create",        "mkdir", "write",  "resize", "sync_begin",
      "sync",          "link",  "unlink", "rename", "directory_sync_begin",
      "directory_sync"};
  std::string label = FileKind(path);
  if (kind == SimOpKind::kWrite && label == "log") {
    return offset < 2 * kSimPageBytes ? "log.header" : "log.append";
  }
  if (kind == SimOpKind::kWrite && label == "manifest") {
    return offset < 2 * kSimPageBytes ? "manifest.root" : "manifest.page";
  }
  if (kind >= SimOpKind::kDirectorySyncBegin) return kVerbs[static_cast<int>(kind)];
  return label + "." + kVerbs[static_cast<int>(kind)];
}

std::string SimOp::ToString() const {
  std::string text = Label() + " " + path;
  if (kind == SimOpKind::kRename) text += " -> " + new_entry;
  text += " inode " + std::to_string(inode);
  if (kind == SimOpKind::kWrite) {
    text += " at " + std::to_string(offset) + " + " + std::to_string(data->size());
  }
  if (kind == SimOpKind::kResize) text += " to " + std::to_string(offset);
  if (!ok) text += " FAILED";
  return text;
}

const char* SimLoss::KindName(Kind kind) {
  static constexpr const char* kNames[] = {"drop", "keep", "only", "but", "set", "rnd"};
  return kNames[static_cast<int>(kind)];
}

std::string SimLoss::ToString() const {
  std::string text = KindName(kind);
  if (kind == Kind::kDropAll || kind == Kind::kKeepAll) return text;
  char digits[24];
  const int base = kind == Kind::kSubset ? 16 : 10;
  return text.append(digits, std::to_chars(digits, digits + sizeof(digits), argument, base).ptr);
}

bool SimLoss::Parse(std::string_view text, SimLoss* loss) {
  for (int i = 0; i <= static_cast<int>(Kind::kRandom); ++i) {
    const Kind kind = static_cast<Kind>(i);
    const std::string_view name = KindName(kind);
    if (text.substr(0, name.size()) != name) continue;
    text.remove_prefix(name.size());
    *loss = {kind, 0};
    if (kind == Kind::kDropAll || kind == Kind::kKeepAll) return text.empty();
    const auto result = std::from_chars(text.data(), text.data() + text.size(), loss->argument,
                                        kind == Kind::kSubset ? 16 : 10);
    return result.ec == std::errc() && result.ptr == text.data() + text.size();
  }
  return false;
}

SimDisk::SimDisk() {
  Inode root;
  root.is_directory = true;
  root.links = 1;
  inodes_.emplace(kRoot, std::move(root));
  directories_.emplace(kRoot, Directory());
}

// The content to change in place: a copy if others hold it too.
template <typename Content>
static Content* Own(std::shared_ptr<const Content>* content) {
  if (content->use_count() > 1) *content = std::make_shared<Content>(**content);
  return const_cast<Content*>(content->get());  // made by make_shared<Content>
}

void SimDisk::StopTracking() {
  tracking_ = false;
  for (auto& [number, inode] : inodes_) {
    inode.durable = nullptr;
    inode.pages.clear();
    inode.sizes.clear();
  }
  for (auto& [number, directory] : directories_) {
    directory.durable.clear();
    directory.pending.clear();
  }
}

// ---- Changes ------------------------------------------------------------------------------

void SimDisk::Apply(const SimOp& op) {
  ++clock_;
  const auto found = inodes_.find(op.inode);
  Inode* const inode = found == inodes_.end() ? nullptr : &found->second;
  // A replay collects what a process still had open; nobody will read what that is given.
  if (inode == nullptr && op.kind >= SimOpKind::kWrite) return;
  switch (op.kind) {
    case SimOpKind::kCreate:
    case SimOpKind::kMakeDirectory: {
      Inode made;
      made.is_directory = op.kind == SimOpKind::kMakeDirectory;
      made.durable = made.cached = std::make_shared<Content>();
      inodes_.emplace(op.inode, std::move(made));
      if (op.kind == SimOpKind::kMakeDirectory) directories_.emplace(op.inode, Directory());
      next_inode_ = std::max(next_inode_, op.inode + 1);
      ChangeName(op.directory, "", op.new_entry, op.inode);
      break;
    }
    case SimOpKind::kLink:
      ChangeName(op.directory, "", op.new_entry, op.inode);
      break;
    case SimOpKind::kUnlink:
      ChangeName(op.directory, op.old_entry, "", op.inode);
      break;
    case SimOpKind::kRename:
      ChangeName(op.directory, op.old_entry, op.new_entry, op.inode);
      break;
    case SimOpKind::kWrite:
      WriteCached(inode, op.offset, *op.data);
      break;
    case SimOpKind::kResize:
      ResizeCached(inode, op.offset);
      break;
    case SimOpKind::kSyncBegin:
    case SimOpKind::kDirectorySyncBegin:
      break;
    case SimOpKind::kSyncEnd:
      if (!tracking_) break;
      op.ok ? SyncFile(inode, op.begin) : FailSync(inode, op.begin, op.seed);
      break;
    case SimOpKind::kDirectorySyncEnd: {
      // A failed one has persisted all of its names or none.
      if (!tracking_ || (!op.ok && op.seed % 2 == 0)) break;
      Directory& directory = directories_.at(op.inode);
      auto end = directory.pending.begin();
      for (; end != directory.pending.end() && end->stamp <= op.begin; ++end) {
        ApplyName(*end, &directory.durable);
      }
      directory.pending.erase(directory.pending.begin(), end);
      break;
    }
  }
}

uint64_t SimDisk::SectorsOf(const SimOp& op) {
  if (op.kind != SimOpKind::kWrite || op.data->empty()) return 0;
  return (op.offset + op.data->size() - 1) / kSimSectorBytes - op.offset / kSimSectorBytes + 1;
}

void SimDisk::ApplyTorn(const SimOp& op, uint64_t seed) {
  ++clock_;
  const auto found = inodes_.find(op.inode);
  if (found == inodes_.end()) return;
  Inode* const inode = &found->second;
  const Slice data = *op.data;
  if (!op.mapped) {
    const uint64_t end = (op.offset / kSimSectorBytes + seed) * kSimSectorBytes;
    if (end > op.offset) WriteCached(inode, op.offset, data.substr(0, end - op.offset));
    return;
  }
  constexpr uint64_t kLine = 64;
  Random random(seed);
  for (uint64_t at = 0; at < data.size();) {
    const uint64_t size = std::min(data.size() - at, kLine - (op.offset + at) % kLine);
    if (random.OneIn(2)) WriteCached(inode, op.offset + at, data.substr(at, size));
    at += size;
  }
}

void SimDisk::WriteCached(Inode* inode, uint64_t offset, Slice data) {
  if (data.empty()) return;
  Content* content = Own(&inode->cached);
  for (size_t at = 0; at < data.size();) {
    const uint32_t index = static_cast<uint32_t>((offset + at) / kSimPageBytes);
    const size_t in_page = (offset + at) % kSimPageBytes;
    const size_t size = std::min(data.size() - at, kSimPageBytes - in_page);
    SimPageRef* slot = PageSlot(&content->pages, index);
    std::memcpy(OwnPage(slot)->bytes.data() + in_page, data.data() + at, size);
    uint8_t sectors = 0;
    for (size_t s = in_page / kSimSectorBytes; s <= (in_page + size - 1) / kSimSectorBytes; ++s) {
      sectors |= static_cast<uint8_t>(1u << s);
    }
    if (tracking_) inode->pages[index].push_back({clock_, sectors, *slot});
    at += size;
  }
  if (offset + data.size() > content->size) {
    content->size = offset + data.size();
    if (tracking_) inode->sizes.push_back({clock_, content->size});
  }
}

void SimDisk::ResizeCached(Inode* inode, uint64_t size) {
  Content* content = Own(&inode->cached);
  // What is cut off reads as zeros if the file grows again: those are versions of its sectors, or
  // what was cut would come back with the length.
  for (size_t index = size / kSimPageBytes; index < content->pages.size(); ++index) {
    if (content->pages[index] == nullptr) continue;
    const uint64_t start = uint64_t{index} * kSimPageBytes;
    const size_t keep = size > start ? size - start : 0;
    if (keep >= kSimPageBytes) continue;
    auto page = Copy(content->pages[index]);
    std::memset(page->bytes.data() + keep, 0, kSimPageBytes - keep);
    const auto sectors = static_cast<uint8_t>(kAllSectors << (keep / kSimSectorBytes));
    if (tracking_) {
      inode->pages[static_cast<uint32_t>(index)].push_back({clock_, sectors, std::move(page)});
    }
  }
  CutPages(&content->pages, size);
  content->size = size;
  if (tracking_) inode->sizes.push_back({clock_, size});
}

void SimDisk::ApplyName(const NameOp& op, std::map<std::string, InodeNumber>* names) {
  if (!op.old_name.empty()) {
    // What was there may be another file by now, if an operation before this one was lost.
    const auto it = names->find(op.old_name);
    if (it != names->end() && it->second == op.inode) names->erase(it);
  }
  if (!op.new_name.empty()) (*names)[op.new_name] = op.inode;
}

void SimDisk::ChangeName(InodeNumber directory, std::string old_name, std::string new_name,
                         InodeNumber inode) {
  Directory& d = directories_.at(directory);
  if (!new_name.empty()) {
    const auto replaced = d.cached.find(new_name);
    if (replaced != d.cached.end()) --inodes_.at(replaced->second).links;
    ++inodes_.at(inode).links;
  }
  if (!old_name.empty()) --inodes_.at(inode).links;
  NameOp op{clock_, std::move(old_name), std::move(new_name), inode};
  ApplyName(op, &d.cached);
  if (tracking_) d.pending.push_back(std::move(op));
}

void SimDisk::SyncFile(Inode* inode, uint64_t upto) {
  auto content = std::make_shared<Content>(*inode->durable);
  for (auto it = inode->pages.begin(); it != inode->pages.end();) {
    std::vector<PageVersion>& versions = it->second;
    size_t done = 0;
    std::array<const SimPageRef*, kSimSectorsPerPage> newest{};
    for (; done < versions.size() && versions[done].stamp <= upto; ++done) {
      for (size_t s = 0; s < kSimSectorsPerPage; ++s) {
        if (versions[done].sectors >> s & 1) newest[s] = &versions[done].page;
      }
    }
    if (done > 0) {
      SimPageRef* slot = PageSlot(&content->pages, it->first);
      if (std::all_of(newest.begin(), newest.end(),
                      [&](const SimPageRef* p) { return p != nullptr && *p == *newest[0]; })) {
        *slot = *newest[0];
      } else {
        auto page = Copy(*slot);
        for (size_t s = 0; s < kSimSectorsPerPage; ++s) {
          if (newest[s] == nullptr) continue;
          std::memcpy(page->bytes.data() + s * kSimSectorBytes,
                      Bytes(*newest[s]) + s * kSimSectorBytes, kSimSectorBytes);
        }
        *slot = std::move(page);
      }
      versions.erase(versions.begin(), versions.begin() + static_cast<ptrdiff_t>(done));
    }
    it = versions.empty() ? inode->pages.erase(it) : std::next(it);
  }
  auto size = inode->sizes.begin();
  for (; size != inode->sizes.end() && size->stamp <= upto; ++size) content->size = size->size;
  inode->sizes.erase(inode->sizes.begin(), size);
  // A length that is still to come may bring pages written already; they are in content then.
  if (inode->sizes.empty()) CutPages(&content->pages, content->size);
  inode->durable = std::move(content);
}

void SimDisk::FailSync(Inode* inode, uint64_t upto, uint64_t seed) {
  Random random(seed);
  inode->ragged = true;
  auto durable = std::make_shared<Content>(*inode->durable);
  auto cached = std::make_shared<Content>(*inode->cached);
  enum Fate : uint64_t { kWritten, kDirty, kLost, kTorn, kClean, kFates };
  for (auto it = inode->pages.begin(); it != inode->pages.end();) {
    std::vector<PageVersion>& versions = it->second;
    size_t done = 0;
    while (done < versions.size() && versions[done].stamp <= upto) ++done;
    const Fate fate = static_cast<Fate>(random.Uniform(kFates));
    if (done == 0 || fate == kDirty) {
      ++it;
      continue;
    }
    if (fate == kWritten || fate == kTorn) {
      SimPageRef* slot = PageSlot(&durable->pages, it->first);
      auto page = Copy(*slot);
      for (size_t i = 0; i < done; ++i) {
        for (size_t s = 0; s < kSimSectorsPerPage; ++s) {
          if ((versions[i].sectors >> s & 1) == 0) continue;
          char* to = page->bytes.data() + s * kSimSectorBytes;
          if (fate == kWritten || random.OneIn(2)) {
            std::memcpy(to, Bytes(versions[i].page) + s * kSimSectorBytes, kSimSectorBytes);
          } else if (random.OneIn(3)) {
            for (size_t b = 0; b < kSimSectorBytes; ++b) to[b] = static_cast<char>(random.Next());
          }
        }
      }
      *slot = std::move(page);
    }
    if (fate == kLost) {
      *PageSlot(&cached->pages, it->first) = PageAt(durable->pages, it->first);
      done = versions.size();
    }
    versions.erase(versions.begin(), versions.begin() + static_cast<ptrdiff_t>(done));
    it = versions.empty() ? inode->pages.erase(it) : std::next(it);
  }
  const Fate fate = static_cast<Fate>(random.Uniform(kFates));
  if (fate != kDirty) {
    auto size = inode->sizes.begin();
    for (; size != inode->sizes.end() && size->stamp <= upto; ++size) {
      if (fate == kWritten) durable->size = size->size;
    }
    inode->sizes.erase(inode->sizes.begin(), size);
  }
  CutPages(&cached->pages, cached->size);
  inode->durable = std::move(durable);
  inode->cached = std::move(cached);
}

void SimDisk::Damage(InodeNumber number, uint64_t offset, Slice bytes) {
  Inode& inode = inodes_.at(number);
  for (std::shared_ptr<const Content>* image : {&inode.durable, &inode.cached}) {
    if (*image == nullptr) continue;
    auto content = std::make_shared<Content>(**image);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const uint64_t at = offset + i;
      if (at >= content->size) break;
      SimPageRef* slot = PageSlot(&content->pages, at / kSimPageBytes);
      OwnPage(slot)->bytes[at % kSimPageBytes] = bytes[i];
    }
    *image = std::move(content);
  }
  inode.pages.clear();
  inode.sizes.clear();
}

// ---- The cached view ----------------------------------------------------------------------

InodeNumber SimDisk::FindParent(std::string_view path, std::string* name) const {
  InodeNumber at = kRoot;
  for (;;) {
    while (!path.empty() && path.front() == '/') path.remove_prefix(1);
    const size_t slash = path.find('/');
    const std::string_view rest =
        slash == std::string_view::npos ? std::string_view() : path.substr(slash);
    if (rest.find_first_not_of('/') == std::string_view::npos) {
      name->assign(path.substr(0, slash));
      return at;
    }
    const auto directory = directories_.find(at);
    if (directory == directories_.end()) return 0;
    const auto entry = directory->second.cached.find(std::string(path.substr(0, slash)));
    if (entry == directory->second.cached.end()) return 0;
    at = entry->second;
    if (directories_.find(at) == directories_.end()) return 0;
    path = rest;
  }
}

InodeNumber SimDisk::Find(std::string_view path) const {
  std::string name;
  const InodeNumber parent = FindParent(path, &name);
  if (parent == 0 || name.empty()) return parent;
  const auto directory = directories_.find(parent);
  if (directory == directories_.end()) return 0;
  const auto entry = directory->second.cached.find(name);
  return entry == directory->second.cached.end() ? 0 : entry->second;
}

bool SimDisk::IsDirectory(InodeNumber inode) const { return inodes_.at(inode).is_directory; }

uint64_t SimDisk::Size(InodeNumber inode) const {
  const Inode& i = inodes_.at(inode);
  return i.cached ? i.cached->size : 0;
}

uint64_t SimDisk::AllocatedBytes(InodeNumber inode) const {
  return (Size(inode) + kSimPageBytes - 1) / kSimPageBytes * kSimPageBytes;
}

uint64_t SimDisk::UsedBytes(const std::map<InodeNumber, int>& open) const {
  uint64_t sum = 0;
  for (const auto& [number, inode] : inodes_) {
    if (inode.links > 0 || open.count(number) > 0) sum += AllocatedBytes(number);
  }
  return sum;
}

uint32_t SimDisk::Links(InodeNumber inode) const { return inodes_.at(inode).links; }

size_t SimDisk::Read(InodeNumber inode, uint64_t offset, size_t size, char* buffer) const {
  const Content& content = *inodes_.at(inode).cached;
  if (offset >= content.size) return 0;
  size = static_cast<size_t>(std::min<uint64_t>(size, content.size - offset));
  for (size_t at = 0; at < size;) {
    const size_t in_page = (offset + at) % kSimPageBytes;
    const size_t n = std::min(size - at, kSimPageBytes - in_page);
    const SimPageRef& page = PageAt(content.pages, (offset + at) / kSimPageBytes);
    if (page) {
      std::memcpy(buffer + at, page->bytes.data() + in_page, n);
    } else {
      std::memset(buffer + at, 0, n);
    }
    at += n;
  }
  return size;
}

const std::map<std::string, InodeNumber>& SimDisk::Entries(InodeNumber directory) const {
  return directories_.at(directory).cached;
}

std::vector<std::string> SimDisk::Paths() const {
  std::vector<std::string> paths;
  std::vector<std::pair<std::string, InodeNumber>> todo = {{"", kRoot}};
  while (!todo.empty()) {
    const auto [prefix, directory] = todo.back();
    todo.pop_back();
    for (const auto& [name, inode] : Entries(directory)) {
      paths.push_back(prefix + "/" + name);
      if (IsDirectory(inode)) todo.emplace_back(paths.back(), inode);
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

uint64_t SimDisk::CachedHash() const {
  uint64_t hash = 0;
  const auto mix = [&hash](uint64_t x) { hash = Mix64(hash ^ x); };
  std::map<InodeNumber, uint64_t> order;  // numbers differ between equal disks; order of first use
  std::vector<InodeNumber> todo = {kRoot};
  while (!todo.empty()) {
    const InodeNumber directory = todo.back();
    todo.pop_back();
    mix(directories_.at(directory).cached.size());
    for (const auto& [name, number] : directories_.at(directory).cached) {
      mix(Hash64(name));
      const auto [it, first] = order.emplace(number, order.size());
      mix(it->second);
      if (!first) continue;
      const Inode& inode = inodes_.at(number);
      if (inode.is_directory) {
        todo.push_back(number);
        continue;
      }
      mix(inode.cached->size);
      uint64_t sum = 0;  // pages of zeros are as good as none
      for (size_t i = 0; i < inode.cached->pages.size(); ++i) {
        const SimPageRef& page = inode.cached->pages[i];
        static const uint64_t zeros = SimPage{}.Hash();
        if (page && page->Hash() != zeros) sum += Mix64(page->Hash() + i * 0x9e3779b97f4a7c15u);
      }
      mix(sum);
    }
  }
  return hash;
}

// ---- Crashes ------------------------------------------------------------------------------

std::vector<SimDisk::Item> SimDisk::Items() const {
  std::vector<Item> items;
  for (const auto& [number, inode] : inodes_) {
    if (!inode.sizes.empty()) {
      items.push_back({Item::Kind::kSize, number, 0, 0, static_cast<uint32_t>(inode.sizes.size())});
    }
    for (const auto& [index, versions] : inode.pages) {
      for (uint8_t s = 0; s < kSimSectorsPerPage; ++s) {
        uint32_t count = 0;
        for (const PageVersion& version : versions) count += version.sectors >> s & 1;
        if (count > 0) items.push_back({Item::Kind::kSector, number, index, s, count});
      }
    }
    if (!inode.is_directory) continue;
    const Directory& directory = directories_.at(number);
    for (uint32_t i = 0; i < directory.pending.size(); ++i) {
      items.push_back({Item::Kind::kName, number, i, 0, 1});
    }
  }
  return items;
}

size_t SimDisk::PendingCount() const { return Items().size(); }

bool SimDisk::HasPending(InodeNumber inode) const {
  const Inode& i = inodes_.at(inode);
  return !i.pages.empty() || !i.sizes.empty();
}

bool SimDisk::HasPendingNames() const {
  for (const auto& [number, directory] : directories_) {
    if (!directory.pending.empty()) return true;
  }
  return false;
}

std::string SimDisk::DescribePending() const {
  std::string text;
  const std::vector<Item> items = Items();
  for (size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    text += "  item " + std::to_string(i) + ": ";
    const Inode& inode = inodes_.at(item.inode);
    if (item.kind == Item::Kind::kName) {
      const NameOp& op = directories_.at(item.inode).pending[item.page];
      text += "directory " + std::to_string(item.inode) + ": '" + op.old_name + "' -> '" +
              op.new_name + "' (inode " + std::to_string(op.inode) + ")";
    } else if (item.kind == Item::Kind::kSize) {
      text += "inode " + std::to_string(item.inode) + " length " +
              std::to_string(inode.durable->size) + " -> " + std::to_string(inode.cached->size);
    } else {
      text += "inode " + std::to_string(item.inode) + " sector at " +
              std::to_string(uint64_t{item.page} * kSimPageBytes + item.sector * kSimSectorBytes) +
              ", " + std::to_string(item.versions) + " versions";
    }
    text += "\n";
  }
  return text;
}

std::vector<uint32_t> SimDisk::Choose(const std::vector<Item>& items, const SimLoss& loss) const {
  std::vector<uint32_t> chosen(items.size(), 0);
  if (loss.kind != SimLoss::Kind::kRandom) {
    for (size_t i = 0; i < items.size(); ++i) {
      bool keep = false;
      switch (loss.kind) {
        case SimLoss::Kind::kDropAll:
          break;
        case SimLoss::Kind::kKeepAll:
          keep = true;
          break;
        case SimLoss::Kind::kOnly:
          keep = i == loss.argument;
          break;
        case SimLoss::Kind::kAllBut:
          keep = i != loss.argument;
          break;
        case SimLoss::Kind::kSubset:
          keep = i < 64 && (loss.argument >> i & 1);
          break;
        case SimLoss::Kind::kRandom:
          break;
      }
      if (keep) chosen[i] = items[i].versions;
    }
    return chosen;
  }
  Random random(loss.argument);
  // How eagerly names, and one file's data, reached the disk: not at all, half, all.
  const uint64_t names = random.Uniform(4);
  const bool garbage = random.OneIn(3);
  InodeNumber last = 0;
  uint64_t lean = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (item.kind == Item::Kind::kName) {
      chosen[i] = names == 0 ? 0 : names == 3 ? 1 : random.OneIn(2);
      continue;
    }
    if (item.inode != last) lean = random.Uniform(4);
    last = item.inode;
    if (lean == 0) continue;
    chosen[i] =
        lean == 1 ? item.versions : static_cast<uint32_t>(random.Uniform(item.versions + 1));
    if (garbage && item.kind == Item::Kind::kSector && random.OneIn(8)) {
      chosen[i] = random.OneIn(2) ? kZeros : kGarbage;
    }
  }
  return chosen;
}

SimDisk SimDisk::PowerLoss(const SimLoss& loss) const {
  SimDisk after;
  after.clock_ = clock_;
  after.next_inode_ = next_inode_;
  const std::vector<Item> items = Items();
  const std::vector<uint32_t> chosen = Choose(items, loss);
  uint64_t salt = Mix64(loss.argument + 1);

  // Names first: only what they reach is worth making.
  after.directories_.clear();
  for (const auto& [number, directory] : directories_) {
    after.directories_[number].durable = directory.durable;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].kind != Item::Kind::kName || chosen[i] == 0) continue;
    ApplyName(directories_.at(items[i].inode).pending[items[i].page],
              &after.directories_.at(items[i].inode).durable);
  }
  std::set<InodeNumber> reached = {kRoot};
  std::vector<InodeNumber> todo = {kRoot};
  while (!todo.empty()) {
    const InodeNumber number = todo.back();
    todo.pop_back();
    Directory& directory = after.directories_.at(number);
    directory.cached = directory.durable;
    for (const auto& [name, child] : directory.durable) {
      if (reached.insert(child).second && inodes_.at(child).is_directory) todo.push_back(child);
    }
  }
  std::erase_if(after.directories_, [&](const auto& d) { return reached.count(d.first) == 0; });

  after.inodes_.clear();
  for (const InodeNumber number : reached) {
    const Inode& from = inodes_.at(number);
    Inode to;
    to.is_directory = from.is_directory;
    to.durable = to.cached = from.durable;
    if (from.ragged) CutPages(&Own(&to.durable)->pages, to.durable->size), to.cached = to.durable;
    after.inodes_.emplace(number, std::move(to));
  }
  std::shared_ptr<Content> content;
  for (size_t i = 0; i < items.size();) {
    const InodeNumber number = items[i].inode;
    if (items[i].kind == Item::Kind::kName || reached.count(number) == 0) {
      ++i;
      continue;
    }
    // All items of one file; a page is copied when the first of its sectors changes.
    const Inode& from = inodes_.at(number);
    content = std::make_shared<Content>(*from.durable);
    std::shared_ptr<SimPage> page;
    bool changed = false;
    for (; i < items.size() && items[i].inode == number && items[i].kind != Item::Kind::kName;
         ++i) {
      const Item& item = items[i];
      if (i == 0 || items[i - 1].inode != number || items[i - 1].page != item.page) page = nullptr;
      if (chosen[i] == 0) continue;
      changed = true;
      if (item.kind == Item::Kind::kSize) {
        content->size = from.sizes[chosen[i] - 1].size;
        continue;
      }
      SimPageRef* slot = PageSlot(&content->pages, item.page);
      if (page == nullptr) *slot = page = Copy(*slot);
      char* bytes = page->bytes.data() + item.sector * kSimSectorBytes;
      if (chosen[i] == kZeros) {
        std::memset(bytes, 0, kSimSectorBytes);
      } else if (chosen[i] == kGarbage) {
        Random random(salt++);
        for (size_t b = 0; b < kSimSectorBytes; b += 8) {
          const uint64_t word = random.Next();
          std::memcpy(bytes + b, &word, 8);
        }
      } else {
        uint32_t left = chosen[i];
        for (const PageVersion& version : from.pages.at(item.page)) {
          left -= version.sectors >> item.sector & 1;
          if (left > 0) continue;
          std::memcpy(bytes, Bytes(version.page) + item.sector * kSimSectorBytes, kSimSectorBytes);
          break;
        }
      }
    }
    if (!changed) continue;
    CutPages(&content->pages, content->size);
    Inode& to = after.inodes_.at(number);
    to.durable = to.cached = std::move(content);
  }
  after.CountLinks();
  return after;
}

void SimDisk::CountLinks() {
  for (auto& [number, inode] : inodes_) inode.links = number == kRoot ? 1 : 0;
  for (const auto& [number, directory] : directories_) {
    for (const auto& [name, child] : directory.cached) ++inodes_.at(child).links;
  }
}

SimDisk SimDisk::Kill() const {
  SimDisk after = *this;
  after.Collect({});
  return after;
}

void SimReplay::Step() {
  const SimOp& op = history_->ops[position_++];
  disk_.Apply(op);
  if (op.kind == SimOpKind::kDirectorySyncEnd) disk_.Collect({});
}

void SimDisk::Collect(const std::map<InodeNumber, int>& open) {
  std::set<InodeNumber> needed = {kRoot};
  for (const auto& [number, count] : open) needed.insert(number);
  for (const auto& [number, directory] : directories_) {
    for (const auto& [name, child] : directory.durable) needed.insert(child);
    for (const auto& [name, child] : directory.cached) needed.insert(child);
    for (const NameOp& op : directory.pending) needed.insert(op.inode);
  }
  std::erase_if(inodes_, [&](const auto& i) { return needed.count(i.first) == 0; });
  std::erase_if(directories_, [&](const auto& d) { return needed.count(d.first) == 0; });
}

}  // namespace varve
