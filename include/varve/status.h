#ifndef VARVE_INCLUDE_VARVE_STATUS_H_
#define VARVE_INCLUDE_VARVE_STATUS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace varve {

// The outcome of an operation: OK, or a code and a sentence that names what went wrong (file,
// offset, expected and found, where there is a file). An OK status and a bare code cost no
// allocation. Copyable; the message is shared and immutable, so copies are cheap and any number
// of threads may read one.
class [[nodiscard]] Status {
 public:
  enum class Code : uint8_t {
    kOk = 0,
    kNotFound = 1,         // no such key; for files: no such file
    kCorruption = 2,       // what was read is not what was written
    kIOError = 3,          // the operating system refused or failed
    kInvalidArgument = 4,  // the caller's mistake; the message names the argument
    kNotSupported = 5,     // a known request that this build, mode or file format does not serve
    kBusy = 6,             // held by someone else: a lock, a live iterator
    kAborted = 7,          // given up on the way: the engine is closing, or has latched an error
    kNoSpace = 8,          // device, quota or capacity is full; nothing was changed
    kTooOld = 9,           // a read below the retained sequence
    kTimedOut = 10,        // a bound passed; a write may or may not have been applied
  };

  Status() = default;  // OK

  static Status OK() { return Status(); }
  static Status NotFound(std::string_view message = {}) { return {Code::kNotFound, message}; }
  static Status Corruption(std::string_view message = {}) { return {Code::kCorruption, message}; }
  static Status IOError(std::string_view message = {}) { return {Code::kIOError, message}; }
  static Status InvalidArgument(std::string_view message = {}) {
    return {Code::kInvalidArgument, message};
  }
  static Status NotSupported(std::string_view message = {}) {
    return {Code::kNotSupported, message};
  }
  static Status Busy(std::string_view message = {}) { return {Code::kBusy, message}; }
  static Status Aborted(std::string_view message = {}) { return {Code::kAborted, message}; }
  static Status NoSpace(std::string_view message = {}) { return {Code::kNoSpace, message}; }
  static Status TooOld(std::string_view message = {}) { return {Code::kTooOld, message}; }
  static Status TimedOut(std::string_view message = {}) { return {Code::kTimedOut, message}; }

  // `code` must not be kOk when there is a message.
  Status(Code code, std::string_view message) : code_(code) {
    if (!message.empty()) message_ = std::make_shared<const std::string>(message);
  }

  bool ok() const { return code_ == Code::kOk; }
  bool IsNotFound() const { return code_ == Code::kNotFound; }
  bool IsCorruption() const { return code_ == Code::kCorruption; }
  bool IsIOError() const { return code_ == Code::kIOError; }
  bool IsInvalidArgument() const { return code_ == Code::kInvalidArgument; }
  bool IsNotSupported() const { return code_ == Code::kNotSupported; }
  bool IsBusy() const { return code_ == Code::kBusy; }
  bool IsAborted() const { return code_ == Code::kAborted; }
  bool IsNoSpace() const { return code_ == Code::kNoSpace; }
  bool IsTooOld() const { return code_ == Code::kTooOld; }
  bool IsTimedOut() const { return code_ == Code::kTimedOut; }

  Code code() const { return code_; }
  // The sentence alone, without the code's name; empty if there is none.
  std::string_view message() const { return message_ ? std::string_view(*message_) : ""; }
  // "OK", or "<code name>: <message>".
  std::string ToString() const;

  // The same code, the message prefixed by `context` and ": ". OK stays OK.
  Status WithContext(std::string_view context) const;

  // Codes are compared; messages are for people.
  friend bool operator==(const Status& a, const Status& b) { return a.code_ == b.code_; }

 private:
  Code code_ = Code::kOk;
  std::shared_ptr<const std::string> message_;
};

// The name of a code as ToString() prints it, for example "Corruption".
const char* StatusCodeName(Status::Code code);

}  // namespace varve

#endif  // VARVE_INCLUDE_VARVE_STATUS_H_
