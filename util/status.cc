#include "varve/status.h"

namespace varve {

const char* StatusCodeName(Status::Code code) {
  switch (code) {
    case Status::Code::kOk:
      return "OK";
    case Status::Code::kNotFound:
      return "NotFound";
    case Status::Code::kCorruption:
      return "Corruption";
    case Status::Code::kIOError:
      return "IOError";
    case Status::Code::kInvalidArgument:
      return "InvalidArgument";
    case Status::Code::kNotSupported:
      return "NotSupported";
    case Status::Code::kBusy:
      return "Busy";
    case Status::Code::kAborted:
      return "Aborted";
    case Status::Code::kNoSpace:
      return "NoSpace";
    case Status::Code::kTooOld:
      return "TooOld";
    case Status::Code::kTimedOut:
      return "TimedOut";
  }
  return "Unknown";
}

std::string Status::ToString() const {
  std::string text = StatusCodeName(code_);
  if (message_) text.append(": ").append(*message_);
  return text;
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  std::string text(context);
  if (message_) text.append(": ").append(*message_);
  return Status(code_, text);
}

}  // namespace varve
