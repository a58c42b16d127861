#include "memtable/skiplist.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "util/hash.h"
#include "util/scheduler.h"

namespace varve {

namespace {

// What of the last block is not used is lost, in each memtable.
constexpr size_t kBlockBytesMax = size_t{256} << 10;
// The prefix in a link to nothing: no key's is above it.
constexpr uint64_t kPrefixMax = UINT64_MAX;

}  // namespace

struct SkipList::Link {
  std::atomic<Node*> next;
  std::atomic<uint64_t> prefix;

  // Level 1 lies right before the node, higher ones before that.
  static Link& Of(Node* node, int level) { return reinterpret_cast<Link*>(node)[-level]; }

  // After `to` was linked in here, beside others who may link theirs in before it: the last of them
  // to store a prefix then sees the node that came last. The fence of each orders its store before
  // its load of the pointer.
  void SetPrefix(const Node* to) {
    for (const Node* now = to;;) {
      SchedulePoint();
      prefix.store(now->prefix, std::memory_order_seq_cst);
      const Node* const after = next.load(std::memory_order_seq_cst);
      if (after == now) return;
      now = after;
    }
  }
};

// `count` nodes that reach `level`, ascending, and their prefixes apart, which is what the search
// reads.
struct SkipList::Directory {
  Directory(int level_in, size_t capacity)
      : level(level_in),
        prefixes(std::make_unique_for_overwrite<uint64_t[]>(capacity)),
        nodes(std::make_unique_for_overwrite<Node*[]>(capacity)) {}

  // How many nodes have a prefix below `prefix`.
  size_t CountBelow(uint64_t prefix) const {
    const uint64_t* base = prefixes.get();
    for (size_t rest = count; rest > 1;) {
      const size_t half = rest / 2;
      base += half & -static_cast<size_t>(base[half - 1] < prefix);  // no branch to mispredict
      rest -= half;
    }
    return static_cast<size_t>(base - prefixes.get()) + (*base < prefix);
  }

  // How many nodes are `before`, a test that is true up to some node and false from there on, if it
  // is true of all those below `from`.
  template <typename Before>
  size_t CountBefore(size_t from, const Before& before) const {
    return static_cast<size_t>(
        std::partition_point(nodes.get() + from, nodes.get() + count, before) - nodes.get());
  }

