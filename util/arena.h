#ifndef VARVE_UTIL_ARENA_H_
#define VARVE_UTIL_ARENA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "util/mutex.h"
#include "util/thread.h"

namespace varve {

// Memory that is handed out piece by piece and freed all at once, by the destructor.
//
// Pieces are cut from blocks. The first block is small, and each one twice as large as the one
// before, up to a limit, so that a small arena costs little and a large one few calls. Blocks are
// not touched before their pieces are: the system commits pages as they are used. What is larger
// than a quarter of a block gets one of its own.
//
// Rejected: asking for huge pages. Filling an arena takes a fifth less time where the system has
// them ready, but one store waits until 2 MiB in a row are found and zeroed: often 40 to 60 ms in a
// virtual machine whose memory was in use, where small pages overwrote 617,000 entries a second
// instead of 433,000, and no store took longer than a time slice of the processor.
//
// Pieces are aligned to 8 bytes. Allocate() is for one thread at a time. AllocateConcurrently() is
// for any number: threads cut their pieces from chunks of their own, one for each of a few shards
// chosen by ThreadIndex(), each behind a spin lock that is hardly ever contended. The two must not
// run at the same time. `bytes` > 0. Neither returns null: running out of memory ends the process,
// as operator new does without exceptions.
class Arena {
 public:
  static constexpr size_t kAlignment = 8;

  // `block_bytes_max` bounds the size of blocks, not of pieces.
  explicit Arena(size_t block_bytes_max = size_t{1} << 20);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  char* Allocate(size_t bytes) {
    bytes = RoundUp(bytes);
    if (bytes <= static_cast<size_t>(limit_ - next_)) {
      char* const result = next_;
      next_ += bytes;
      AddUsed(bytes);
      return result;
    }
    return AllocateSlow(bytes);
  }

  char* AllocateConcurrently(size_t bytes);

  // Bytes in pieces, rounded up to the alignment; chunks that threads have begun count whole. Any
  // thread may ask.
  size_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  // All memory the arena holds, itself and the unused ends of blocks included. Any thread may ask.
  size_t memory_bytes() const { return sizeof(*this) + held_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kFirstBlockBytes = 4096;
  static constexpr size_t kChunkBytes = 4096;
  static constexpr uint32_t kShards = 16;

  struct alignas(64) Shard {
    std::atomic<bool> locked{false};
    char* next = nullptr;
    char* limit = nullptr;
  };

  static size_t RoundUp(size_t bytes) { return (bytes + kAlignment - 1) & ~(kAlignment - 1); }
  // Only one thread at a time writes: the one that allocates, or the holder of mutex_.
  void AddUsed(size_t bytes) {
    used_.store(used_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }
  char* AllocateSlow(size_t bytes);
  char* NewBlock(size_t bytes);
  char* AllocateLocked(size_t bytes) EXCLUDES(mutex_);

  const size_t block_bytes_max_;
  char* next_ = nullptr;
  char* limit_ = nullptr;
  size_t block_bytes_ = kFirstBlockBytes;  // of the next block
  std::vector<char*> blocks_;
  // Relaxed: sums that nothing else is concluded from.
  std::atomic<size_t> used_{0};
  std::atomic<size_t> held_{0};

  Mutex mutex_;  // taken by AllocateConcurrently() around what Allocate() does
  std::atomic<Shard*> shards_{nullptr};  // made by the first AllocateConcurrently()
};

}  // namespace varve

#endif  // VARVE_UTIL_ARENA_H_
