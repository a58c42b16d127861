#ifndef VARVE_TESTS_SUPPORT_SIM_DISK_H_
#define VARVE_TESTS_SUPPORT_SIM_DISK_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "util/crash_site.h"
#include "varve/slice.h"

// A disk whose every unsynced change can be lost on its own: the state machine behind
// SimFileSystem, and what crash images are made of.
//
// A file has a durable and a cached image. Between them lie *pending* changes: the versions of each
// 512-byte sector written since the last sync, the lengths the file has had, and for a directory
// its creations, renames, links and unlinks. A power loss decides about each pending item alone:
//   - a sector ends as it was, as any version written, as zeros, or as garbage;
//   - a length as it was or as any later one, whatever became of the data (so size without data,
//     and data without size);
//   - a directory operation has happened or not; those that have are applied in their order. A
//     rename is one operation, within one directory.
// A sync of a file covers what was written before it *began*; data and length, not the name. A sync
// of a directory covers its operations, not the files. A failed sync decides for each page whether
// it is written, still dirty, lost (the cache goes back to what is durable), torn, or clean in the
// cache and not on disk, where a later sync proves nothing. A kill loses nothing that is cached.
//
// All changes are SimOps applied one at a time, so that a recorded list of them gives the state at
// every boundary again (SimHistory). Pages are shared copy-on-write: copying a disk costs about as
// much as copying its page tables. Nothing depends on addresses: iteration is in order of numbers
// and names. A SimDisk is a value without locks; distinct copies may be used by distinct threads.

namespace varve {

inline constexpr size_t kSimPageBytes = 4096;
inline constexpr size_t kSimSectorBytes = 512;
inline constexpr size_t kSimSectorsPerPage = kSimPageBytes / kSimSectorBytes;

using InodeNumber = uint32_t;

struct SimPage {
  std::array<char, kSimPageBytes> bytes;
  // Of the bytes; computed when first asked for.
  uint64_t Hash() const;
  // To be called after a page that was ever hashed has changed.
  void Changed() { hash_.store(0, std::memory_order_relaxed); }

 private:
  mutable std::atomic<uint64_t> hash_{0};
};
// Null is a page of zeros.
using SimPageRef = std::shared_ptr<const SimPage>;

enum class SimOpKind : uint8_t {
  kCreate,         // a new file, number `inode`, as `new_entry` of `directory`
  kMakeDirectory,  // a new directory, likewise
  kWrite,          // `data` at `offset` of `inode`; grows the file where needed
  kResize,         // length of `inode` becomes `offset`
  kSyncBegin,      // of `inode`
  kSyncEnd,        // what was written before op `begin`; `ok`, or the fates are drawn from `seed`
  kLink,           // `new_entry` of `directory` is a further name for `inode`
  kUnlink,         // `old_entry` of `directory` goes
  kRename,         // `old_entry` becomes `new_entry`, which it replaces
  kDirectorySyncBegin,
  kDirectorySyncEnd,
  kStep,  // nothing changes but what the process knows: `step`
};

struct SimOp {
  SimOpKind kind;
  bool ok = true;
  // Stored through a mapping: a kill in its midst leaves any of its 64-byte lines.
  bool mapped = false;
  InodeNumber inode = 0;
  InodeNumber directory = 0;
  uint64_t offset = 0;
  uint64_t begin = 0;
  uint64_t seed = 0;
  std::string path = {};  // for people
  std::string old_entry = {}, new_entry = {};
  std::shared_ptr<const std::string> data = nullptr;
  CrashSite site = CrashSite::kOther;  // what the engine did
  CrashStep step = CrashStep::kCount;
  // Where it belongs, for people and cells: "log append: log.append", "flush: segment.create",
  // "group synced" …
  std::string Label() const;
  std::string ToString() const;
};

// What a power loss does to the pending items, which are numbered in a fixed order.
struct SimLoss {
  enum class Kind : uint8_t {
    kDropAll,
    kKeepAll,
    kOnly,
    kAllBut,
    kSubset,
    kRandom,
    kSectors,
    kPages
  };
  Kind kind = Kind::kDropAll;
  uint64_t argument = 0;

