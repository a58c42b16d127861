#include "db/space_account.h"

#include <algorithm>
#include <utility>

#include "util/filename.h"
#include "util/planted.h"
#include "util/thread.h"

namespace varve {

namespace {

constexpr uint64_t kBlockBytes = 4096;
// Extents in an inode, and in a block of the tree of extents.
constexpr uint64_t kInodeExtents = 4;
constexpr uint64_t kBlockExtents = 340;

}  // namespace

uint64_t AllocationMax(uint64_t size) {
  const uint64_t blocks = (size + kBlockBytes - 1) / kBlockBytes;
  uint64_t map_blocks = 0;
  // As scattered as can be: an extent for each block.
  for (uint64_t extents = blocks; extents > kInodeExtents;) {
    extents = (extents + kBlockExtents - 1) / kBlockExtents;
    map_blocks += extents;
    if (extents == 1) break;
  }
  return (blocks + map_blocks) * kBlockBytes;
}

bool ReadSlot::Take() {
  const std::unique_ptr<RandomAccessFile> file(file_.exchange(nullptr));
  if (file == nullptr) return false;
  for (SpinWait wait; reading_.load() != 0;) wait.Once();
  return true;
}

SpaceAccount::SpaceAccount(std::shared_ptr<FileSystem> base, const std::string& directory,
                           std::shared_ptr<SpaceLedger> ledger)
    : base_(std::move(base)),
      directory_(directory),
      prefix_(JoinPath(directory, "")),
      ledger_(std::move(ledger)) {}

bool SpaceAccount::Mine(const std::string& path) const {
  return path.size() > prefix_.size() && path.compare(0, prefix_.size(), prefix_) == 0 &&
         path.find('/', prefix_.size()) == std::string::npos;
}

SpaceAccount::FileRef SpaceAccount::Open(const std::string& path,
                                         const std::shared_ptr<SpaceGrant>& grant) {
  MutexLock lock(&mu_);
  FileRef& file = files_[path];
  if (file == nullptr) {
    file = std::make_shared<File>();
    file->path = path;
    file->grant = grant;
  }
  ++file->handles;
  return file;
}

void SpaceAccount::Closed(const FileRef& file) {
  uint64_t credit = 0;
  std::shared_ptr<SpaceGrant> grant;
  {
    MutexLock lock(&mu_);
    if (--file->handles == 0 && !file->linked) TakeCharge(file.get(), &credit, &grant);
  }
  GiveBack(credit, grant);
}

bool SpaceAccount::Grow(const FileRef& file, uint64_t bytes) {
  std::shared_ptr<SpaceGrant> grant;
  {
    MutexLock lock(&mu_);
    grant = file->grant;
  }
  if (!Draw(bytes, grant)) return false;
  MutexLock lock(&mu_);
  file->charged += bytes;
  file->grown = bytes;
  if (!file->linked) unlinked_bytes_ += bytes;
  return true;
}

bool SpaceAccount::GrowTo(const FileRef& file, uint64_t size) {
  const uint64_t wanted = AllocationMax(size);
  uint64_t charged;
  {
    MutexLock lock(&mu_);
    charged = file->charged;
  }
  return wanted <= charged || Grow(file, wanted - charged);
}

void SpaceAccount::Settle(const FileRef& file, uint64_t bytes) {
  uint64_t credit = 0;
  std::shared_ptr<SpaceGrant> grant;
  {
    MutexLock lock(&mu_);
    if (bytes < file->charged) {
      credit = file->charged - bytes;
      grant = file->grant;
    } else if (bytes > file->charged) {
      ledger_->Charge(bytes - file->charged);  // it is there, whatever was thought
    }
    file->charged = bytes;
  }
  GiveBack(credit, grant);
}

void SpaceAccount::SettleAsFound(const FileRef& file) {
  std::string path;
  {
    MutexLock lock(&mu_);
    if (!file->linked) return;
    path = file->path;
  }
  FileInfo info;
  if (base_->GetFileInfo(path, &info).ok()) {
    Settle(file, std::max(info.size, info.allocated_bytes));
  }
}

void SpaceAccount::Unlinked(const std::string& path) {
  uint64_t credit = 0;
  std::shared_ptr<SpaceGrant> grant;
  {
    MutexLock lock(&mu_);
    const auto found = files_.find(path);
    if (found == files_.end()) return;
    const FileRef file = std::move(found->second);
    files_.erase(found);
    Unlink(file.get(), &credit, &grant);
  }
  GiveBack(credit, grant);
}

void SpaceAccount::Renamed(const std::string& from, const std::string& to) {
  uint64_t credit = 0;
  std::shared_ptr<SpaceGrant> grant;
  {
    MutexLock lock(&mu_);
    FileRef moved;
    if (const auto found = files_.find(from); found != files_.end()) {
      moved = std::move(found->second);
      files_.erase(found);
    }
    if (const auto found = files_.find(to); found != files_.end()) {
      Unlink(found->second.get(), &credit, &grant);
      files_.erase(found);
    }
    if (moved != nullptr && Mine(to)) {
      moved->path = to;
      files_.emplace(to, std::move(moved));
    } else if (moved != nullptr) {  // out of the directory
      uint64_t more = 0;
      Unlink(moved.get(), &more, &grant);
      ledger_->Credit(more);
    }
  }
  GiveBack(credit, grant);
}

void SpaceAccount::NotCreated(const FileRef& file) {
  FileInfo info;
  if (base_->GetFileInfo(file->path, &info).IsNotFound()) Unlinked(file->path);
  Closed(file);
}

void SpaceAccount::AddReader(const FileRef& file, const std::shared_ptr<ReadSlot>& reader) {
  MutexLock lock(&mu_);
  file->readers.push_back(reader);
}

void SpaceAccount::CloseReader(const FileRef& file, const std::shared_ptr<ReadSlot>& reader) {
  {
    MutexLock lock(&mu_);
    std::erase(file->readers, reader);
  }
  if (reader->Take()) Closed(file);
}

void SpaceAccount::CloseReaders(const std::string& path) {
  FileRef file;
  std::vector<std::shared_ptr<ReadSlot>> readers;
  {
    MutexLock lock(&mu_);
    const auto found = files_.find(path);
    if (found == files_.end()) return;
    file = found->second;
    readers.swap(file->readers);
  }
  for (const auto& reader : readers) {
    if (reader->Take()) Closed(file);
  }
}

uint64_t SpaceAccount::Charged(const std::string& path) const {
  MutexLock lock(&mu_);
  const auto found = files_.find(path);
  return found == files_.end() ? 0 : found->second->charged;
}

uint64_t SpaceAccount::unlinked_bytes() const {
  MutexLock lock(&mu_);
  return unlinked_bytes_;
}

Status SpaceAccount::Told(const FileRef& file, Status status) {
  if (!status.IsNoSpace()) [[likely]]
    return status;
  const std::optional<uint64_t> total = TotalAfterFailure(file);
  const SpaceLedger::State state = ledger_->state();
  MutexLock lock(&mu_);
  ++full_errors_;
  total_given_ = total;
  const uint64_t others = state.used - std::min(state.used, std::exchange(file->grown, 0));
  ledger_->SetLimit(std::min(state.limit, others));
  return status;
}

uint64_t SpaceAccount::full_errors() const {
  MutexLock lock(&mu_);
  return full_errors_;
}

std::optional<uint64_t> SpaceAccount::Total() const {
  uint64_t free = 0;
  if (!base_->GetFreeSpace(directory_, &free).ok()) return std::nullopt;
  const uint64_t used = ledger_->state().used;
  return used + std::min(free, UINT64_MAX - used);
}

std::optional<uint64_t> SpaceAccount::TotalAfterFailure(const FileRef& file) const {
  std::string path;
  uint64_t charged = 0;
  {
    MutexLock lock(&mu_);
    if (file->linked) path = file->path;
    charged = file->charged;
  }
  FileInfo info;
  const Status status = path.empty() ? Status::OK() : base_->GetFileInfo(path, &info);
  const std::optional<uint64_t> total = Total();
  if (!total.has_value() || path.empty() || !(status.ok() || status.IsNotFound())) return total;
  const uint64_t takes = std::max(info.size, info.allocated_bytes);
  return *total - std::min(*total, charged - std::min(charged, takes));
}

void SpaceAccount::ProbeAfterFull(uint64_t now, uint64_t nanos_min, uint64_t nanos_max,
                                  uint64_t step) {
  if (ledger_->state().limit == SpaceLedger::kUnlimited) return;
  const std::optional<uint64_t> total = Total();
  MutexLock lock(&mu_);
  const SpaceLedger::State state = ledger_->state();
  if (full_errors_ != full_errors_seen_) {  // since the last look
    full_errors_seen_ = full_errors_;
    probe_nanos_ = std::clamp(2 * probe_nanos_, nanos_min, nanos_max);
    probe_at_ = now + probe_nanos_;
  }
  uint64_t more = 0;
  if (total.has_value() && total_given_.has_value() && *total > *total_given_ &&
      *total - *total_given_ > step) {
    more = *total - *total_given_ - step;
  } else if (now >= probe_at_) {
    more = std::max(step, state.limit / 16);
    probe_at_ = now + nanos_min;
  }
  if (more == 0) return;
  if (total_given_.has_value()) *total_given_ += std::min(more, UINT64_MAX - *total_given_);
  const bool enough = state.limit >= state.capacity || more >= state.capacity - state.limit;
  if (enough) probe_nanos_ = 0;
  ledger_->SetLimit(enough ? SpaceLedger::kUnlimited : state.limit + more);
}

Status SpaceAccount::Refused(const std::string& path) const {
  const SpaceLedger::State state = ledger_->state();
  const uint64_t all = std::min(state.capacity, state.limit);
  return Status::NoSpace(
      path + ": capacity_bytes = " + std::to_string(state.capacity) + " is used up: " +
      std::to_string(state.used) + " by files, " + std::to_string(state.reserved) + " promised" +
      (all < state.capacity ? ", and the file system has only " + std::to_string(all) : ""));
}

bool SpaceAccount::Draw(uint64_t bytes, const std::shared_ptr<SpaceGrant>& grant) {
  if (VARVE_PLANTED("growth not charged")) return true;
  if (grant != nullptr) return grant->Draw(bytes);
  SpaceLedger::Reservation room;
  if (!ledger_->TryReserve(bytes, &room)) return false;
  room.Commit(bytes);
  return true;
}

void SpaceAccount::GiveBack(uint64_t bytes, const std::shared_ptr<SpaceGrant>& grant) {
  if (bytes == 0) return;
  if (grant != nullptr) {
    grant->Return(bytes);
  } else {
    ledger_->Credit(bytes);
  }
}

void SpaceAccount::TakeCharge(File* file, uint64_t* credit, std::shared_ptr<SpaceGrant>* grant) {
  *credit = std::exchange(file->charged, 0);
  *grant = file->grant;
  unlinked_bytes_ -= *credit;
}

void SpaceAccount::Unlink(File* file, uint64_t* credit, std::shared_ptr<SpaceGrant>* grant) {
  file->linked = false;
  unlinked_bytes_ += file->charged;
  if (file->handles == 0) TakeCharge(file, credit, grant);
}

}  // namespace varve
