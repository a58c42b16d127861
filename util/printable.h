#ifndef VARVE_UTIL_PRINTABLE_H_
#define VARVE_UTIL_PRINTABLE_H_

#include <cstdio>
#include <string>

#include "varve/slice.h"

namespace varve {

// Bytes for messages to people: in quotes, what is not printable ASCII as \x00, and long ones cut
// with their size told.
inline std::string Printable(Slice bytes) {
  constexpr size_t kBytesShown = 48;
  std::string out = "\"";
  for (const char c : bytes.substr(0, kBytesShown)) {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      out.push_back(c);
    } else {
      char text[5];
      std::snprintf(text, sizeof(text), "\\x%02x", static_cast<unsigned char>(c));
      out.append(text);
    }
  }
  out.push_back('"');
  if (bytes.size() > kBytesShown) out += "… (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

}  // namespace varve

#endif  // VARVE_UTIL_PRINTABLE_H_
