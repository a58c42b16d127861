#ifndef VARVE_TOOLS_BENCH_REQUEST_SOURCE_H_
#define VARVE_TOOLS_BENCH_REQUEST_SOURCE_H_

#include <cstdint>
#include <string>

#include "varve/slice.h"
#include "varve/status.h"

namespace varve::bench {

enum class RequestOp : uint8_t {
  kGet,  // fills the key on a miss
  kPut,
  kDelete,
};

// One request of a trace.
struct Request {
  RequestOp op = RequestOp::kGet;
  Slice key;                 // valid until the next request is asked for
  uint64_t value_bytes = 0;  // 0: the trace has no sizes
  uint32_t ttl_seconds = 0;  // of what a put or a fill writes; 0: it does not expire
  double at_seconds = 0;     // on the clock of the trace, which is the one that expires
};

// A stream of requests. One thread.
class RequestSource {
 public:
  virtual ~RequestSource() = default;

  // Gives the next request, or sets *end. An error names the source and the place in it.
  virtual Status Next(Request* request, bool* end) = 0;
  // How much of it was given, 0 to 1; negative if that cannot be known.
  virtual double Progress() const = 0;
  // For people, and error messages.
  virtual std::string Name() const = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_REQUEST_SOURCE_H_