  const int level;
  size_t count = 0;  // at least 1 when published
  const std::unique_ptr<uint64_t[]> prefixes;
  const std::unique_ptr<Node*[]> nodes;
};

SkipList::SkipList(const InternalKeyComparator& comparator, Slice common_prefix)
    : comparator_(comparator),
      bytewise_(comparator.bytewise()),
      common_prefix_(common_prefix),
      arena_(kBlockBytesMax),
      head_([this] {
        char* const memory = AllocateNode((kHeightMax - 1) * sizeof(Link) + sizeof(Node));
        Node* const head = new (memory + (kHeightMax - 1) * sizeof(Link)) Node;
        head->next_at_0.store(nullptr, std::memory_order_relaxed);
        head->prefix = 0;
        head->entry = nullptr;
        for (int level = 1; level < kHeightMax; ++level) {
          Link* const link = new (&Link::Of(head, level)) Link;
          link->next.store(nullptr, std::memory_order_relaxed);
          link->prefix.store(kPrefixMax, std::memory_order_relaxed);
        }
        return head;
      }()) {
  std::fill(std::begin(hint_.before), std::end(hint_.before), head_);
  hint_.levels = kHeightMax;
}

SkipList::~SkipList() = default;

// Heights come from a hash of the trailer, as sequences are all different: no state to share
// between threads, and the same list for the same writes.
int SkipList::HeightOf(uint64_t trailer) {
  const uint64_t bits = Mix64(trailer + 0x9e3779b97f4a7c15u);
  return 1 + std::countr_zero(bits | uint64_t{1} << (kHeightMax - 1));
}

char* SkipList::AllocateNode(size_t bytes) {
  if (bytes > node_space_bytes_) {
    node_space_ = arena_.Allocate(node_space_next_);
    node_space_bytes_ = node_space_next_;
    node_space_next_ = std::min(node_space_next_ * 2, kNodeSpaceMax);
  }
  char* const memory = node_space_;
  node_space_ += bytes;
  node_space_bytes_ -= bytes;
  return memory;
}

SkipList::Node* SkipList::NewNode(const Target& target, Slice value, Slice value_head, int height,
                                  bool concurrently) {
  const size_t links_bytes = static_cast<size_t>(height - 1) * sizeof(Link);
  const size_t node_bytes = links_bytes + sizeof(Node);
  const size_t key_size = target.user_key.size();
  const size_t value_size = value_head.size() + value.size();
  const size_t entry_bytes = Node::kEntryHeaderBytes + key_size + kTrailerBytes + value_size;
  char* memory;
  char* entry;
  if (concurrently) {
    memory = arena_.AllocateConcurrently(node_bytes);
    entry = arena_.AllocateConcurrently(entry_bytes);
  } else {
    memory = AllocateNode(node_bytes);
    entry = arena_.Allocate(entry_bytes);
  }
  EncodeFixed32(entry, static_cast<uint32_t>(key_size));
  EncodeFixed32(entry + 4, static_cast<uint32_t>(value_size));
  char* to = entry + Node::kEntryHeaderBytes;
  if (key_size != 0) std::memcpy(to, target.user_key.data(), key_size);
  to += key_size;
  EncodeFixed64(to, target.trailer);
  to += kTrailerBytes;
  if (!value_head.empty()) [[unlikely]] {
    std::memcpy(to, value_head.data(), value_head.size());
    to += value_head.size();
  }
  if (!value.empty()) std::memcpy(to, value.data(), value.size());

  // Links and the next pointer are set when the node is linked in.
  Node* const node = new (memory + links_bytes) Node;
  for (int level = 1; level < height; ++level) new (&Link::Of(node, level)) Link;
  node->prefix = target.prefix;
  node->entry = entry;
  return node;
}

int SkipList::Compare(const Node* node, const Target& target) const {
  if (node->prefix != target.prefix) return node->prefix < target.prefix ? -1 : 1;
  const int by_key = comparator_.CompareUserKeys(node->user_key(), target.user_key);
  if (by_key != 0) return by_key;
  const uint64_t trailer = node->trailer();
  return trailer > target.trailer ? -1 : trailer < target.trailer ? 1 : 0;
}

bool SkipList::Advance(const Target& target, int level, int steps, Node** node) const {
  for (Node* at = *node;; --steps) {
    Link& link = Link::Of(at, level);
    const uint64_t prefix = link.prefix.load(std::memory_order_acquire);
    SchedulePoint();
    Node* const next = link.next.load(std::memory_order_acquire);
    if (prefix >= target.prefix &&
        (prefix > target.prefix || next == nullptr || Compare(next, target) >= 0)) {
      *node = at;
      return true;
    }
    if (steps == 0) return false;
    at = next;
  }
}

SkipList::Node* SkipList::AdvanceExactly(const Target& target, int level, Node** node) const {
  for (;;) {
    std::atomic<Node*>& link = level == 0 ? (*node)->next_at_0 : Link::Of(*node, level).next;
    Node* const next = link.load(std::memory_order_acquire);
    if (next == nullptr || Compare(next, target) >= 0) return next;
    *node = next;
  }
}

SkipList::Node* SkipList::Descend(const Target& target, int bottom, int height, Path* path) const {
  Node* node = head_;
  int level = 0;
  const Directory* const directory = directory_.load(std::memory_order_acquire);
  bool from_directory = directory != nullptr && height <= directory->level + 1;
  if (from_directory) {
    level = directory->level;
    size_t before = directory->CountBelow(target.prefix);
    if (before < directory->count && directory->prefixes[before] == target.prefix) {
      before =
          directory->CountBefore(before, [&](Node* other) { return Compare(other, target) < 0; });
    }
    if (before > 0) node = directory->nodes[before - 1];
    from_directory = Advance(target, level, kDetourSteps, &node);
    if (path != nullptr) path->detour = !from_directory;
  }
  if (!from_directory) {
    node = head_;
    level = height_.load(std::memory_order_relaxed) - 1;
    if (path != nullptr) std::fill(path->before + level, std::end(path->before), head_);
  }
  if (path != nullptr) path->levels = from_directory ? level + 1 : kHeightMax;
  for (; level >= bottom; --level) {
    Advance(target, level, INT32_MAX, &node);
    if (path != nullptr) path->before[level] = node;
  }
  return node;
}

SkipList::Node* SkipList::Find(const Target& target, int height, Path* path) const {
  path->before[0] = Descend(target, 1, height, path);
  return AdvanceExactly(target, 0, &path->before[0]);
}

const SkipList::Node* SkipList::First() const { return head_->Next(); }

const SkipList::Node* SkipList::FindAtOrAfter(const Target& target) const {
  Node* node = Descend(target, 1, 1, nullptr);
  return AdvanceExactly(target, 0, &node);
}

const SkipList::Node* SkipList::FindBefore(const Target& target) const {
  Node* node = Descend(target, 1, 1, nullptr);
  AdvanceExactly(target, 0, &node);
  return node == head_ ? nullptr : node;
}

const SkipList::Node* SkipList::FindLast() const {
  Node* node = head_;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level > 0; --level) {
    while (Node* next = Link::Of(node, level).next.load(std::memory_order_acquire)) node = next;
  }
  while (Node* next = node->Next()) node = next;
  return node == head_ ? nullptr : node;
}

