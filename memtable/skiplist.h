#ifndef VARVE_MEMTABLE_SKIPLIST_H_
#define VARVE_MEMTABLE_SKIPLIST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "util/arena.h"
#include "util/coding.h"
#include "util/internal_key.h"
#include "varve/slice.h"

// The ordered set of entries beneath a memtable: a skiplist with branching 2, made for the CPU's
// caches and for its branch predictor, which is where the time of an insert into a list of
// thousands goes.
//
//   node  | link height-1 | … | link 1 | next | prefix | entry* |      link := next | prefix of
//   next
//                                      ^ Node*
//   entry | key size u32 | value size u32 | key | trailer | value |
//
//  - Nodes lie apart from entries. A search walks nodes, some 40 bytes each, so that those of 8 MiB
//    of entries stay in a second-level cache; it reads an entry only where prefixes tie. (Those of
//    concurrent inserts lie beside their entries, in what their thread took from the arena.)
//  - A link carries the KeyPrefix of the node it leads to. A step down costs no look at another
//    node, which is why branching 2 wins over the usual 4: half as many nodes are visited.
//  - A *directory*, a sorted array of the nodes that reach a certain level, replaces the levels
//    above: a binary search without branches instead of one mispredicted branch a level. It is a
//    snapshot, built anew each time the list has grown by half, and never has to be complete: a
//    search goes on from the last node before its key, along the list.
//
// Prefixes are of what follows a *common prefix*, given when the list is made, where keys are
// expected to begin with it: eight bytes of "user/0001234" say nothing else. A key that does not is
// before or after all that do, and its prefix the lowest or the highest number. Any common prefix
// is right, only a good one is fast. Under a user's own comparator all prefixes are 0. Where
// prefixes tie, whole keys decide.
//
// A search for a key:
//  1. The directory gives a node before the key, and the level to go on at; without one, the head
//     and the highest level.
//  2. At a level above 0: while the link's prefix is below the key's, or equal and the next node's
//     entry before the key, go right; then down.
//  3. At level 0 the same, with the prefix in the next node itself.
//  4. If the keys since the directory was built are so unlike those before that step 2 walks far
//     at its first level, it begins again from the head.
//
// Invariants:
//  - Nodes are never removed; next pointers change only to nodes that come earlier. So a node once
//    found to be before a key remains so: what a search remembers needs no validation but a walk
//    on.
//  - A link's prefix is written after its pointer and read before it. So the prefix read is that
//    of the node read or of one that followed it: at or above the node's own. "Prefix below the
//    key's" is then true of the node too. "Above" may be wrong by a race, which costs steps on the
//    level below; at level 0, and where nodes are linked in concurrently, nodes are read
//    themselves. Once no insert is under way, every link's prefix is exact.
//  - A node is linked at level 0 first: whoever finds it anywhere finds it there.
//
// Thread safety: as MemTable. Release stores of next pointers publish the node with its entry;
// readers load them with acquire.
//
// Rejected: branching 4 with prefixes in the nodes alone and one arena, as LevelDB and RocksDB do.
// Inserting 116-byte entries at random took 1.5 times as long at 8 MiB and twice at 64 MiB.

namespace varve {

class SkipList {
 public:
  struct Node;

  explicit SkipList(const InternalKeyComparator& comparator, Slice common_prefix = Slice());
  ~SkipList();
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  // Where a search is for: a user key with a trailer, in the order of internal keys.
  struct Target {
    uint64_t prefix;
    Slice user_key;
    uint64_t trailer;
  };
  Target MakeTarget(Slice user_key, uint64_t trailer) const {
    return {PrefixOf(user_key), user_key, trailer};
  }

  // One caller at a time, and none of InsertConcurrently() meanwhile. Keys in ascending order are
  // noticed and cost no search.
  // The value is `value_head`, then `value`.
  void Insert(const Target& target, Slice value, Slice value_head = Slice());
  void InsertConcurrently(const Target& target, Slice value, Slice value_head = Slice());
  // Counts what InsertConcurrently() inserted, and builds the directory anew if it is time. Any
  // thread, any time but beside Insert().
  void NoteConcurrentInserts(uint64_t added);

  // The first entry at or after the target, the last one before it, and the last of all; null if
  // there is none.
  const Node* FindAtOrAfter(const Target& target) const;
  const Node* FindBefore(const Target& target) const;
  const Node* FindLast() const;
  const Node* First() const;
  // Fills `nodes` with those that end before `node` and follow each other, in order, and returns
  // how many; 0 only if `node` is the first. One search serves several steps back.
  size_t FindPredecessors(const Node* node, const Node** nodes, size_t count_max) const;

  // How `node` compares with the target.
  int Compare(const Node* node, const Target& target) const;

  // Checks the invariants above, node by node and level by level. With no insert under way.
  bool Consistent() const;

