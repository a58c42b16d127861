#include "table/segment_iterator.h"

#include <algorithm>
#include <utility>

namespace varve {

void SegmentIterator::Stop(Status s) {
  cursor_.SetBlock(nullptr);
  held_.Reset();
  number_ = segment_->index().blocks();
  status_ = std::move(s);
}

bool SegmentIterator::LoadBlock(uint64_t i) {
  if (i == number_) return true;
  cursor_.SetBlock(nullptr);
  held_ = segment_->LookupBlock(i);
  return UseBlock(i);
}

bool SegmentIterator::UseBlock(uint64_t i) {
  const Block* block = nullptr;
  if (held_) {
    block = held_.get();
    last_uncached_ = UINT64_MAX;
  } else if (Status s = FetchUncached(i, &block); !s.ok()) {
    Stop(std::move(s));
    return false;
  }
  number_ = i;
  cursor_.SetBlock(block);
  return true;
}

Status SegmentIterator::FetchUncached(uint64_t i, const Block** block) {
  const BlockHandle handle = segment_->index().handle(i);
  const bool forward = i == last_uncached_ + 1;
  const bool backward = i + 1 == last_uncached_;
  if (last_uncached_ != UINT64_MAX && (forward || backward) &&
      (run_ == 0 || forward == run_forward_)) {
    ++run_;
    run_forward_ = forward;
  } else {
    run_ = 0;
    window_bytes_ = kWindowBytesMin;
  }
  last_uncached_ = i;

  const auto in_window = [&] {
    return handle.offset >= window_start_ &&
           handle.offset + handle.size <= window_start_ + window_content_.size();
  };
  if (in_window() || (run_ >= kRunBeforeReadahead && ReadWindow(i, run_forward_))) {
    Status s = BlockFromWindow(i, block);
    if (!s.ok()) segment_->TellError(s);
    return s;
  }
  Status s = segment_->ReadBlock(options_, i, &held_);
  if (s.ok()) *block = held_.get();
  return s;
}

bool SegmentIterator::ReadWindow(uint64_t i, bool forward) {
  const Index& index = segment_->index();
  uint64_t first = i, last = i;
  const auto window_size = [&] {
    const BlockHandle end = index.handle(last);
    return end.offset + end.size - index.handle(first).offset;
  };
  while (forward ? last + 1 < index.blocks() : first > 0) {
    forward ? ++last : --first;
    if (window_size() > window_bytes_) {
      forward ? --last : ++first;
      break;
    }
  }
  if (first == last) return false;

  window_content_ = Slice();
  window_start_ = index.handle(first).offset;
  const uint64_t size = window_size();
  window_.emplace(*segment_->source().file, window_start_, size);
  window_->Run(*segment_->source().file);
  segment_->Count(Counter::kSegmentBytesRead, size);
  window_bytes_ = std::min(window_bytes_ * 2, kWindowBytesMax);
  // What is wrong shows when the block itself is read.
  return window_->Result(segment_->source(), &window_content_).ok();
}

Status SegmentIterator::BlockFromWindow(uint64_t i, const Block** block) {
  const BlockHandle handle = segment_->index().handle(i);
  const Slice stored = window_content_.substr(handle.offset - window_start_, handle.size);
  const SegmentSource& source = segment_->source();
  Compression compression;
  if (!segment_->keeps_blocks(options_.fill_cache) &&
      stored[stored.size() - kBlockTrailerBytes] == static_cast<char>(Compression::kNone)) {
    Status s = CheckStored(source, stored, handle.offset, options_.verify_checksums, &compression);
    if (!s.ok()) return s;
    if (const char* wrong = view_.Parse(stored.substr(0, stored.size() - kBlockTrailerBytes))) {
      return source.Corrupt("content of the block", handle.offset, wrong);
    }
    *block = &view_;
    return Status::OK();
  }
  HeldBlock* held;
  Status s = MakeBlock(source, stored, handle.offset, options_.verify_checksums,
                       segment_->properties().block_raw_bytes_max, &held);
  if (!s.ok()) return s;
  held_ = segment_->KeepBlock(i, held, options_.fill_cache);
  *block = held_.get();
  return s;
}

void SegmentIterator::SeekToFirst() {
  status_ = Status::OK();
  if (segment_->index().blocks() == 0) return Stop(Status::OK());
  if (LoadBlock(0)) cursor_.MoveTo(0);
}

void SegmentIterator::SeekToLast() {
  status_ = Status::OK();
  const uint64_t blocks = segment_->index().blocks();
  if (blocks == 0) return Stop(Status::OK());
  if (LoadBlock(blocks - 1)) cursor_.MoveTo(cursor_.entries() - 1);
}

void SegmentIterator::Seek(Slice target) {
  status_ = Status::OK();
  const uint64_t i = segment_->index().Find(segment_->comparator(), target);
  if (i >= segment_->index().blocks()) return Stop(Status::OK());
  if (i != number_) segment_->PrefetchBlock(i);
  if (!LoadBlock(i)) return;
  cursor_.MoveTo(cursor_.block()->LowerBound(segment_->comparator(), target));
  if (!cursor_.valid()) NextBlock();
}

void SegmentIterator::StartSeek(Slice target) {
  seek_step_ = SeekStep::kDone;
  if (!segment_->comparator().bytewise()) return Seek(target);
  status_ = Status::OK();
  const uint64_t i = segment_->index().Find(segment_->comparator(), target);
  if (i >= segment_->index().blocks()) return Stop(Status::OK());
  seek_number_ = i;
  seek_target_ = target;
  segment_->PrefetchPlace(i);
  seek_step_ = i == number_ ? SeekStep::kOpenBlock : SeekStep::kLocateBlock;
}

bool SegmentIterator::ContinueSeek() {
  switch (seek_step_) {
    case SeekStep::kDone:
      return true;
    case SeekStep::kLocateBlock:
      segment_->PrefetchBlock(seek_number_);
      seek_step_ = SeekStep::kLookUpBlock;
      return false;
    case SeekStep::kLookUpBlock:
      cursor_.SetBlock(nullptr);
      number_ = segment_->index().blocks();
      held_ = segment_->LookupBlock(seek_number_);
      seek_step_ = SeekStep::kOpenBlock;
      return false;
    case SeekStep::kOpenBlock:
      if (seek_number_ != number_ && !UseBlock(seek_number_)) {
        seek_step_ = SeekStep::kDone;
        return true;
      }
      search_ = cursor_.block()->BeginSearch(seek_target_);
      break;
    case SeekStep::kSearchBlock:
      cursor_.block()->StepSearch(&search_);
      break;
    case SeekStep::kArrive:
      seek_step_ = SeekStep::kDone;
      cursor_.MoveTo(search_.low);
      if (!cursor_.valid()) NextBlock();
      return true;
  }
  cursor_.block()->PrefetchStep(search_);
  seek_step_ = search_.done() ? SeekStep::kArrive : SeekStep::kSearchBlock;
  return false;
}

void SegmentIterator::SeekForPrev(Slice target) {
  status_ = Status::OK();
  const uint64_t i = segment_->index().Find(segment_->comparator(), target);
  if (i >= segment_->index().blocks()) return SeekToLast();
  if (!LoadBlock(i)) return;
  const uint32_t at = cursor_.block()->LowerBound(segment_->comparator(), target);
  cursor_.MoveTo(at);
  // At or after the target: exactly at it is as wanted.
  if (cursor_.valid() && segment_->comparator().Compare(cursor_.key(), target) == 0) return;
  if (at > 0) {
    cursor_.MoveTo(at - 1);
  } else {
    PrevBlock();
  }
}

void SegmentIterator::NextBlock() {
  const uint64_t next = number_ + 1;
  if (next >= segment_->index().blocks()) return Stop(Status::OK());
  if (!LoadBlock(next)) return;
  if (next + 1 < segment_->index().blocks()) segment_->PrefetchBlock(next + 1);
  cursor_.MoveTo(0);
}

void SegmentIterator::PrevBlock() {
  if (number_ == 0) return Stop(Status::OK());
  if (!LoadBlock(number_ - 1)) return;
  if (number_ > 0) segment_->PrefetchBlock(number_ - 1);
  cursor_.MoveTo(cursor_.entries() - 1);
}

}  // namespace varve
