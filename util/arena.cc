#include "util/arena.h"

#include <algorithm>
#include <new>

namespace varve {

Arena::Arena(size_t block_bytes_max)
    : block_bytes_max_(std::max(block_bytes_max, kFirstBlockBytes)) {}

Arena::~Arena() {
  for (char* const block : blocks_) ::operator delete(block);
  delete[] shards_.load(std::memory_order_relaxed);
}

char* Arena::NewBlock(size_t bytes) {
  char* const block = static_cast<char*>(::operator new(bytes));
  const size_t capacity_before = blocks_.capacity();
  blocks_.push_back(block);
  held_.fetch_add(bytes + (blocks_.capacity() - capacity_before) * sizeof(char*),
                  std::memory_order_relaxed);
  return block;
}

char* Arena::AllocateSlow(size_t bytes) {
  AddUsed(bytes);
  const size_t block_bytes = block_bytes_;
  block_bytes_ = std::min(block_bytes * 2, block_bytes_max_);
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