  size_t used_bytes() const { return arena_.used_bytes(); }
  size_t memory_bytes() const {
    return arena_.memory_bytes() + directory_bytes_.load(std::memory_order_relaxed);
  }
  // What `count` inserts of together `data_bytes` bytes of keys and values add to used_bytes(), at
  // most; the number of links is random, and passes this bound hardly once in 10^9 times.
  static size_t BytesMax(uint64_t count, size_t data_bytes);

 private:
  struct Link;
  struct Directory;

  // Enough for 2^23 entries at one visit a level; with more, the directory still shortens the way.
  static constexpr int kHeightMax = 24;
  // The directory's level: the lowest from this on with at most so many nodes, by expectation.
  static constexpr int kDirectoryLevelMin = 3;
  static constexpr uint64_t kDirectoryNodesMax = 16384;
  static constexpr uint64_t kDirectoryEntriesMin = 512;  // no directory for fewer
  // Steps to the right at the first level before a search begins again from the head.
  static constexpr int kDetourSteps = 24;

  // The last node before a target (which may be the head) at each level, as a search left them.
  struct Path {
    Node* before[kHeightMax];
    int levels = 0;       // how many of them, from 0, are set
    bool detour = false;  // the directory was of no use
  };

  static constexpr size_t kNodeSpaceMax = size_t{4} << 10;

  uint64_t PrefixOf(Slice user_key) const {
    if (!bytewise_) return 0;
    if (common_prefix_.empty()) return KeyPrefix(user_key);
    const int order = user_key.substr(0, common_prefix_.size()).compare(common_prefix_);
    if (order == 0) return KeyPrefix(user_key.substr(common_prefix_.size()));
    return order < 0 ? 0 : UINT64_MAX;
  }
  static int HeightOf(uint64_t trailer);
  char* AllocateNode(size_t bytes);
  Node* NewNode(const Target& target, Slice value, Slice value_head, int height, bool concurrently);
  // What all inserts of a node of `height` do before they link it in.
  void RaiseHeight(int height);

  // The last node before the target at level `bottom`, at least 1. With `path`, sets it from there
  // up, for at least `height` levels in all.
  Node* Descend(const Target& target, int bottom, int height, Path* path) const;
  // Goes right at one level, by the links' prefixes; false if that takes more than `steps`.
  bool Advance(const Target& target, int level, int steps, Node** node) const;
  // The same by the nodes themselves; returns the node after the target's place.
  Node* AdvanceExactly(const Target& target, int level, Node** node) const;
  // Sets *path to `height` levels, and returns the node after the target's place.
  Node* Find(const Target& target, int height, Path* path) const;
  // True, with *next as Find() gives it, if the target's place is next to the last Insert()'s.
  bool HintFits(const Target& target, int height, Node** next) const;

  void BuildDirectory();

  const InternalKeyComparator comparator_;
  const bool bytewise_;
  const std::string common_prefix_;
  Arena arena_;
  // Of Insert() alone: where its nodes lie, a piece of the arena each time twice as large.
  char* node_space_ = nullptr;
  size_t node_space_bytes_ = 0;  // what is left
  size_t node_space_next_ = 512;
  Node* const head_;
  // Levels in use. Relaxed: who sees an old value misses a shortcut, or finds an empty level.
  std::atomic<int> height_{1};

  // The newest directory. Replaced, never changed; acquire and release publish its contents.
  std::atomic<const Directory*> directory_{nullptr};
  // Held (as true) while a directory is built; whoever finds it so leaves the work to the other.
  std::atomic<bool> building_{false};
  std::vector<std::unique_ptr<const Directory>>
      directories_;  // older ones too; guarded by building_
  std::atomic<size_t> directory_bytes_{0};
  // Relaxed: hints of when to build. Inserts so far, and at how many to build.
  std::atomic<uint64_t> inserts_{0};
  std::atomic<uint64_t> build_at_{kDirectoryEntriesMin};

  // Of Insert() alone: the path to what it inserted last, that node included, and the prefixes of
  // that node and of the next one.
  Path hint_;
  uint64_t hint_low_ = 0;
  uint64_t hint_high_ = UINT64_MAX;
};

// The parts of a list that iterators and lookups read; nodes are laid out as drawn above.
struct SkipList::Node {
  std::atomic<Node*> next_at_0;
  uint64_t prefix;
  const char* entry;

  Node* Next() const { return next_at_0.load(std::memory_order_acquire); }

  uint32_t key_size() const { return DecodeFixed32(entry); }
  uint32_t value_size() const { return DecodeFixed32(entry + 4); }
  Slice user_key() const { return Slice(entry + kEntryHeaderBytes, key_size()); }
  Slice internal_key() const {
    return Slice(entry + kEntryHeaderBytes, size_t{key_size()} + kTrailerBytes);
  }
  uint64_t trailer() const { return DecodeFixed64(entry + kEntryHeaderBytes + key_size()); }
  Slice value() const {
    return Slice(entry + kEntryHeaderBytes + key_size() + kTrailerBytes, value_size());
  }

  static constexpr size_t kEntryHeaderBytes = 8;
};

}  // namespace varve

#endif  // VARVE_MEMTABLE_SKIPLIST_H_
