// What a crash leaves of a simulated disk: which items are pending, which of them a loss takes, and
// the disk that is found afterwards.

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "tests/support/sim_disk.h"
#include "tests/support/sim_pages.h"
#include "util/hash.h"
#include "util/random.h"

namespace varve {
namespace {

using sim_pages::Bytes;
using sim_pages::Copy;
using sim_pages::CutPages;
using sim_pages::Own;
using sim_pages::PageSlot;

}  // namespace

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

std::vector<SimPendingGroup> SimDisk::PendingGroups() const {
  std::vector<SimPendingGroup> groups;
  const std::vector<Item> items = Items();
  for (size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    const bool is_page = item.kind == Item::Kind::kSector;
    if (i > 0 && IsOneGroup(items[i - 1], item)) {
      ++groups.back().items;
    } else {
      groups.push_back({item.inode, is_page, is_page ? item.page : 0, i, 1});
    }
  }
  return groups;
}

bool SimDisk::IsOneGroup(const Item& a, const Item& b) {
  return a.kind == Item::Kind::kSector && b.kind == a.kind && a.inode == b.inode &&
         a.page == b.page;
}

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
    size_t group = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      bool keep = false;
      if (i > 0 && !IsOneGroup(items[i - 1], items[i])) ++group;
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
        case SimLoss::Kind::kSectors: {
          const size_t first = loss.argument >> 9;
          keep = i >= first && i < first + kSimSectorsPerPage
                     ? (loss.argument >> (i - first) & 1) != 0
                     : (loss.argument >> 8 & 1) != 0;
          break;
        }
        case SimLoss::Kind::kPages:
          keep = group < 64 && (loss.argument >> group & 1);
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
