#ifndef VARVE_INCLUDE_VARVE_SLICE_H_
#define VARVE_INCLUDE_VARVE_SLICE_H_

#include <string_view>

namespace varve {

// Borrowed bytes: a pointer and a length. The owner must outlive it. Bytes are arbitrary, zero
// bytes included; a Slice is not terminated.
using Slice = std::string_view;

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_SLICE_H_