  static SimLoss DropAll() { return {Kind::kDropAll, 0}; }
  static SimLoss KeepAll() { return {Kind::kKeepAll, 0}; }
  static SimLoss Only(uint64_t item) { return {Kind::kOnly, item}; }
  static SimLoss AllBut(uint64_t item) { return {Kind::kAllBut, item}; }
  static SimLoss Subset(uint64_t mask) { return {Kind::kSubset, mask}; }  // at most 64 items
  // Each item any of its outcomes, zeros and garbage included; whole files lean one way.
  static SimLoss Random(uint64_t seed) { return {Kind::kRandom, seed}; }
  // Of eight items from `first` on, which are the sectors of a page, those in `mask`; all others or
  // none.
  static SimLoss Sectors(uint64_t first, uint8_t mask, bool others) {
    return {Kind::kSectors, first << 9 | uint64_t{others} << 8 | mask};
  }
  // By groups (SimDisk::PendingGroups): each whole or not at all. At most 64 of them.
  static SimLoss Pages(uint64_t mask) { return {Kind::kPages, mask}; }

  static const char* KindName(Kind kind);
  // "drop", "keep", "only7", "but7", "set1f", "rnd5", "sec10ff", "pages3"
  std::string ToString() const;
  static bool Parse(std::string_view text, SimLoss* loss);
};

// Pending items that belong together: the sectors of a page of a file, a length, a name.
struct SimPendingGroup {
  InodeNumber inode = 0;  // the directory's, for a name
  bool is_page = false;
  uint32_t page = 0;
  size_t first = 0, items = 0;  // numbers of the items
};

class SimDisk {
 public:
  static constexpr InodeNumber kRoot = 1;

  SimDisk();

  // From now on nothing is pending: a disk that will only be killed. Makes changes cheaper.
  void StopTracking();

  // Applies one change. The caller has checked that it is possible (names exist, and so on).
  void Apply(const SimOp& op);
  // Applies a part of a write: of a mapped one the 64-byte lines that `seed` chooses; of others a
  // prefix that ends at a sector's edge, `seed` of them.
  void ApplyTorn(const SimOp& op, uint64_t seed);
  // Sectors that a write touches: ApplyTorn has this many tears of a plain write, less one.
  static uint64_t SectorsOf(const SimOp& op);

  // Ops applied so far. A kSyncEnd names the count at its beginning.
  uint64_t clock() const { return clock_; }
  InodeNumber next_inode() const { return next_inode_; }

  // ---- The cached view --------------------------------------------------------------------
  // 0 if there is none. Paths are absolute.
  InodeNumber Find(std::string_view path) const;
  // The directory a path lies in (0: there is none) and the last component of it.
  InodeNumber FindParent(std::string_view path, std::string* name) const;
  bool IsDirectory(InodeNumber inode) const;
  uint64_t Size(InodeNumber inode) const;
  uint64_t AllocatedBytes(InodeNumber inode) const;
  uint32_t Links(InodeNumber inode) const;
  size_t Read(InodeNumber inode, uint64_t offset, size_t size, char* buffer) const;
  const std::map<std::string, InodeNumber>& Entries(InodeNumber directory) const;
  // Allocated bytes of all files that have a name or are open.
  uint64_t UsedBytes(const std::map<InodeNumber, int>& open) const;
  // Every path of the cached view, directories too, with the root left out.
  std::vector<std::string> Paths() const;

  // ---- Crashes ----------------------------------------------------------------------------
  // Items a power loss decides about now.
  size_t PendingCount() const;
  std::vector<SimPendingGroup> PendingGroups() const;
  bool HasPending(InodeNumber inode) const;  // of its data or length
  bool HasPendingNames() const;
  std::string DescribePending() const;  // one line each
  // The disk after the machine lost power: nothing pending.
  SimDisk PowerLoss(const SimLoss& loss) const;
  // The disk after the process died: the same, with files that have neither name nor future gone.
  SimDisk Kill() const;
  // Replaces bytes of a file, durable and cached, as decay or a stray write would. Nothing of the
  // file is pending afterwards.
  void Damage(InodeNumber inode, uint64_t offset, Slice bytes);

