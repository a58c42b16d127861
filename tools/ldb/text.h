#ifndef VARVE_TOOLS_LDB_TEXT_H_
#define VARVE_TOOLS_LDB_TEXT_H_

#include <string>

#include "varve/slice.h"

namespace varve::ldb {

// Bytes for people, reversibly: printable ASCII as it is but for \\, the rest as \xNN; or with
// `hex` as 0x6B6579.
std::string FormatBytes(Slice bytes, bool hex);

// What was typed for a key or value. Without `hex` the bytes themselves. False if it is no
// hexadecimal number of whole bytes (the 0x may be left out).
bool ParseBytes(Slice typed, bool hex, std::string* bytes);

}  // namespace varve::ldb

#endif  // VARVE_TOOLS_LDB_TEXT_H_