size_t SkipList::FindPredecessors(const Node* node, const Node** nodes, size_t count_max) const {
  const Target target{node->prefix, node->user_key(), node->trailer()};
  const Node* at = Descend(target, kDirectoryLevelMin, 1, nullptr);
  size_t count = 0;
  if (at != head_) nodes[count++] = at;
  // Fills in a circle, so that the last ones stay.
  for (at = at->Next(); at != node; at = at->Next()) nodes[count++ % count_max] = at;
  if (count <= count_max) return count;
  std::rotate(nodes, nodes + count % count_max, nodes + count_max);
  return count_max;
}

void SkipList::RaiseHeight(int height) {
  int now = height_.load(std::memory_order_relaxed);
  while (now < height && !height_.compare_exchange_weak(now, height, std::memory_order_relaxed)) {
  }
}

bool SkipList::HintFits(const Target& target, int height, Node** next) const {
  // One branch that is well predicted, be the inserts random or in order.
  const bool near = (target.prefix >= hint_low_) & (target.prefix <= hint_high_);
  if (!near || height > hint_.levels) return false;
  Node* const last = hint_.before[0];
  if (last != head_ && Compare(last, target) >= 0) return false;
  *next = last->Next();
  return *next == nullptr || Compare(*next, target) > 0;
}

