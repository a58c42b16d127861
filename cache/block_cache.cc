#include "cache/block_cache.h"

#include <algorithm>
#include <vector>

#include "util/zeroed_memory.h"

namespace varve {

namespace {

// A table is enlarged when more of it is in use: 5/8 keeps a hit below two probes on average.
constexpr uint64_t kLoadMaxNumerator = 5, kLoadMaxDenominator = 8;
// Slots an insert looks at, to move entries into a table that has just grown. Growth is done long
// before the next one: 32 a time, and the larger table takes 5/8 of the old size in further
// inserts.
constexpr uint32_t kMovedPerInsert = 32;
// Slots that eviction looks at with one shard locked.
constexpr uint32_t kSweepSteps = 256;

}  // namespace

// Values taken out of the cache, deleted by the destructor: after the locks, which were taken
// later.
struct BlockCache::Victims {
  struct Victim {
    void* value;
    Deleter deleter;
  };
  ~Victims() {
    for (size_t i = 0; i < count; ++i) few[i].deleter(few[i].value);
    for (const Victim& victim : more) victim.deleter(victim.value);
  }
  void Add(void* value, Deleter deleter) {
    if (count < few.size()) {
      few[count++] = {value, deleter};
    } else {
      more.push_back({value, deleter});
    }
  }
  std::array<Victim, 8> few;
  size_t count = 0;
  std::vector<Victim> more;
};

// ---- One shard --------------------------------------------------------------------------------

// The visible entry, unpinned.
BlockCache::Handle* BlockCache::Shard::Find(uint64_t hash, const BlockKey& key) {
  for (const uint32_t m :
       {mask.load(std::memory_order_relaxed), old_mask.load(std::memory_order_relaxed)}) {
    if (m == 0) break;
    uint32_t index = static_cast<uint32_t>(hash) & m;
    for (uint32_t probes = 0; probes <= m; ++probes) {
      Handle* const slot = SlotAt(index);
      if (slot->file.load(std::memory_order_relaxed) == key.file &&
          slot->offset.load(std::memory_order_relaxed) == key.offset &&
          (slot->meta.load(std::memory_order_relaxed) & kStateMask) == kVisible) {
        return slot;
      }
      if (slot->displaced.load(std::memory_order_relaxed) == 0) break;
      index = (index + 1) & m;
    }
  }
  return nullptr;
}

// Makes the table, enlarges it or goes on with that, as needed. False if it is full for good.
bool BlockCache::Shard::HasRoomForOne() {
  if (old_mask.load(std::memory_order_relaxed) != 0) MoveSome(kMovedPerInsert);
  const uint64_t size = slots();
  if ((occupied + 1) * kLoadMaxDenominator <= size * kLoadMaxNumerator) return true;
  if (old_mask.load(std::memory_order_relaxed) != 0) MoveSome(UINT32_MAX);
  const uint32_t bits = size == 0 ? kFirstBits : std::bit_width(size);
  const uint32_t segment = bits - kFirstBits;
  if (segment >= kSegmentsMax) return occupied < size;
  const uint64_t added = (uint64_t{1} << bits) - size;
  void* const fresh = AllocateZeroed(added * sizeof(Handle), Commit::kWhenWritten);
  if (fresh == nullptr) return occupied < size;
  segments[segment].store(reinterpret_cast<uintptr_t>(fresh) - size * sizeof(Handle),
                          std::memory_order_relaxed);
  old_mask.store(mask.load(std::memory_order_relaxed), std::memory_order_relaxed);
  moved = 0;
  mask.store((uint32_t{1} << bits) - 1, std::memory_order_release);
  return true;
}

// An empty slot, now exclusive, under the key. The caller fills it and makes it visible.
BlockCache::Handle* BlockCache::Shard::Place(uint64_t hash, const BlockKey& key) {
  const uint32_t m = mask.load(std::memory_order_relaxed);
  uint32_t index = static_cast<uint32_t>(hash) & m;
  Handle* slot = SlotAt(index);
  while ((slot->meta.load(std::memory_order_relaxed) & kStateMask) != kEmpty) {
    slot->displaced.fetch_add(1, std::memory_order_relaxed);
    index = (index + 1) & m;
    slot = SlotAt(index);
  }
  slot->meta.store(kExclusive, std::memory_order_relaxed);
  slot->file.store(key.file, std::memory_order_relaxed);
  slot->offset.store(key.offset, std::memory_order_relaxed);
  slot->mask_bits = static_cast<uint8_t>(std::bit_width(m));
  slot->in_table = true;
  slot->shard = this;
  ++occupied;
  return slot;
}

// Empties a slot that is exclusive.
void BlockCache::Shard::Unlink(Handle* slot) {
  const uint64_t hash = HashOf(
      {slot->file.load(std::memory_order_relaxed), slot->offset.load(std::memory_order_relaxed)});
  const uint32_t m = (uint32_t{1} << slot->mask_bits) - 1;
  uint32_t index = static_cast<uint32_t>(hash) & m;
  for (Handle* passed = SlotAt(index); passed != slot; passed = SlotAt(index)) {
    passed->displaced.fetch_sub(1, std::memory_order_relaxed);
    index = (index + 1) & m;
  }
  slot->file.store(0, std::memory_order_relaxed);
  slot->offset.store(0, std::memory_order_relaxed);
  slot->charge.store(0, std::memory_order_relaxed);
  slot->meta.store(kEmpty, std::memory_order_release);
  --occupied;
}

// From visible to exclusive; if it is pinned, to erased instead, and false.
bool BlockCache::Shard::TakeIfUnpinned(Handle* slot) {
  uint64_t meta = slot->meta.load(std::memory_order_relaxed);
  for (;;) {
    const bool pinned = (meta & ~kStateMask) != 0;
    const uint64_t wanted = pinned ? kErased | (meta & ~kStateMask) : kExclusive;
    if (slot->meta.compare_exchange_weak(meta, wanted, std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
      return !pinned;
    }
  }
}

void BlockCache::Shard::MoveSome(uint32_t count) {
  const uint32_t old = old_mask.load(std::memory_order_relaxed);
  for (; count > 0 && moved <= old; --count, ++moved) {
    Handle* const slot = SlotAt(moved);
    if ((slot->meta.load(std::memory_order_relaxed) & kStateMask) == kVisible) {
      MoveOne(slot, moved, old);
    }
  }
  if (moved > old) old_mask.store(0, std::memory_order_relaxed);
}

// Places an entry anew if the larger table wants it elsewhere.
void BlockCache::Shard::MoveOne(Handle* slot, uint32_t index, uint32_t old) {
  const uint32_t m = mask.load(std::memory_order_relaxed);
  if (slot->mask_bits == std::bit_width(m)) return;
  const BlockKey key = {slot->file.load(std::memory_order_relaxed),
                        slot->offset.load(std::memory_order_relaxed)};
  const uint64_t hash = HashOf(key);
  const uint32_t home = static_cast<uint32_t>(hash) & m;
  if (home == (static_cast<uint32_t>(hash) & old) && home <= index) {
    slot->mask_bits = static_cast<uint8_t>(std::bit_width(m));  // the same way leads to it
    return;
  }
  if (!TakeIfUnpinned(slot)) return;
  Handle* const to = Place(hash, key);
  to->value = slot->value;
  to->deleter = slot->deleter;
  to->charge.store(slot->charge.load(std::memory_order_relaxed), std::memory_order_relaxed);
  to->uses.store(slot->uses.load(std::memory_order_relaxed), std::memory_order_relaxed);
  to->meta.store(kVisible, std::memory_order_release);
  Unlink(slot);
}

// Moves the hand by up to `steps`, until the cache is within its capacity.
void BlockCache::Shard::Sweep(uint32_t steps, bool* saw_unpinned, Victims* victims) {
  const uint32_t m = mask.load(std::memory_order_relaxed);
  for (; steps > 0 && cache->OverCapacity(); --steps) {
    Handle* const slot = SlotAt(hand++ & m);
    const uint64_t meta = slot->meta.load(std::memory_order_relaxed);
    if (meta != kVisible) continue;  // pinned, or no entry
    *saw_unpinned = true;
    if (const uint8_t uses = slot->uses.load(std::memory_order_relaxed); uses > 0) {
      slot->uses.store(uses - 1, std::memory_order_relaxed);
      continue;
    }
    uint64_t expected = kVisible;
    if (!slot->meta.compare_exchange_strong(expected, kExclusive, std::memory_order_acq_rel)) {
      continue;
    }
    victims->Add(slot->value, slot->deleter);
    cache->usage_.fetch_sub(slot->charge.load(std::memory_order_relaxed),
                            std::memory_order_relaxed);  // the owner lives, so this is not the last
    Unlink(slot);
  }
}

// Each slot's count of what was placed past it is that of the entries.
bool BlockCache::Shard::IsConsistent() const {
  const uint32_t size = slots();
  std::vector<uint32_t> passed(size, 0);
  uint32_t in_use = 0;
  for (uint32_t i = 0; i < size; ++i) {
    const Handle* const slot = SlotAt(i);
    if ((slot->meta.load(std::memory_order_relaxed) & kStateMask) == kEmpty) continue;
    ++in_use;
    const uint64_t hash = HashOf(
        {slot->file.load(std::memory_order_relaxed), slot->offset.load(std::memory_order_relaxed)});
    const uint32_t m = (uint32_t{1} << slot->mask_bits) - 1;
    for (uint32_t at = static_cast<uint32_t>(hash) & m; at != i; at = (at + 1) & m) ++passed[at];
  }
  for (uint32_t i = 0; i < size; ++i) {
    if (SlotAt(i)->displaced.load(std::memory_order_relaxed) != passed[i]) return false;
  }
  return in_use == occupied;
}

// ---- The cache --------------------------------------------------------------------------------

std::shared_ptr<BlockCache> BlockCache::Create(size_t capacity_bytes) {
  return std::shared_ptr<BlockCache>(new BlockCache(capacity_bytes),
                                     [](BlockCache* cache) { cache->Orphan(); });
}

BlockCache::BlockCache(size_t capacity_bytes)
    : shards_(new Shard[kShards]), capacity_(capacity_bytes) {
  for (uint32_t i = 0; i < kShards; ++i) shards_[i].cache = this;
}

BlockCache::~BlockCache() {
  for (uint32_t i = 0; i < kShards; ++i) {
    const uint64_t size = uint64_t{shards_[i].mask.load(std::memory_order_relaxed)} + 1;
    if (size == 1) continue;
    for (uint64_t begin = 0; begin < size;) {
      const uint64_t end = std::max(begin * 2, uint64_t{1} << kFirstBits);
      FreeZeroed(shards_[i].SlotAt(static_cast<uint32_t>(begin)), (end - begin) * sizeof(Handle));
      begin = end;
    }
  }
}

// The owner is gone: nobody looks anything up any more, but pins may live on. Each shard is locked
// for a bounded time.
void BlockCache::Orphan() {
  for (uint32_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    const uint64_t size = uint64_t{shard.mask.load(std::memory_order_relaxed)} + 1;
    for (uint64_t begin = 0; size > 1 && begin < size; begin += kSweepSteps) {
      Victims victims;
      MutexLock lock(&shard.mutex);
      for (uint64_t s = begin; s < std::min(begin + kSweepSteps, size); ++s) {
        Handle* const slot = shard.SlotAt(static_cast<uint32_t>(s));
        if ((slot->meta.load(std::memory_order_relaxed) & kStateMask) != kVisible) continue;
        if (!shard.TakeIfUnpinned(slot)) continue;
        victims.Add(slot->value, slot->deleter);
        usage_.fetch_sub(slot->charge.load(std::memory_order_relaxed), std::memory_order_relaxed);
        shard.Unlink(slot);
      }
    }
  }
  Discharge(kOwner);
}

// Evicts, beginning with one shard, until the cache is within its capacity. False if pins prevent
// it. Each shard is locked for a bounded time. It ends: a whole round of all hands finds something
// unpinned, whose uses only grow by lookups, or is the last; and rounds are bounded in case they
// do.
bool BlockCache::MakeRoom(uint32_t first_shard) {
  constexpr uint32_t kRoundsMax = 4 * (kUsesMax + 1);
  for (uint32_t round = 0; round < kRoundsMax && OverCapacity(); ++round) {
    bool saw_unpinned = false;
    uint64_t slots_left = 1;
    for (uint64_t swept = 0; slots_left > 0; swept += kSweepSteps) {
      slots_left = 0;
      for (uint32_t i = 0; i < kShards; ++i) {
        if (!OverCapacity()) return true;
        Shard& shard = shards_[(first_shard + i) % kShards];
        Victims victims;
        MutexLock lock(&shard.mutex);
        if (shard.slots() <= swept) continue;
        const uint64_t left = shard.slots() - swept;
        shard.Sweep(static_cast<uint32_t>(std::min<uint64_t>(left, kSweepSteps)), &saw_unpinned,
                    &victims);
        if (left > kSweepSteps) slots_left += left - kSweepSteps;
      }
    }
    if (!saw_unpinned) break;
  }
  return !OverCapacity();
}

BlockCache::Handle* BlockCache::Insert(const BlockKey& key, void* value, Deleter deleter,
                                       size_t charge) {
  charge += sizeof(Handle);
  const uint64_t hash = HashOf(key);
  Shard& shard = ShardOf(hash);
  Victims victims;
  usage_.fetch_add(charge, std::memory_order_relaxed);
  if (charge <= capacity() &&
      (!OverCapacity() || MakeRoom(static_cast<uint32_t>(&shard - shards_.get())))) {
    MutexLock lock(&shard.mutex);
    if (Handle* const present = shard.Find(hash, key); present != nullptr) {
      present->meta.fetch_add(1, std::memory_order_acquire);
      usage_.fetch_sub(charge, std::memory_order_relaxed);
      victims.Add(value, deleter);
      return present;
    }
    if (shard.HasRoomForOne()) {
      Handle* const slot = shard.Place(hash, key);
      slot->value = value;
      slot->deleter = deleter;
      slot->charge.store(charge, std::memory_order_relaxed);
      slot->uses.store(1, std::memory_order_relaxed);
      slot->meta.store(kVisible | 1, std::memory_order_release);
      return slot;
    }
  }
  Handle* const uncached = new Handle;
  uncached->value = value;
  uncached->deleter = deleter;
  uncached->charge.store(charge, std::memory_order_relaxed);
  uncached->shard = &shard;
  uncached->meta.store(kErased | 1, std::memory_order_relaxed);
  uncached_usage_.fetch_add(charge, std::memory_order_relaxed);
  return uncached;
}

// Called by whoever took the last pin of an erased entry. A lookup that pins in error may do that
// too, so several may come here; one gets through.
void BlockCache::FreeErased(Handle* handle) {
  SchedulePoint();
  uint64_t expected = kErased;
  if (!handle->meta.compare_exchange_strong(expected, kExclusive, std::memory_order_acq_rel)) {
    return;
  }
  BlockCache* const cache = handle->shard->cache;
  const uint64_t charge = handle->charge.load(std::memory_order_relaxed);
  void* const value = handle->value;
  const Deleter deleter = handle->deleter;
  if (handle->in_table) {
    MutexLock lock(&handle->shard->mutex);
    handle->shard->Unlink(handle);
  } else {
    cache->uncached_usage_.fetch_sub(charge, std::memory_order_relaxed);
    delete handle;
  }
  deleter(value);
  cache->Discharge(charge);
}

void BlockCache::Erase(const BlockKey& key) {
  const uint64_t hash = HashOf(key);
  Shard& shard = ShardOf(hash);
  Victims victims;
  MutexLock lock(&shard.mutex);
  Handle* const slot = shard.Find(hash, key);
  if (slot == nullptr || !shard.TakeIfUnpinned(slot)) return;
  victims.Add(slot->value, slot->deleter);
  usage_.fetch_sub(slot->charge.load(std::memory_order_relaxed), std::memory_order_relaxed);
  shard.Unlink(slot);
}

void BlockCache::SetCapacity(size_t capacity_bytes) {
  capacity_.store(capacity_bytes, std::memory_order_relaxed);
  MakeRoom(0);
}

size_t BlockCache::pinned_usage() const {
  uint64_t sum = uncached_usage_.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < kShards; ++i) {
    const uint64_t mask = shards_[i].mask.load(std::memory_order_acquire);
    if (mask == 0) continue;
    for (uint64_t s = 0; s <= mask; ++s) {
      const Handle* const slot = shards_[i].SlotAt(static_cast<uint32_t>(s));
      const uint64_t meta = slot->meta.load(std::memory_order_relaxed);
      if ((meta & kPinned) != 0 && (meta & ~kStateMask) != 0) {
        sum += slot->charge.load(std::memory_order_relaxed);
      }
    }
  }
  return sum;
}

size_t BlockCache::unused_slot_bytes() const {
  size_t sum = 0;
  for (uint32_t i = 0; i < kShards; ++i) {
    MutexLock lock(&shards_[i].mutex);
    sum += (shards_[i].slots() - shards_[i].occupied) * sizeof(Handle);
  }
  return sum;
}

size_t BlockCache::entries() const {
  size_t sum = 0;
  for (uint32_t i = 0; i < kShards; ++i) {
    MutexLock lock(&shards_[i].mutex);
    sum += shards_[i].occupied;
  }
  return sum;
}

bool BlockCache::TablesAreConsistent() const {
  for (uint32_t i = 0; i < kShards; ++i) {
    MutexLock lock(&shards_[i].mutex);
    if (!shards_[i].IsConsistent()) return false;
  }
  return true;
}

}  // namespace varve
