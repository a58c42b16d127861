#ifndef VARVE_INCLUDE_VARVE_ENV_H_
#define VARVE_INCLUDE_VARVE_ENV_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "varve/slice.h"
#include "varve/status.h"

// Everything the engine asks of the outside world: files, time, and facts about the machine. The
// engine calls the operating system through these interfaces alone, so that a test can put a
// simulated disk or a clock that jumps in their place. All methods may be called from any thread
// unless a class says otherwise. Errors name the path, the offset where there is one, and the
// operating system's reason: IOError, NoSpace (ENOSPC, EDQUOT), NotFound (ENOENT), Busy (locks).

namespace varve {

// One read of a batch. `buffer` holds `size` bytes; afterwards `bytes_read` were read, fewer than
// `size` only where the file ends, and `status` says how it went.
struct ReadRequest {
  uint64_t offset = 0;
  size_t size = 0;
  char* buffer = nullptr;
  size_t bytes_read = 0;
  Status status;
};

// A file that is only read. Positional, without state.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // Reads up to `size` bytes at `offset`; short only at the end of the file (short reads and EINTR
  // are continued inside). *bytes_read is set on success.
  virtual Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const = 0;

  // Serves all requests, each with its own status; when it returns, no buffer is in use any more.
  // The default reads one after the other.
  virtual void MultiRead(ReadRequest* requests, size_t count) const;

  // The size in bytes now.
  virtual Status Size(uint64_t* size) const = 0;

  // True if reads bypass the page cache; then offset, size and buffer must be multiples of 4096.
  virtual bool direct() const { return false; }
};

// A file that grows by appends; one writer at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes, dropping errors; call Close() to see them

  // After an error the content past the last good Append is undefined and the file must be given
  // up.
  virtual Status Append(Slice data) = 0;
  // All appended bytes and the size are durable when it returns OK. Not the directory entry.
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
  // Bytes appended so far.
  virtual uint64_t size() const = 0;
};

// A file read and written in place (the manifest). One writer at a time.
class RandomRWFile {
 public:
  virtual ~RandomRWFile() = default;

  virtual Status Read(uint64_t offset, size_t size, char* buffer, size_t* bytes_read) const = 0;
  // Writes all of `data`, growing the file where needed.
  virtual Status Write(uint64_t offset, Slice data) = 0;
  virtual Status Sync() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Status Size(uint64_t* size) const = 0;
  virtual Status Close() = 0;
};

// A preallocated file into which the log copies its records. Its bytes are allocated and zeroed
// (or hold what the recycled file held) and its content synced before the first Copy.
class LogFile {
 public:
  virtual ~LogFile() = default;

  // Bytes that may be copied into; fixed for the life of the object.
  virtual uint64_t capacity() const = 0;
  // Places `data` at `offset`; offset + size <= capacity(). When it returns, the bytes survive the
  // death of this process, but not of the machine. Disjoint ranges may be copied concurrently, and
  // concurrently with Sync(). After an error nothing may be assumed of the range.
  virtual Status Copy(uint64_t offset, Slice data) = 0;
  // Makes durable every Copy() that returned before the call. After an error it must not be called
  // again (a second call would prove nothing).
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
  // True if Copy() stores into mapped memory, which then counts in the memory budget.
  virtual bool mapped() const = 0;
};

// Holds a lock file; the destructor releases it. The file itself stays.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FileInfo {
  uint64_t size = 0;             // bytes
  uint64_t allocated_bytes = 0;  // blocks held on the device, in bytes
  bool is_directory = false;
  uint64_t links = 1;  // its names
};

struct LogFileOptions {
  uint64_t capacity = 0;     // bytes, a multiple of 4096
  bool allow_mapped = true;  // false: always plain writes
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Opens an existing file. `direct` asks for O_DIRECT; where it is refused the file is opened
  // without and direct() is false.
  virtual Status NewRandomAccessFile(const std::string& path, bool direct,
                                     std::unique_ptr<RandomAccessFile>* file) = 0;
  // Creates a file, which must not exist. `expected_bytes` is a hint (0: unknown).
  virtual Status NewWritableFile(const std::string& path, uint64_t expected_bytes,
                                 std::unique_ptr<WritableFile>* file) = 0;
  // Opens an existing file (NotFound otherwise), or with `create` makes one that must not exist.
  virtual Status NewRandomRWFile(const std::string& path, bool create,
                                 std::unique_ptr<RandomRWFile>* file) = 0;
  // Creates a log file, which must not exist: zero-written to its capacity, content synced.
  virtual Status NewLogFile(const std::string& path, const LogFileOptions& options,
                            std::unique_ptr<LogFile>* file) = 0;
  // Renames `old_path` to `new_path`, which must not exist, and opens it with the content it has.
  // InvalidArgument, with nothing changed, if its size is not `options.capacity`.
  virtual Status ReuseLogFile(const std::string& old_path, const std::string& new_path,
                              const LogFileOptions& options, std::unique_ptr<LogFile>* file) = 0;

  virtual Status GetFileInfo(const std::string& path, FileInfo* info) = 0;
  // Names without the directory, "." and ".." left out, sorted.
  virtual Status ListDirectory(const std::string& path, std::vector<std::string>* names) = 0;
  // Existing is OK. Parents are not created.
  virtual Status CreateDirectory(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& path) = 0;  // must be empty
  virtual Status RemoveFile(const std::string& path) = 0;
  virtual Status RenameFile(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status LinkFile(const std::string& from, const std::string& to) = 0;
  // Makes creations, renames and unlinks in the directory durable.
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Takes an exclusive lock, creating the file. Busy, naming the path, if this or another process
  // holds it.
  virtual Status LockFile(const std::string& path, std::unique_ptr<FileLock>* lock) = 0;
  virtual Status GetFreeSpace(const std::string& path, uint64_t* bytes) = 0;
};

// Three clocks. Waiting is not here: it belongs to the engine's condition variables.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t MonotonicNanos() = 0;  // never runs back; for durations
  virtual uint64_t BootMillis() = 0;      // since boot, sleep included
  virtual uint64_t WallMillis() = 0;      // since 1970, may jump
};

// Facts about the machine that a test may want to make up.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual std::string BootId() = 0;         // another string after each boot; "" if unknown
  virtual uint64_t MemoryLimitBytes() = 0;  // the cgroup's limit, else physical memory
  virtual uint64_t RandomSeed() = 0;        // 64 bits of entropy, other ones each call
};

// The world as one value. Default() is the operating system's: POSIX files, the system's clocks.
struct Env {
  std::shared_ptr<FileSystem> file_system;
  std::shared_ptr<Clock> clock;
  std::shared_ptr<Machine> machine;

  static Env Default();
};

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_ENV_H_
