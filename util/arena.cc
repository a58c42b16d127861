#include "util/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace varve {

Arena::Arena(size_t block_bytes_max)
    : block_bytes_max_(std::max(block_bytes_max, kFirstBlockBytes)) {}

Arena::~Arena() {
  for (const Block& block : blocks_) {
    if (block.huge) {
      ::operator delete (block.data, std::align_val_t{kHugePageBytes});
    } else {
      ::operator delete(block.data);
    }
  }
  delete[] shards_.load(std::memory_order_relaxed);
}

char* Arena::NewBlock(size_t bytes) {
  const bool huge = bytes >= kHugePageBytes;
  char* const block = static_cast<char*>(
      huge ? ::operator new (bytes, std::align_val_t{kHugePageBytes}) : ::operator new(bytes));
  // A wish: where the system has none to give, or refuses, pages are small.
  if (huge) madvise(block, bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
  const size_t capacity_before = blocks_.capacity();
  blocks_.push_back({block, huge});
  held_.fetch_add(bytes + (blocks_.capacity() - capacity_before) * sizeof(Block),
                  std::memory_order_relaxed);
  return block;
}

char* Arena::AllocateSlow(size_t bytes) {
  AddUsed(bytes);
  const size_t block_bytes = block_bytes_;
  block_bytes_ = block_bytes >= kHugePageBytes / 4 && block_bytes_max_ >= kHugePageBytes
                     ? kHugePageBytes
                     : std::min(block_bytes * 2, block_bytes_max_);
  if (bytes > block_bytes / 4) return NewBlock(bytes);
  next_ = NewBlock(block_bytes);
  limit_ = next_ + block_bytes;
  char* const result = next_;
  next_ += bytes;
  return result;
}

char* Arena::AllocateLocked(size_t bytes) {
  MutexLock lock(&mutex_);
  return Allocate(bytes);
}

char* Arena::AllocateConcurrently(size_t bytes) {
  bytes = RoundUp(bytes);
  if (bytes > kChunkBytes / 4) return AllocateLocked(bytes);

  Shard* shards = shards_.load(std::memory_order_acquire);
  if (shards == nullptr) {
    MutexLock lock(&mutex_);
    shards = shards_.load(std::memory_order_relaxed);
    if (shards == nullptr) {
      shards = new Shard[kShards];
      held_.fetch_add(kShards * sizeof(Shard), std::memory_order_relaxed);
      shards_.store(shards, std::memory_order_release);
    }
  }

  Shard& shard = shards[ThreadIndex() % kShards];
  for (SpinWait wait; shard.locked.exchange(true, std::memory_order_acquire);) wait.Once();
  if (bytes > static_cast<size_t>(shard.limit - shard.next)) {
    // Next to the last chunk, if nobody took what follows it: then its rest is not lost.
    char* const chunk = AllocateLocked(kChunkBytes);
    if (chunk != shard.limit) shard.next = chunk;
    shard.limit = chunk + kChunkBytes;
  }
  char* const result = shard.next;
  shard.next += bytes;
  shard.locked.store(false, std::memory_order_release);
  return result;
}

}  // namespace varve
