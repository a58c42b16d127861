#include "db/segment_cache.h"

#include <utility>

#include "db/timed_file.h"
#include "util/filename.h"

namespace varve {

SegmentCache::SegmentCache(const Options& options, std::string directory, BlockCache* blocks,
                           EpochDomain* epochs)
    : file_system_(options.env.file_system),
      clock_(options.env.clock),
      statistics_(options.statistics),
      directory_(std::move(directory)),
      direct_reads_(options.use_direct_reads),
      open_max_(options.open_segments_max),
      epochs_(epochs) {
  options_.comparator = options.comparator;
  options_.cache = blocks;
  options_.statistics = options.statistics.get();
}

Status SegmentCache::Share(const std::shared_ptr<SegmentFile>& file,
                           std::shared_ptr<SegmentReader>* reader) {
  {
    MutexLock lock(&mu_);
    if (file->owner_ != nullptr) {
      *reader = file->owner_;
      return Status::OK();
    }
  }
  // Opened without the lock, so that one slow open holds up nobody else. Two may do it at once; the
  // first to come back is kept.
  const std::string path = SegmentFileName(directory_, file->number());
  std::unique_ptr<RandomAccessFile> opened;
  Status status = file_system_->NewRandomAccessFile(path, direct_reads_, &opened);
  std::unique_ptr<SegmentReader> fresh;
  if (status.ok()) {
    if (statistics_ != nullptr) {
      if (direct_reads_ && !opened->direct()) statistics_->Add(Counter::kDirectFallbacks, 1);
      opened = std::make_unique<TimedFile>(std::move(opened), statistics_, clock_);
    }
    status = SegmentReader::Open(options_, std::move(opened), path, file->number(), &fresh);
  }
  if (status.IsNotFound()) {
    status = Status::Corruption(path + ": missing, but the manifest names it");
  }
  if (!status.ok()) return status;

  std::shared_ptr<SegmentReader> evicted;
  {
    MutexLock lock(&mu_);
    if (file->owner_ == nullptr) {
      file->owner_ = std::move(fresh);
      file->used_.store(true, std::memory_order_relaxed);
      file->reader_.store(file->owner_.get(), std::memory_order_seq_cst);
      open_.push_back(file);
      evicted = MakeRoom(file.get());
    }
    *reader = file->owner_;
  }
  if (evicted != nullptr) epochs_->Retire([evicted]() mutable { evicted.reset(); });
  return Status::OK();
}

std::shared_ptr<SegmentReader> SegmentCache::MakeRoom(const SegmentFile* keep) {
  if (open_.size() <= open_max_) return nullptr;
  // Two rounds clear every mark; then any but `keep` can go.
  for (size_t steps = 2 * open_.size(); steps > 0 && !open_.empty(); --steps) {
    if (hand_ >= open_.size()) hand_ = 0;
    const std::shared_ptr<SegmentFile> file = open_[hand_].lock();
    if (file == nullptr) {  // gone with its versions, and its reader with it
      open_[hand_] = std::move(open_.back());
      open_.pop_back();
      if (open_.size() <= open_max_) return nullptr;
    } else if (file.get() == keep || file->used_.exchange(false, std::memory_order_relaxed)) {
      ++hand_;
    } else {
      file->reader_.store(nullptr, std::memory_order_seq_cst);
      open_[hand_] = std::move(open_.back());
      open_.pop_back();
      return std::move(file->owner_);
    }
  }
  return nullptr;
}

void SegmentCache::EraseCachedBlocks(const SegmentFile& file, EpochDomain* epochs) {
  EpochGuard inside(epochs);
  if (const SegmentReader* reader = Peek(file); reader != nullptr) reader->EraseCachedBlocks();
}

size_t SegmentCache::open_count() const {
  MutexLock lock(&mu_);
  return open_.size();
}

size_t SegmentCache::memory_bytes() const {
  MutexLock lock(&mu_);
  size_t bytes = 0;
  for (const auto& weak : open_) {
    const auto file = weak.lock();
    if (file != nullptr && file->owner_ != nullptr) bytes += file->owner_->memory_bytes();
  }
  return bytes;
}

}  // namespace varve
