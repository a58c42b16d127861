#ifndef VARVE_TABLE_STORED_BLOCK_H_
#define VARVE_TABLE_STORED_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "table/block.h"
#include "table/index.h"
#include "util/internal_key.h"
#include "varve/env.h"
#include "varve/options.h"
#include "varve/slice.h"
#include "varve/status.h"

// Blocks between file and memory: the checksum that every block carries, reading its bytes,
// checking them, and holding the result.
//
//   stored: | content, possibly compressed | u8 compression | fixed32 checksum |
//
// The checksum is the CRC-32C of content and compression byte, exclusive-or a salt made of the
// segment's number and the block's offset: a block that was written to, or read from, the wrong
// place or file does not pass.

namespace varve {

// `tail` continues `content`, for contents that do not lie in one piece.
uint32_t StoredChecksum(Slice content, Slice tail, uint8_t compression, FileNumber number,
                        uint64_t offset);

// Where a segment's bytes come from, for reads and for messages.
struct SegmentSource {
  const RandomAccessFile* file = nullptr;
  std::string path;
  FileNumber number = 0;

  // "<path>: <what> at offset <offset>: <detail>".
  Status Corrupt(Slice what, uint64_t offset, Slice detail) const;
};

// A block together with its content, in one allocation. Made by New, freed by Delete.
class HeldBlock {
 public:
  static HeldBlock* New(size_t content_bytes);
  static void Delete(void* held);

  Block block;

  // Starts to load what a point lookup reads first: the object, and the content's header, tags and
  // offsets behind it. They miss the CPU's caches together instead of one after the other.
  void Prefetch() const {
    const char* const start = reinterpret_cast<const char*>(this);
    for (size_t line = 0; line < 5; ++line) __builtin_prefetch(start + line * 64);
  }

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  // What it takes of memory.
  size_t charge() const { return allocated_; }

 private:
  explicit HeldBlock(size_t allocated) : allocated_(allocated) {}
  const size_t allocated_;
};

// Memory for one range of a file, to be read alone or in a batch. Where the file is read directly,
// the range is widened to whole pages.
class RangeRead {
 public:
  RangeRead(const RandomAccessFile& file, uint64_t offset, size_t size);
  ~RangeRead();
  RangeRead(RangeRead&& other) noexcept;
  RangeRead& operator=(RangeRead&&) = delete;

  // Give it to RandomAccessFile::MultiRead.
  ReadRequest* request() { return &request_; }
  // Or read it now.
  void Run(const RandomAccessFile& file);

  // After the read: the bytes asked for, followed by Block::kSlackBytes readable ones; or why not.
  // Corruption if the file ends before them.
  Status Result(const SegmentSource& source, Slice* bytes) const;
  // The same bytes as an allocation to keep: after the call they belong to the caller, as the
  // bytes() of a HeldBlock. Copies them only if they were read directly.
  HeldBlock* TakeHeld();

 private:
  const uint64_t offset_;
  const size_t size_;
  HeldBlock* held_ = nullptr;  // where the file is not direct
  char* aligned_ = nullptr;    // where it is
  ReadRequest request_;
};

// Checks the stored bytes of the block at `offset` and tells how it is compressed; with `verify`
// the checksum too.
Status CheckStored(const SegmentSource& source, Slice stored, uint64_t offset, bool verify,
                   Compression* compression);

// Makes a data block from its stored bytes: copied or expanded. `raw_bytes_max` bounds what it may
// expand to. The caller owns *held.
Status MakeBlock(const SegmentSource& source, Slice stored, uint64_t offset, bool verify,
                 uint64_t raw_bytes_max, HeldBlock** held);

// The same from a finished read, whose memory it takes over where it can.
Status MakeBlock(const SegmentSource& source, RangeRead* read, uint64_t offset, bool verify,
                 uint64_t raw_bytes_max, HeldBlock** held);

}  // namespace varve

#endif  // VARVE_TABLE_STORED_BLOCK_H_
