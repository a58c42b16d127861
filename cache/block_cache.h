#ifndef VARVE_CACHE_BLOCK_CACHE_H_
#define VARVE_CACHE_BLOCK_CACHE_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "util/internal_key.h"
#include "util/mutex.h"
#include "util/scheduler.h"

// The block cache: values of known size under {file, offset}, found without a lock, evicted by
// CLOCK.
//
// Shape. The hash of a key picks one of kShards shards and, in its table, a home slot. A slot is
// one cache line and holds the entry itself, so a hit costs one miss of the CPU's caches.
// Collisions probe the following slots; each slot counts the entries that were placed past it
// (`displaced`), and a lookup ends at the first slot where that is zero.
//
// Lookup, lock-free:
//  1. Compare the slot's key, unpinned. Where it differs nothing was written.
//  2. Pin: add one to `meta`, which returns the state as well.
//  3. If the state is visible and the key still the same, that is a hit: nobody recycles a pinned
//     slot. Otherwise take the pin back, as a release would.
// Release is one subtraction, unless the entry was erased meanwhile: then the last one frees it.
//
// Everything else (insert, erase, evict, grow) holds the shard's mutex; it follows or precedes I/O.
// A slot leaves the state visible for another key only by compare-and-swap from "visible, no pins",
// so never under a reader. Pins that lookups add in error to a slot which is empty or exclusive are
// not taken back: whoever owns the slot then overwrites them.
//
// Eviction. Each entry has a count of uses, one after its insertion and at most kUsesMax. A hand
// goes round the shard's slots; it takes one off an unpinned entry, and evicts where none is left.
// Usage is counted for all shards together, so that one that is full takes room from the others,
// and large entries fit a small cache.
//
// Growth. A table starts with few slots and doubles when it is fuller than kLoadMax, as long as
// entries keep coming while there is room: a wrong estimate of their size costs nothing. Slots
// never move: the upper half is one more allocation. Each insert then takes a few entries of the
// lower half to where they belong in the larger table; until that is done a lookup that misses
// tries once more under the old size. An entry pinned in the wrong place when its turn comes is
// erased (its holders keep it).
//
// Why not RocksDB's HyperClockCache: its fixed table needs a right estimate, its automatic one pays
// for lock-free inserts and erases with chains that need care at every step. Here only what is hot
// is lock-free.
//
// Thread safety: everything, from any thread. A pin may outlive the cache's owner: the last release
// frees what is left.

namespace varve {

// A block: the segment and where it starts in it. Both together never name two contents.
struct BlockKey {
  FileNumber file = 0;
  uint64_t offset = 0;
};

class BlockCache {
 public:
  // A pinned entry: its value stays until Release().
  struct Handle;
  using Deleter = void (*)(void* value);

  // `capacity_bytes` may be 0. No table is made before the first insert.
  static std::shared_ptr<BlockCache> Create(size_t capacity_bytes);
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // The entry, pinned, or null.
  Handle* Lookup(const BlockKey& key);
  // Begins to fetch into the CPU's caches what Lookup(key) will read.
  void Prefetch(const BlockKey& key) const;

  // Takes `value` over and returns an entry, pinned, that holds it; if there is one under `key`
  // already, drops `value` and returns that. Where pins leave no room, or `charge` exceeds the
  // capacity, the entry is not cached: no lookup finds it, and its release frees it. `deleter` is
  // called once, without a lock held, from whichever thread lets go last. `charge`: all bytes that
  // go with the value; the slot is added here.
  [[nodiscard]] Handle* Insert(const BlockKey& key, void* value, Deleter deleter, size_t charge);

  static void* Value(const Handle* handle);
  static size_t Charge(const Handle* handle);  // the slot included
  // A second pin of the same entry.
  static void Ref(Handle* handle);
  static void Release(Handle* handle);
  // The same as a PinnedValue wants it; `cache` is not looked at.
  static void ReleaseFor(void* cache, void* handle) {
    (void)cache;
    Release(static_cast<Handle*>(handle));
  }

  // No lookup that starts afterwards finds it; holders keep it.
  void Erase(const BlockKey& key);
  // Evicts what is over the new capacity before it returns, as far as pins allow.
  void SetCapacity(size_t capacity_bytes);
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }

