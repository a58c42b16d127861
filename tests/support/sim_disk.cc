#include "tests/support/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "tests/support/sim_pages.h"
#include "util/hash.h"
#include "util/random.h"

namespace varve {
namespace {

constexpr uint8_t kAllSectors = 0xff;

using sim_pages::Bytes;
using sim_pages::Copy;
using sim_pages::CutPages;
using sim_pages::Own;
using sim_pages::OwnPage;
using sim_pages::PageAt;
using sim_pages::PageSlot;

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

SimDisk::SimDisk() {
  Inode root;
  root.is_directory = true;
  root.links = 1;
  inodes_.emplace(kRoot, std::move(root));
  directories_.emplace(kRoot, Directory());
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
    case SimOpKind::kStep:
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
    for (size_t done = 0; done < bytes.size() && offset + done < content->size;) {
      const uint64_t at = offset + done, in_page = at % kSimPageBytes;
      const size_t n =
          std::min<uint64_t>({bytes.size() - done, content->size - at, kSimPageBytes - in_page});
      SimPageRef* slot = PageSlot(&content->pages, at / kSimPageBytes);
      std::memcpy(&OwnPage(slot)->bytes[in_page], bytes.data() + done, n);
      done += n;
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

uint64_t SimDisk::CachedHash(InodeNumber directory) const {
  uint64_t hash = 0;
  const auto mix = [&hash](uint64_t x) { hash = Mix64(hash ^ x); };
  std::map<InodeNumber, uint64_t> order;  // numbers differ between equal disks; order of first use
  std::vector<InodeNumber> todo = {directory};
  while (!todo.empty()) {
    directory = todo.back();
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

}  // namespace varve
