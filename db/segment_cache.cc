#include "db/segment_cache.h"

#include <utility>

#include "db/timed_file.h"
#include "util/filename.h"

namespace varve {

SegmentCache::SegmentCache(const Options& options, std::string directory, BlockCache* blocks,
                           std::shared_ptr<MemoryBudget> memory, EpochDomain* epochs,
                           DamagedSegments* damaged)
    : file_system_(options.env.file_system),
      clock_(options.env.clock),
      statistics_(options.statistics),
      prefix_extractor_(options.prefix_extractor),
      directory_(std::move(directory)),
      direct_reads_(options.use_direct_reads),
      open_max_(options.open_segments_max),
      open_bytes_max_(options.open_segments_bytes),
      epochs_(epochs),
      damaged_(damaged) {
  options_.comparator = options.comparator;
  options_.cache = blocks;
  options_.statistics = options.statistics.get();
  options_.memory = std::move(memory);
  options_.prefix_extractor = prefix_extractor_.get();
  options_.errors = damaged;
}

Status SegmentCache::OpenFile(const SegmentFile& file,
                              std::unique_ptr<SegmentReader>* reader) const {
  const std::string path = SegmentFileName(directory_, file.number());
  std::unique_ptr<RandomAccessFile> opened;
  Status status = file_system_->NewRandomAccessFile(path, direct_reads_, &opened);
  if (status.ok()) {
    if (statistics_ != nullptr) {
      if (direct_reads_ && !opened->direct()) statistics_->Add(Counter::kDirectFallbacks, 1);
      opened = std::make_unique<TimedFile>(std::move(opened), statistics_, clock_);
    }
    status = SegmentReader::Open(options_, std::move(opened), path, file.number(), reader);
  }
  if (status.IsNotFound()) {
    status = Status::Corruption(path + ": missing, but the manifest names it");
  }
  return status;
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
  std::unique_ptr<SegmentReader> fresh;
  Status status = OpenFile(*file, &fresh);
  if (status.IsIOError() && damaged_ != nullptr) {
    std::unique_ptr<RandomAccessFile> any;
    const std::string manifest = ManifestFileName(directory_);
    status = file_system_->NewRandomAccessFile(manifest, /*direct=*/false, &any);
    status = status.ok() ? OpenFile(*file, &fresh) : Status::Busy(status.ToString());
  }
  if (!status.ok() && damaged_ != nullptr) damaged_->OnReadError(file->number(), status);
  if (!status.ok()) return status;

  std::vector<std::shared_ptr<SegmentReader>> closed;
  {
    MutexLock lock(&mu_);
    if (file->owner_ == nullptr) {
      file->owner_ = std::move(fresh);
      file->used_.store(true, std::memory_order_relaxed);
      file->reader_.store(file->owner_.get(), std::memory_order_seq_cst);
      open_.push_back({file, file->owner_->memory_bytes()});
      open_bytes_ += open_.back().bytes;
      closed = MakeRoom(file.get());
    }
    *reader = file->owner_;
  }
  if (!closed.empty()) epochs_->Retire([closed]() mutable { closed.clear(); });
  return Status::OK();
}

std::vector<std::shared_ptr<SegmentReader>> SegmentCache::MakeRoom(const SegmentFile* keep) {
  std::vector<std::shared_ptr<SegmentReader>> closed;
  // Two rounds clear every mark; then any but `keep` can go.
  for (size_t steps = 2 * open_.size(); steps > 0 && open_.size() > 1; --steps) {
    if (open_.size() <= open_max_ && open_bytes_ <= bytes_max()) break;
    if (hand_ >= open_.size()) hand_ = 0;
    const std::shared_ptr<SegmentFile> file = open_[hand_].file.lock();
    if (file != nullptr &&
        (file.get() == keep || file->used_.exchange(false, std::memory_order_relaxed))) {
      ++hand_;
      continue;
    }
    if (file != nullptr) {  // else it is gone with its versions, and its reader with it
      file->reader_.store(nullptr, std::memory_order_seq_cst);
      closed.push_back(std::move(file->owner_));
    }
    open_bytes_ -= open_[hand_].bytes;
    open_[hand_] = std::move(open_.back());
    open_.pop_back();
  }
  return closed;
}

void SegmentCache::EraseCachedBlocks(const SegmentFile& file, EpochDomain* epochs) {
  EpochGuard inside(epochs);
  if (const SegmentReader* reader = Peek(file); reader != nullptr) reader->EraseCachedBlocks();
}

size_t SegmentCache::open_count() const {
  MutexLock lock(&mu_);
  return open_.size();
}

}  // namespace varve
