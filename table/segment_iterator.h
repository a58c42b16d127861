#ifndef VARVE_TABLE_SEGMENT_ITERATOR_H_
#define VARVE_TABLE_SEGMENT_ITERATOR_H_

#include <cstdint>
#include <optional>

#include "table/block.h"
#include "table/open_segment.h"
#include "table/segment_reader.h"
#include "table/stored_block.h"
#include "util/internal_iterator.h"
#include "varve/slice.h"
#include "varve/status.h"

// The cursor over a segment: a cursor over one block, and the number of that block.
//
// Reading ahead. Blocks come from the cache. Where kRunBeforeReadahead blocks in a row, in one
// direction, were not there, the next one is read together with those behind it (before it, when
// stepping back): a window of kWindowBytesMin, doubled each time up to kWindowBytesMax. Blocks of a
// window that do not go into the cache and are not compressed are used where they lie. A window
// that cannot be read is given up, and the block read alone, so that an error shows up at the
// block it belongs to and not before.

namespace varve {

class SegmentIterator final : public InternalIterator {
 public:
  // `segment` must outlive the iterator.
  SegmentIterator(const OpenSegment* segment, const SegmentReadOptions& options)
      : segment_(segment), options_(options), number_(segment->index().blocks()) {}

  bool Valid() const override { return cursor_.valid(); }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(Slice target) override;
  void StartSeek(Slice target) override;
  bool ContinueSeek() override;
  void SeekForPrev(Slice target) override;
  void Next() override {
    cursor_.MoveTo(cursor_.index() + 1);
    if (!cursor_.valid()) [[unlikely]]
      NextBlock();
  }
  bool NextKey(Slice* key) override {
    SegmentIterator::Next();
    if (!cursor_.valid()) return false;
    *key = cursor_.key();
    return true;
  }
  void Prev() override {
    if (cursor_.index() > 0) [[likely]] {
      cursor_.MoveTo(cursor_.index() - 1);
    } else {
      PrevBlock();
    }
  }
  Slice key() const override { return cursor_.key(); }
  Slice value() const override { return cursor_.value(); }
  Status status() const override { return status_; }

 private:
  static constexpr int kRunBeforeReadahead = 2;
  static constexpr uint64_t kWindowBytesMin = 16 * 1024;
  static constexpr uint64_t kWindowBytesMax = 256 * 1024;

  // What a seek in steps does next.
  enum class SeekStep : uint8_t {
    kDone,
    kLocateBlock,  // in the file
    kLookUpBlock,  // in the cache
    kOpenBlock,
    kSearchBlock,
    kArrive,
  };

  // Makes block i the current one, not yet at an entry. False, with the status set, on an error.
  bool LoadBlock(uint64_t i);
  // The same after the block was looked for in the cache, and is in held_ if it was there.
  bool UseBlock(uint64_t i);
  Status FetchUncached(uint64_t i, const Block** block);
  bool ReadWindow(uint64_t i, bool forward);
  Status BlockFromWindow(uint64_t i, const Block** block);
  void NextBlock();
  void PrevBlock();
  // Invalid, with status `s`.
  void Stop(Status s);

  const OpenSegment* const segment_;
  const SegmentReadOptions options_;
  Status status_;
  uint64_t number_;  // of the current block; the number of blocks if there is none
  BlockRef held_;    // the current block, or
  Block view_;       // the same, where it lies in the window
  BlockCursor cursor_;

  // Of a seek in steps.
  SeekStep seek_step_ = SeekStep::kDone;
  uint64_t seek_number_ = 0;
  Slice seek_target_;
  Block::Search search_;

  // The run of blocks that were not in the cache.
  uint64_t last_uncached_ = UINT64_MAX;
  int run_ = 0;
  bool run_forward_ = true;
  uint64_t window_bytes_ = kWindowBytesMin;
  std::optional<RangeRead> window_;
  uint64_t window_start_ = 0;  // of the bytes in the file
  Slice window_content_;
};

}  // namespace varve

#endif  // VARVE_TABLE_SEGMENT_ITERATOR_H_