  // Bytes of all entries, their slots included, whether they can be found or are only pinned.
  size_t usage() const { return usage_.load(std::memory_order_relaxed) & ~kOwner; }
  // Bytes of slots that no entry uses: the tables' own, beside usage(). Locks each shard in turn.
  size_t unused_slot_bytes() const;
  // Of usage(), what is pinned. Walks the tables: for statistics, not for every operation.
  size_t pinned_usage() const;
  size_t entries() const;
  // Where a key belongs: the highest bits choose the shard, the lowest the slot.
  static uint64_t HashOf(const BlockKey& key) {
    const auto product = static_cast<unsigned __int128>(key.file ^ 0x9e3779b97f4a7c15u) *
                         (key.offset ^ 0xe7037ed1a0b428dbu);
    return static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
  }
  // Recounts what the tables say of themselves. For tests, while nothing else runs.
  bool TablesAreConsistent() const;

 private:
  struct Shard;
  struct Victims;

  static constexpr uint32_t kShardBits = 5;
  static constexpr uint32_t kShards = 1 << kShardBits;
  static constexpr uint32_t kFirstBits = 5;     // a shard's first table: 32 slots, 2 KiB
  static constexpr uint32_t kSegmentsMax = 24;  // tables of up to 2^28 slots
  static constexpr uint8_t kUsesMax = 3;

  // Handle::meta: the state above, pins in the low 32 bits.
  static constexpr uint64_t kEmpty = uint64_t{0} << 62;      // pins mean nothing
  static constexpr uint64_t kExclusive = uint64_t{1} << 62;  // one thread's; pins mean nothing
  static constexpr uint64_t kErased = uint64_t{2} << 62;     // the last release frees it
  static constexpr uint64_t kVisible = uint64_t{3} << 62;
  static constexpr uint64_t kStateMask = uint64_t{3} << 62;
  static constexpr uint64_t kPinned = uint64_t{2} << 62;  // set in the states in which pins count

  // In usage_ while the owner lives. Every entry has a charge, so the rest is zero only without
  // entries.
  static constexpr uint64_t kOwner = uint64_t{1} << 63;

  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();

  Shard& ShardOf(uint64_t hash) const { return shards_[hash >> (64 - kShardBits)]; }

  // The entry in a table of mask + 1 slots, pinned, or null.
  static Handle* Probe(const Shard& shard, uint32_t mask, uint64_t hash, const BlockKey& key);
  static void FreeErased(Handle* handle);

  bool OverCapacity() const { return usage() > capacity(); }
  bool MakeRoom(uint32_t first_shard);
  void Orphan();
  // The last thing done with the cache for an entry that is gone.
  void Discharge(uint64_t charge) {
    if (usage_.fetch_sub(charge, std::memory_order_acq_rel) == charge) delete this;
  }

  const std::unique_ptr<Shard[]> shards_;
  // Relaxed: a change takes effect with the next insert, SetCapacity() itself sees to what is
  // there.
  std::atomic<size_t> capacity_;
  // Changed by every insert and eviction, so on a line of its own.
  alignas(64) std::atomic<uint64_t> usage_{kOwner};
  std::atomic<uint64_t> uncached_usage_{0};  // of entries that are in no table
};

// ---- Implementation of what is hot ------------------------------------------------------------

// A slot of a table, or on its own an entry that is in none. An empty slot is all zeros but for
// `displaced` (and `meta`, in which pins do not count): so is the memory of a new table. A lookup
// of the key {0, 0} meets its own key there, and is told by the state that there is no entry.
struct alignas(64) BlockCache::Handle {
  // See kEmpty. Storing kVisible (release) publishes the fields; pinning acquires them.
  std::atomic<uint64_t> meta{kEmpty};
  // Relaxed: compared before the pin as a hint, and after it, when it cannot change any more.
  std::atomic<uint64_t> file{0};
  std::atomic<uint64_t> offset{0};
  void* value = nullptr;
  Deleter deleter = nullptr;
  // Relaxed: pinned_usage() reads it without a pin.
  std::atomic<uint64_t> charge{0};
  Shard* shard = nullptr;
  // Entries that were placed past this slot. Relaxed: one too few misses an entry that is just
  // being placed, one too many costs a probe.
  std::atomic<uint32_t> displaced{0};
  // CLOCK. Relaxed and not counted exactly.
  std::atomic<uint8_t> uses{0};
  uint8_t mask_bits =
      0;  // log2 of the table's size for which it is placed; under the shard's mutex
  bool in_table = false;  // constant once visible
};

struct alignas(64) BlockCache::Shard {
  // Slot i, below 2^28 and in a table that was seen.
  Handle* SlotAt(uint32_t i) const {
    const uint32_t segment = std::bit_width(i >> kFirstBits);
    return reinterpret_cast<Handle*>(segments[segment].load(std::memory_order_relaxed) +
                                     uintptr_t{i} * sizeof(Handle));
  }

