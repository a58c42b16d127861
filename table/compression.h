#ifndef VARVE_TABLE_COMPRESSION_H_
#define VARVE_TABLE_COMPRESSION_H_

#include <cstdint>
#include <memory>

#include "varve/options.h"
#include "varve/slice.h"

// The codecs of blocks. A compressed block's content is
//
//   | varint64 raw bytes | the codec's own bytes |

namespace varve {

// Compresses one block after another; keeps the codec's working memory. Not thread-safe.
class BlockCompressor {
 public:
  explicit BlockCompressor(Compression compression);
  ~BlockCompressor();
  BlockCompressor(const BlockCompressor&) = delete;
  BlockCompressor& operator=(const BlockCompressor&) = delete;

  // Makes *stored the content as stored, valid until the next call, and returns true; or returns
  // false if the block is to be stored as it is: it would not shrink by an eighth, is over
  // kCompressedRawBytesMax, or would expand more than a reader allows.
  bool Compress(Slice raw, Slice* stored);

 private:
  struct State;
  const Compression compression_;
  std::unique_ptr<State> state_;
};

// True if `type` is a Compression this build knows.
bool KnownCompression(uint8_t type);
const char* CompressionName(Compression compression);

// Takes the raw size off the front of a compressed content. False if it is cut off or larger than
// `stored_bytes` can justify (kExpansionFreeBytes, kExpansionMax).
bool TakeRawSize(Slice* stored, uint64_t* raw_bytes);

// Expands what TakeRawSize left of the content into `raw_bytes` bytes at `to`. False if the bytes
// are not of the codec or do not expand to exactly that many; never writes outside.
bool Decompress(Compression compression, Slice stored, char* to, uint64_t raw_bytes);

}  // namespace varve

#endif  // VARVE_TABLE_COMPRESSION_H_
