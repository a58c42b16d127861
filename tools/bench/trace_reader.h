#ifndef VARVE_TOOLS_BENCH_TRACE_READER_H_
#define VARVE_TOOLS_BENCH_TRACE_READER_H_

#include <memory>
#include <string>

#include "tools/bench/gzip_lines.h"
#include "tools/bench/request_source.h"

namespace varve::bench {

// One line of a trace, "op,key,size", without its end:
//   op    get, put, set (which is put) or delete
//   key   1 to WriteBatch::kKeyBytesMax bytes, any but a comma
//   size  of the value in bytes, decimal; 0, empty or left out (with its comma): unknown
// InvalidArgument says what is wrong, not where.
Status ParseTraceLine(Slice line, Request* request);

// A trace out of a CSV file, gzipped or not, or of standard input. The first line may be a header,
// which is one whose first field is "op"; empty lines are passed over. Errors name file and line.
class TraceReader : public RequestSource {
 public:
  static Status Open(const std::string& path, std::unique_ptr<RequestSource>* source);

  Status Next(Request* request, bool* end) override;
  double Progress() const override { return lines_->Progress(); }
  std::string Name() const override { return lines_->name(); }

 private:
  explicit TraceReader(std::unique_ptr<GzipLines> lines) : lines_(std::move(lines)) {}

  const std::unique_ptr<GzipLines> lines_;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_TRACE_READER_H_
