#include "tools/bench/gzip_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace varve::bench {

struct GzipLines::Stream {
  gzFile file = nullptr;
  uint64_t file_bytes = 0;  // 0: unknown

  ~Stream() {
    if (file != nullptr) gzclose_r(file);  // reading: nothing is lost with the result
  }
};

namespace {

constexpr unsigned kZlibBufferBytes = 256 << 10;
constexpr size_t kReadBytes = size_t{256} << 10;

Status SystemError(const std::string& name, int error) {
  const std::string message = name + ": " + std::strerror(error);
  return error == ENOENT ? Status::NotFound(message) : Status::IOError(message);
}

}  // namespace

GzipLines::GzipLines(std::string name, std::unique_ptr<Stream> stream)
    : name_(std::move(name)),
      stream_(std::move(stream)),
      buffer_(kLineBytesMax + kReadBytes, '\0') {}

GzipLines::~GzipLines() = default;

Status GzipLines::Open(const std::string& path, std::unique_ptr<GzipLines>* lines) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : path;
  const int fd =
      standard_input ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);  // NOLINT
  if (fd < 0) return SystemError(name, errno);
  struct stat info;
  auto stream = std::make_unique<Stream>();
  if (fstat(fd, &info) == 0) {
    if (S_ISDIR(info.st_mode)) {
      close(fd);
      return SystemError(name, EISDIR);
    }
    if (S_ISREG(info.st_mode)) stream->file_bytes = static_cast<uint64_t>(info.st_size);
  }
  stream->file = gzdopen(fd, "rb");  // owns fd from here on
  if (stream->file == nullptr) {
    close(fd);
    return Status::IOError(name + ": no memory for zlib");
  }
  gzbuffer(stream->file, kZlibBufferBytes);
  lines->reset(new GzipLines(name, std::move(stream)));
  return Status::OK();
}

std::string GzipLines::Where(uint64_t line) const { return name_ + ":" + std::to_string(line); }

Status GzipLines::Fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const int got = gzread(stream_->file, buffer_.data() + end_, kReadBytes);
  // An early end shows as a short read with Z_BUF_ERROR, not as a failed one.
  int error = Z_OK;
  const char* message = gzerror(stream_->file, &error);
  if (got < 0 || error == Z_BUF_ERROR) {
    if (error == Z_ERRNO) return SystemError(name_, errno);
    return Status::Corruption(Where(line_number_ + 1) + ": damaged gzip data: " +
                              (error == Z_BUF_ERROR ? "unexpected end of file" : message));
  }
  at_end_ = got == 0;
  end_ += static_cast<size_t>(got);
  return Status::OK();
}

Status GzipLines::Next(Slice* line, bool* end) {
  *end = false;
  size_t searched = begin_;
  const char* newline = nullptr;
  while (true) {
    newline =
        static_cast<const char*>(std::memchr(buffer_.data() + searched, '\n', end_ - searched));
    if (newline != nullptr || at_end_) break;
    const size_t pending = end_ - begin_;
    if (pending > kLineBytesMax) {
      return Status::InvalidArgument(Where(line_number_ + 1) + ": the line is longer than " +
                                     std::to_string(kLineBytesMax) + " bytes");
    }
    Status status = Fill();
    if (!status.ok()) return status;
    searched = begin_ + pending;
  }
  if (newline == nullptr && begin_ == end_) {
    *end = true;
    return Status::OK();
  }
  const size_t stop = newline != nullptr ? static_cast<size_t>(newline - buffer_.data()) : end_;
  size_t size = stop - begin_;
  if (size > 0 && buffer_[begin_ + size - 1] == '\r') --size;
  *line = Slice(buffer_.data() + begin_, size);
  begin_ = newline != nullptr ? stop + 1 : stop;
  ++line_number_;
  return Status::OK();
}

double GzipLines::Progress() const {
  if (stream_->file_bytes == 0) return -1;
  const auto offset = static_cast<double>(gzoffset(stream_->file));
  return std::clamp(offset / static_cast<double>(stream_->file_bytes), 0.0, 1.0);
}

}  // namespace varve::bench
