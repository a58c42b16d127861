#ifndef VARVE_INCLUDE_VARVE_PINNED_VALUE_H_
#define VARVE_INCLUDE_VARVE_PINNED_VALUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "varve/slice.h"

namespace varve {

// The value of a read. It either pins the cached block that holds the bytes, so that nothing is
// copied, or owns a copy. What it pins stays in memory until Reset() or the destructor, also past
// the DB's Close. Reuse one object over many reads to keep its buffer. Not thread-safe.
class PinnedValue {
 public:
  using Release = void (*)(void* context, void* handle);

  PinnedValue() = default;
  ~PinnedValue() { Unpin(); }
  PinnedValue(PinnedValue&& other) noexcept { *this = std::move(other); }
  PinnedValue& operator=(PinnedValue&& other) noexcept {
    if (this == &other) return *this;
    Unpin();
    const bool owns = !other.pinned();
    const size_t size = other.data_.size();
    buffer_ = std::move(other.buffer_);
    data_ = owns ? Slice(buffer_.data(), size) : other.data_;
    release_ = std::exchange(other.release_, nullptr);
    context_ = other.context_;
    handle_ = other.handle_;
    expires_at_ms_ = std::exchange(other.expires_at_ms_, kNever);
    other.data_ = Slice();
    return *this;
  }
  PinnedValue(const PinnedValue&) = delete;
  PinnedValue& operator=(const PinnedValue&) = delete;

  Slice slice() const { return data_; }
  operator Slice() const { return data_; }
  const char* data() const { return data_.data(); }
  size_t size() const { return data_.size(); }
  bool empty() const { return data_.empty(); }
  std::string ToString() const { return std::string(data_); }
  // True if the bytes belong to a cached block; false if this object owns them.
  bool pinned() const { return release_ != nullptr; }

  // When the value expires, milliseconds since 1970; unset: never. It was not expired when it was
  // read.
  std::optional<uint64_t> expires_at_ms() const {
    if (expires_at_ms_ == kNever) return std::nullopt;
    return expires_at_ms_;
  }

  // Lets go of the bytes; empty afterwards.
  void Reset() {
    Unpin();
    data_ = Slice();
    expires_at_ms_ = kNever;
  }

  // For the engine. Copies `bytes`.
  void Assign(Slice bytes) {
    Unpin();
    expires_at_ms_ = kNever;
    buffer_.assign(bytes.data(), bytes.size());
    data_ = buffer_;
  }
  // For the engine. Lets go of the first `bytes` of what is there.
  void RemovePrefix(size_t bytes) {
    if (release_ == nullptr) {
      buffer_.erase(0, bytes);
      data_ = buffer_;
    } else {
      data_.remove_prefix(bytes);
    }
  }
  // For the engine. Of what was assigned or pinned last.
  void SetExpiresAt(uint64_t expires_at_ms) { expires_at_ms_ = expires_at_ms; }
  // For the engine. Borrows `bytes` until release(context, handle), called exactly once.
  void Pin(Slice bytes, Release release, void* context, void* handle) {
    Unpin();
    expires_at_ms_ = kNever;
    data_ = bytes;
    release_ = release;
    context_ = context;
    handle_ = handle;
  }

 private:
  void Unpin() {
    if (release_ != nullptr) std::exchange(release_, nullptr)(context_, handle_);
  }

  static constexpr uint64_t kNever = UINT64_MAX;

  Slice data_;
  uint64_t expires_at_ms_ = kNever;
  Release release_ = nullptr;
  void* context_ = nullptr;
  void* handle_ = nullptr;
  std::string buffer_;
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_PINNED_VALUE_H_