  // Of names, lengths and content below `directory`, as a process would now see them. Equal disks,
  // equal hashes.
  uint64_t CachedHash(InodeNumber directory = kRoot) const;

  // Drops what neither a name, now or after any power loss, nor `open` can reach.
  void Collect(const std::map<InodeNumber, int>& open);

 private:
  // A file's bytes: pages, null for zeros; what lies past `size` is zero.
  struct Content {
    uint64_t size = 0;
    std::vector<SimPageRef> pages;
  };
  struct PageVersion {
    uint64_t stamp;
    uint8_t sectors;  // bit i: sector i was written
    SimPageRef page;
  };
  struct SizeVersion {
    uint64_t stamp;
    uint64_t size;
  };
  struct Inode {
    bool is_directory = false;
    bool ragged = false;  // a failed sync may have left durable bytes past the durable length
    uint32_t links = 0;
    std::shared_ptr<const Content> durable;
    std::shared_ptr<const Content> cached;
    std::map<uint32_t, std::vector<PageVersion>> pages;  // pending, by page, oldest first
    std::vector<SizeVersion> sizes;                      // pending, oldest first
  };
  // Entry `old_name` goes (if it has one) and `new_name` comes to be `inode` (if it has one).
  struct NameOp {
    uint64_t stamp;
    std::string old_name, new_name;
    InodeNumber inode;
  };
  struct Directory {
    std::map<std::string, InodeNumber> durable, cached;
    std::vector<NameOp> pending;
  };
  // One pending item and its outcomes: 0 is "as it was", the last is "as it is cached".
  struct Item {
    enum class Kind : uint8_t { kSize, kSector, kName } kind;
    InodeNumber inode;  // the directory's, for a name
    uint32_t page;      // for a name: which of the pending operations
    uint8_t sector;
    uint32_t versions;  // outcomes 1 … versions
  };
  static constexpr uint32_t kZeros = 0xfffffffe, kGarbage = 0xffffffff;

  std::vector<Item> Items() const;
  static bool IsOneGroup(const Item& a, const Item& b);
  std::vector<uint32_t> Choose(const std::vector<Item>& items, const SimLoss& loss) const;
  void WriteCached(Inode* inode, uint64_t offset, Slice data);
  void ResizeCached(Inode* inode, uint64_t size);
  void ChangeName(InodeNumber directory, std::string old_name, std::string new_name,
                  InodeNumber inode);
  void SyncFile(Inode* inode, uint64_t upto);
  void FailSync(Inode* inode, uint64_t upto, uint64_t seed);
  static void ApplyName(const NameOp& op, std::map<std::string, InodeNumber>* names);
  void CountLinks();

  bool tracking_ = true;
  uint64_t clock_ = 0;
  InodeNumber next_inode_ = 2;
  std::map<InodeNumber, Inode> inodes_;
  std::map<InodeNumber, Directory> directories_;
};

// A recorded run: where it began and everything that happened to the disk since.
struct SimHistory {
  SimDisk initial;
  std::vector<SimOp> ops;
};

// Walks forward through a history; disk() is the state after the first position() ops.
class SimReplay {
 public:
  explicit SimReplay(const SimHistory* history) : history_(history), disk_(history->initial) {}
  size_t position() const { return position_; }
  const SimDisk& disk() const { return disk_; }
  bool AtEnd() const { return position_ == history_->ops.size(); }
  void Step();
  void AdvanceTo(size_t position) {
    while (position_ < position) Step();
  }

 private:
  const SimHistory* history_;
  size_t position_ = 0;
  SimDisk disk_;
};

}  // namespace varve

#endif  // VARVE_TESTS_SUPPORT_SIM_DISK_H_