void SkipList::Insert(const Target& target, Slice value, Slice value_head) {
  const int height = HeightOf(target.trailer);
  const uint64_t inserts = inserts_.load(std::memory_order_relaxed) + 1;
  inserts_.store(inserts, std::memory_order_relaxed);
  Node* next;
  if (!HintFits(target, height, &next)) {
    if (inserts >= build_at_.load(std::memory_order_relaxed)) BuildDirectory();
    hint_.detour = false;
    next = Find(target, height, &hint_);
    if (hint_.detour) {
      // The sooner a new directory comes.
      build_at_.store(build_at_.load(std::memory_order_relaxed) - kDetourSteps,
                      std::memory_order_relaxed);
    }
  }
  Node* const node = NewNode(target, value, value_head, height, false);
  RaiseHeight(height);
  node->next_at_0.store(next, std::memory_order_relaxed);
  hint_.before[0]->next_at_0.store(node, std::memory_order_release);
  hint_.before[0] = node;
  for (int level = 1; level < height; ++level) {
    Advance(target, level, INT32_MAX, &hint_.before[level]);  // from a hint it may be further on
    Link& before = Link::Of(hint_.before[level], level);
    Link& after = Link::Of(node, level);
    after.next.store(before.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    after.prefix.store(before.prefix.load(std::memory_order_relaxed), std::memory_order_relaxed);
    before.next.store(node, std::memory_order_release);
    before.prefix.store(node->prefix, std::memory_order_release);
    hint_.before[level] = node;
  }
  hint_low_ = target.prefix;
  hint_high_ = next == nullptr ? kPrefixMax : next->prefix;
}

void SkipList::InsertConcurrently(const Target& target, Slice value, Slice value_head) {
  const int height = HeightOf(target.trailer);
  Path path;
  Find(target, height, &path);
  Node* const node = NewNode(target, value, value_head, height, true);
  RaiseHeight(height);
  for (int level = 0; level < height; ++level) {
    Node** const before = &path.before[level];
    for (;;) {
      Node* next = AdvanceExactly(target, level, before);
      SchedulePoint();
      if (level == 0) {
        node->next_at_0.store(next, std::memory_order_relaxed);
        if ((*before)->next_at_0.compare_exchange_strong(next, node, std::memory_order_release,
                                                         std::memory_order_relaxed)) {
          break;
        }
        continue;
      }
      Link& after = Link::Of(node, level);
      after.next.store(next, std::memory_order_relaxed);
      after.prefix.store(next == nullptr ? kPrefixMax : next->prefix, std::memory_order_relaxed);
      Link& link = Link::Of(*before, level);
      if (link.next.compare_exchange_strong(next, node, std::memory_order_release,
                                            std::memory_order_relaxed)) {
        link.SetPrefix(node);
        break;
      }
    }
  }
}

void SkipList::NoteConcurrentInserts(uint64_t added) {
  const uint64_t inserts = inserts_.fetch_add(added, std::memory_order_relaxed) + added;
  if (inserts >= build_at_.load(std::memory_order_relaxed)) BuildDirectory();
}

void SkipList::BuildDirectory() {
  if (building_.exchange(true, std::memory_order_acquire)) return;
  const uint64_t inserts = inserts_.load(std::memory_order_relaxed);
  build_at_.store(inserts + inserts / 2 + kDirectoryEntriesMin, std::memory_order_relaxed);
  int level = kDirectoryLevelMin;
  while (inserts >> level > kDirectoryNodesMax && level < kHeightMax - 1) ++level;

  // A quarter more than expected; what does not fit is reached along the list.
  const size_t capacity = (inserts >> level) + (inserts >> (level + 2)) + 16;
  auto directory = std::make_unique<Directory>(level, capacity);
  Node* node = head_;
  while (directory->count < capacity) {
    node = Link::Of(node, level).next.load(std::memory_order_acquire);
    if (node == nullptr) break;
    directory->prefixes[directory->count] = node->prefix;
    directory->nodes[directory->count++] = node;
  }
  if (directory->count > 0) {
    directory_bytes_.fetch_add(sizeof(Directory) + capacity * (sizeof(uint64_t) + sizeof(Node*)),
                               std::memory_order_relaxed);
    directory_.store(directory.get(), std::memory_order_release);
    directories_.push_back(std::move(directory));
  }
  building_.store(false, std::memory_order_release);
}

bool SkipList::Consistent() const {
  const auto target_of = [](const Node* node) {
    return Target{node->prefix, node->user_key(), node->trailer()};
  };
  for (const Node* node = First(); node != nullptr; node = node->Next()) {
    if (node->prefix != MakeTarget(node->user_key(), node->trailer()).prefix) return false;
    if (node->Next() != nullptr && Compare(node->Next(), target_of(node)) <= 0) return false;
  }
  for (int level = 1; level < kHeightMax; ++level) {
    // Every node of a level is met, in order, on the level below, and no other is as tall.
    const Node* below = head_;
    for (Node* node = head_; node != nullptr;) {
      Link& link = Link::Of(node, level);
      Node* const next = link.next.load(std::memory_order_acquire);
      if (link.prefix.load(std::memory_order_acquire) !=
          (next == nullptr ? kPrefixMax : next->prefix)) {
        return false;
      }
      if (next != nullptr && HeightOf(next->trailer()) <= level) return false;
      do {
        below =
            level == 1 ? below->Next() : Link::Of(const_cast<Node*>(below), level - 1).next.load();
        if (below != next && (below == nullptr || HeightOf(below->trailer()) > level)) return false;
      } while (below != next);
      node = next;
    }
    if (level >= height_.load() && Link::Of(head_, level).next.load() != nullptr) {
      return false;
    }
  }
  return true;
}

size_t SkipList::BytesMax(uint64_t count, size_t data_bytes) {
  // An entry has one link on average, of variance 2. This is eight standard deviations more, or all
  // that an entry can have, whichever the count.
  const uint64_t links = 2 * count + 64;
  constexpr size_t kEach =
      sizeof(Node) + Node::kEntryHeaderBytes + kTrailerBytes + Arena::kAlignment - 1;
  return links * sizeof(Link) + count * kEach + data_bytes + kNodeSpaceMax;
}

}  // namespace varve
