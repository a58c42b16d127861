#ifndef VARVE_DB_TIMED_FILE_H_
#define VARVE_DB_TIMED_FILE_H_

#include <memory>
#include <utility>

#include "util/stopwatch.h"
#include "varve/env.h"
#include "varve/statistics.h"

namespace varve {

// A segment's file whose reads are timed (Latency::kSegmentRead), a batch as one.
class TimedFile : public RandomAccessFile {
 public:
  TimedFile(std::unique_ptr<RandomAccessFile> base, std::shared_ptr<Statistics> statistics,
            std::shared_ptr<Clock> clock)
      : base_(std::move(base)), statistics_(std::move(statistics)), clock_(std::move(clock)) {}

  Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const override {
    Stopwatch watch(statistics_.get(), clock_.get(), Latency::kSegmentRead);
    return base_->Read(offset, size, buffer, bytes_read);
  }
  void MultiRead(ReadRequest* requests, size_t count) const override {
    Stopwatch watch(statistics_.get(), clock_.get(), Latency::kSegmentRead);
    base_->MultiRead(requests, count);
  }
  Status Size(uint64_t* size) const override { return base_->Size(size); }
  bool direct() const override { return base_->direct(); }

 private:
  const std::unique_ptr<RandomAccessFile> base_;
  const std::shared_ptr<Statistics> statistics_;
  const std::shared_ptr<Clock> clock_;
};

}  // namespace varve

#endif  // VARVE_DB_TIMED_FILE_H_
