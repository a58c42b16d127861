#ifndef VARVE_TESTS_TABLE_MEMORY_FILE_H_
#define VARVE_TESTS_TABLE_MEMORY_FILE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "varve/env.h"
#include "varve/slice.h"
#include "varve/status.h"

// Files that are strings, for building a segment and reading what a test made of its bytes.

namespace varve {

class MemoryWritableFile final : public WritableFile {
 public:
  Status Append(Slice data) override {
    if (appends_left_ == 0) return Status::NoSpace("memory file is full");
    --appends_left_;
    bytes_.append(data);
    return Status::OK();
  }
  Status Sync() override { return Status::OK(); }
  Status Close() override { return Status::OK(); }
  uint64_t size() const override { return bytes_.size(); }

  const std::string& bytes() const { return bytes_; }
  // Later appends fail.
  void FailAfter(uint64_t appends) { appends_left_ = appends; }

 private:
  std::string bytes_;
  uint64_t appends_left_ = UINT64_MAX;
};

// What was asked of a file; outlives it.
struct ReadLog {
  std::atomic<uint64_t> reads{0};               // Read calls and requests of MultiRead
  std::atomic<uint64_t> batches{0};             // MultiRead calls
  std::atomic<uint64_t> bytes{0};               // asked for
  std::atomic<uint64_t> bytes_max{0};           // by one read
  std::atomic<uint64_t> misaligned{0};          // while direct
  std::atomic<uint64_t> fail_from{UINT64_MAX};  // reads that touch bytes from here on fail
};

class MemoryRandomAccessFile final : public RandomAccessFile {
 public:
  explicit MemoryRandomAccessFile(std::string bytes, bool direct = false,
                                  std::shared_ptr<ReadLog> log = nullptr)
      : bytes_(std::move(bytes)), direct_(direct), log_(std::move(log)) {
    if (log_ == nullptr) log_ = std::make_shared<ReadLog>();
  }

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    log_->reads++;
    log_->bytes += size;
    log_->bytes_max = std::max<uint64_t>(log_->bytes_max, size);
    if (direct_ &&
        (offset % 4096 != 0 || size % 4096 != 0 || reinterpret_cast<uintptr_t>(buffer) % 4096)) {
      log_->misaligned++;
    }
    if (offset + size > log_->fail_from) return Status::IOError("memory file: injected");
    const size_t start = std::min<uint64_t>(offset, bytes_.size());
    *bytes_read = std::min(size, bytes_.size() - start);
    std::memcpy(buffer, bytes_.data() + start, *bytes_read);
    return Status::OK();
  }
  void MultiRead(ReadRequest* requests, size_t count) const override {
    log_->batches++;
    RandomAccessFile::MultiRead(requests, count);
  }
  Status Size(uint64_t* size) const override {
    *size = bytes_.size();
    return Status::OK();
  }
  bool direct() const override { return direct_; }

 private:
  const std::string bytes_;
  const bool direct_;
  std::shared_ptr<ReadLog> log_;
};

}  // namespace varve

#endif  // VARVE_TESTS_TABLE_MEMORY_FILE_H_