  // Read by lookups. `mask` (slots - 1, or 0 without a table) is stored last, with release.
  std::atomic<uint32_t> mask{0};
  std::atomic<uint32_t> old_mask{0};  // not 0 while entries of that smaller table are being moved
  // Segment 0 holds slots [0, 2^kFirstBits), segment k [2^(kFirstBits+k-1), 2^(kFirstBits+k)); each
  // stands as the address slot 0 would have. Constant once in use.
  std::array<std::atomic<uintptr_t>, kSegmentsMax> segments{};

  alignas(64) mutable Mutex mutex;
  BlockCache* cache = nullptr;  // constant
  uint32_t occupied GUARDED_BY(mutex) = 0;
  uint32_t hand GUARDED_BY(mutex) = 0;   // of CLOCK
  uint32_t moved GUARDED_BY(mutex) = 0;  // slots below it need no more moving

  uint32_t slots() const REQUIRES(mutex) {
    const uint32_t m = mask.load(std::memory_order_relaxed);
    return m == 0 ? 0 : m + 1;
  }
  Handle* Find(uint64_t hash, const BlockKey& key) REQUIRES(mutex);
  Handle* Place(uint64_t hash, const BlockKey& key) REQUIRES(mutex);
  void Unlink(Handle* slot) REQUIRES(mutex);
  bool HasRoomForOne() REQUIRES(mutex);
  void MoveSome(uint32_t count) REQUIRES(mutex);
  void MoveOne(Handle* slot, uint32_t index, uint32_t old_mask_value) REQUIRES(mutex);
  bool TakeIfUnpinned(Handle* slot);
  void Sweep(uint32_t steps, bool* saw_unpinned, Victims* victims) REQUIRES(mutex);
  bool IsConsistent() const REQUIRES(mutex);
};

inline BlockCache::Handle* BlockCache::Probe(const Shard& shard, uint32_t mask, uint64_t hash,
                                             const BlockKey& key) {
  uint32_t index = static_cast<uint32_t>(hash) & mask;
  for (uint32_t probes = 0; probes <= mask; ++probes) {
    Handle* const slot = shard.SlotAt(index);
    if (slot->file.load(std::memory_order_relaxed) == key.file &&
        slot->offset.load(std::memory_order_relaxed) == key.offset) {
      SchedulePoint();
      const uint64_t before = slot->meta.fetch_add(1, std::memory_order_acquire);
      SchedulePoint();
      if ((before & kStateMask) == kVisible &&
          slot->file.load(std::memory_order_relaxed) == key.file &&
          slot->offset.load(std::memory_order_relaxed) == key.offset) {
        const uint8_t uses = slot->uses.load(std::memory_order_relaxed);
        if (uses < kUsesMax) slot->uses.store(uses + 1, std::memory_order_relaxed);
        return slot;
      }
      if ((before & kPinned) != 0) Release(slot);
    }
    if (slot->displaced.load(std::memory_order_relaxed) == 0) return nullptr;
    index = (index + 1) & mask;
  }
  return nullptr;
}

inline BlockCache::Handle* BlockCache::Lookup(const BlockKey& key) {
  const uint64_t hash = HashOf(key);
  const Shard& shard = ShardOf(hash);
  const uint32_t mask = shard.mask.load(std::memory_order_acquire);
  if (mask == 0) return nullptr;
  if (Handle* const handle = Probe(shard, mask, hash, key); handle != nullptr) return handle;
  const uint32_t old_mask = shard.old_mask.load(std::memory_order_relaxed);
  if (old_mask == 0) [[likely]]
    return nullptr;
  return Probe(shard, old_mask, hash, key);
}

inline void BlockCache::Prefetch(const BlockKey& key) const {
  const uint64_t hash = HashOf(key);
  const Shard& shard = ShardOf(hash);
  const uint32_t mask = shard.mask.load(std::memory_order_acquire);
  if (mask != 0) __builtin_prefetch(shard.SlotAt(static_cast<uint32_t>(hash) & mask));
}

inline void* BlockCache::Value(const Handle* handle) { return handle->value; }

inline size_t BlockCache::Charge(const Handle* handle) {
  return handle->charge.load(std::memory_order_relaxed);
}

inline void BlockCache::Ref(Handle* handle) {
  handle->meta.fetch_add(1, std::memory_order_relaxed);  // the caller's own pin orders everything
}

inline void BlockCache::Release(Handle* handle) {
  SchedulePoint();
  const uint64_t before = handle->meta.fetch_sub(1, std::memory_order_acq_rel);
  if (before == (kErased | 1)) [[unlikely]]
    FreeErased(handle);
}

}  // namespace varve

#endif  // VARVE_CACHE_BLOCK_CACHE_H_
