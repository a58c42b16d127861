#include "table/compression.h"

#include <lz4.h>
#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <atomic>

#include "table/segment_format.h"
#include "util/coding.h"

namespace varve {

namespace {

// Zstandard's own default; higher levels cost a flush more than they save.
constexpr int kZstdLevel = 3;

uint64_t RawBytesMax(uint64_t stored_bytes) {
  return std::max(kExpansionFreeBytes,
                  std::min(stored_bytes, kCompressedRawBytesMax) * kExpansionMax);
}

// Contexts of zstd's decoder, which are dear to make: as many as threads decode at once are kept,
// up to kContextsKept.
class ZstdDecoders {
 public:
  ZSTD_DCtx* Take() {
    for (std::atomic<ZSTD_DCtx*>& place : kept_) {
      // Acquire, and release in Give: whoever takes a context sees all that was done to it.
      if (place.load(std::memory_order_relaxed) == nullptr) continue;
      if (ZSTD_DCtx* context = place.exchange(nullptr, std::memory_order_acquire)) return context;
    }
    return ZSTD_createDCtx();
  }
  void Give(ZSTD_DCtx* context) {
    for (std::atomic<ZSTD_DCtx*>& place : kept_) {
      ZSTD_DCtx* empty = nullptr;
      if (place.compare_exchange_strong(empty, context, std::memory_order_release,
                                        std::memory_order_relaxed)) {
        return;
      }
    }
    ZSTD_freeDCtx(context);
  }

 private:
  static constexpr size_t kContextsKept = 16;
  std::atomic<ZSTD_DCtx*> kept_[kContextsKept] = {};
};

ZstdDecoders& Decoders() {
  static ZstdDecoders* const decoders = new ZstdDecoders;  // never destroyed
  return *decoders;
}

}  // namespace

struct BlockCompressor::State {
  ~State() { ZSTD_freeCCtx(zstd); }

  ZSTD_CCtx* zstd = nullptr;
  std::unique_ptr<char[]> lz4;
  std::unique_ptr<char[]> buffer;
  size_t buffer_bytes = 0;
};

BlockCompressor::BlockCompressor(Compression compression)
    : compression_(compression), state_(std::make_unique<State>()) {
  if (compression == Compression::kZstd) state_->zstd = ZSTD_createCCtx();
  if (compression == Compression::kLz4) state_->lz4 = std::make_unique<char[]>(LZ4_sizeofState());
}

BlockCompressor::~BlockCompressor() = default;

bool BlockCompressor::Compress(Slice raw, Slice* stored) {
  if (compression_ == Compression::kNone || raw.empty() || raw.size() > kCompressedRawBytesMax) {
    return false;
  }
  char header[kVarint64BytesMax];
  const size_t header_bytes = EncodeVarint64(header, raw.size()) - header;
  size_t bound = 0;
  switch (compression_) {
    case Compression::kNone:
      return false;
    case Compression::kSnappy:
      bound = snappy::MaxCompressedLength(raw.size());
      break;
    case Compression::kLz4:
      bound = LZ4_compressBound(static_cast<int>(raw.size()));
      break;
    case Compression::kZstd:
      bound = ZSTD_compressBound(raw.size());
      break;
  }
  if (state_->buffer_bytes < header_bytes + bound) {
    state_->buffer_bytes = header_bytes + bound;
    state_->buffer.reset(new char[state_->buffer_bytes]);
  }
  char* const to = state_->buffer.get() + header_bytes;
  std::copy(header, header + header_bytes, state_->buffer.get());
  size_t bytes = 0;
  switch (compression_) {
    case Compression::kNone:
      return false;
    case Compression::kSnappy:
      snappy::RawCompress(raw.data(), raw.size(), to, &bytes);
      break;
    case Compression::kLz4:
      bytes = LZ4_compress_fast_extState(state_->lz4.get(), raw.data(), to,
                                         static_cast<int>(raw.size()), static_cast<int>(bound), 1);
      break;
    case Compression::kZstd:
      if (state_->zstd == nullptr) return false;
      bytes = ZSTD_compressCCtx(state_->zstd, to, bound, raw.data(), raw.size(), kZstdLevel);
      if (ZSTD_isError(bytes)) return false;
      break;
  }
  if (bytes == 0) return false;
  const size_t total = header_bytes + bytes;
  if (total > raw.size() - raw.size() / 8 || raw.size() > RawBytesMax(total)) return false;
  *stored = Slice(state_->buffer.get(), total);
  return true;
}

bool KnownCompression(uint8_t type) { return type <= static_cast<uint8_t>(Compression::kZstd); }

const char* CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return "none";
    case Compression::kSnappy:
      return "snappy";
    case Compression::kLz4:
      return "lz4";
    case Compression::kZstd:
      return "zstd";
  }
  return "unknown";
}

bool TakeRawSize(Slice* stored, uint64_t* raw_bytes) {
  const size_t stored_bytes = stored->size();
  return GetVarint64(stored, raw_bytes) && *raw_bytes <= kCompressedRawBytesMax &&
         *raw_bytes <= RawBytesMax(stored_bytes);
}

bool Decompress(Compression compression, Slice stored, char* to, uint64_t raw_bytes) {
  switch (compression) {
    case Compression::kNone:
      return false;
    case Compression::kSnappy: {
      size_t bytes;
      return snappy::GetUncompressedLength(stored.data(), stored.size(), &bytes) &&
             bytes == raw_bytes && snappy::RawUncompress(stored.data(), stored.size(), to);
    }
    case Compression::kLz4:
      return stored.size() <= kCompressedRawBytesMax &&
             LZ4_decompress_safe(stored.data(), to, static_cast<int>(stored.size()),
                                 static_cast<int>(raw_bytes)) == static_cast<int>(raw_bytes);
    case Compression::kZstd: {
      ZSTD_DCtx* const context = Decoders().Take();
      if (context == nullptr) return false;
      const size_t bytes =
          ZSTD_decompressDCtx(context, to, raw_bytes, stored.data(), stored.size());
      Decoders().Give(context);
      return bytes == raw_bytes;
    }
  }
  return false;
}

}  // namespace varve
