#ifndef VARVE_TOOLS_BENCH_GZIP_LINES_H_
#define VARVE_TOOLS_BENCH_GZIP_LINES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "varve/slice.h"
#include "varve/status.h"

namespace varve::bench {

// The lines of a text file, gzipped or not, or of standard input. Holds one buffer, whatever the
// size of the file. One thread.
class GzipLines {
 public:
  // "-" is standard input. NotFound or IOError name the path.
  static Status Open(const std::string& path, std::unique_ptr<GzipLines>* lines);
  ~GzipLines();
  GzipLines(const GzipLines&) = delete;
  GzipLines& operator=(const GzipLines&) = delete;

  // The next line without its end ("\n" or "\r\n"; the last one needs none), valid until the next
  // call; or sets *end. Corruption if the compressed data is damaged or ends early;
  // InvalidArgument for a line of more than kLineBytesMax.
  Status Next(Slice* line, bool* end);

  // Of the line given last, from 1.
  uint64_t line_number() const { return line_number_; }
  // Read of the file, compressed, 0 to 1; negative for what has no size.
  double Progress() const;
  // For messages.
  const std::string& name() const { return name_; }

  static constexpr size_t kLineBytesMax = size_t{128} << 10;

 private:
  struct Stream;

  GzipLines(std::string name, std::unique_ptr<Stream> stream);
  // Moves the rest to the front of the buffer and reads behind it.
  Status Fill();
  std::string Where(uint64_t line) const;

  const std::string name_;
  const std::unique_ptr<Stream> stream_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;  // what of the buffer was read and not yet given
  bool at_end_ = false;
  uint64_t line_number_ = 0;
};

}  // namespace varve::bench

#endif  // VARVE_TOOLS_BENCH_GZIP_LINES_H_
