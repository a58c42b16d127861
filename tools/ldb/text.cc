#include "tools/ldb/text.h"

namespace varve::ldb {
namespace {

constexpr char kDigits[] = "0123456789ABCDEF";

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string FormatBytes(Slice bytes, bool hex) {
  std::string text = hex ? "0x" : "";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!hex && c >= 0x20 && c < 0x7f) {
      text += c;
      if (c == '\\') text += c;
      continue;
    }
    if (!hex) text += "\\x";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool ParseBytes(Slice typed, bool hex, std::string* bytes) {
  if (!hex) {
    bytes->assign(typed);
    return true;
  }
  if (typed.substr(0, 2) == "0x" || typed.substr(0, 2) == "0X") typed.remove_prefix(2);
  if (typed.size() % 2 != 0) return false;
  bytes->clear();
  for (size_t i = 0; i < typed.size(); i += 2) {
    const int high = DigitValue(typed[i]), low = DigitValue(typed[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

}  // namespace varve::ldb
