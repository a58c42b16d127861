#include "varve/prefix_extractor.h"

#include <cstdint>
#include <cstdio>
#include <string>

// The two extractors of the library. Under the bytewise order, and any other that compares byte
// after byte, the keys that begin alike stand together.

namespace varve {

namespace {

class FixedPrefixExtractor final : public PrefixExtractor {
 public:
  explicit FixedPrefixExtractor(size_t bytes)
      : bytes_(bytes), name_("varve.FixedPrefix." + std::to_string(bytes)) {}

  const char* Name() const override { return name_.c_str(); }
  std::optional<Slice> Prefix(Slice key) const override {
    if (key.size() < bytes_) return std::nullopt;
    return key.substr(0, bytes_);
  }
  bool LeadingBytesDecide() const override { return true; }

 private:
  const size_t bytes_;
  const std::string name_;
};

std::string DelimiterName(char delimiter, size_t count) {
  char hex[3];
  std::snprintf(hex, sizeof(hex), "%02x", static_cast<uint8_t>(delimiter));
  return "varve.DelimiterPrefix." + std::string(hex) + "." + std::to_string(count);
}

class DelimiterPrefixExtractor final : public PrefixExtractor {
 public:
  DelimiterPrefixExtractor(char delimiter, size_t count)
      : delimiter_(delimiter), count_(count), name_(DelimiterName(delimiter, count)) {}

  const char* Name() const override { return name_.c_str(); }
  std::optional<Slice> Prefix(Slice key) const override {
    size_t end = 0;
    for (size_t n = 0; n < count_; ++n) {
      end = key.find(delimiter_, end);
      if (end == Slice::npos) return std::nullopt;
      ++end;
    }
    return key.substr(0, end);
  }
  bool LeadingBytesDecide() const override { return true; }

 private:
  const char delimiter_;
  const size_t count_;
  const std::string name_;
};

}  // namespace

std::shared_ptr<const PrefixExtractor> NewFixedPrefixExtractor(size_t bytes) {
  return std::make_shared<FixedPrefixExtractor>(bytes);
}

std::shared_ptr<const PrefixExtractor> NewDelimiterPrefixExtractor(char delimiter, size_t count) {
  return std::make_shared<DelimiterPrefixExtractor>(delimiter, count);
}

}  // namespace varve
