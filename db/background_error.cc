#include "db/background_error.h"

namespace varve {

bool IsTransient(BackgroundErrorSource source, const Status& status, bool quarantines) {
  switch (source) {
    case BackgroundErrorSource::kFlush:
    case BackgroundErrorSource::kCompaction:
      break;
    case BackgroundErrorSource::kManifest:  // told only once it is poisoned
    case BackgroundErrorSource::kLog:       // never tried again (Checklist W2)
    case BackgroundErrorSource::kWrite:
      return false;
  }
  switch (status.code()) {
    case Status::Code::kNoSpace:
    case Status::Code::kIOError:  // EAGAIN, EINTR, EIO of a device that may come back, …
    case Status::Code::kBusy:
    case Status::Code::kTimedOut:
    case Status::Code::kAborted:
      return true;
    case Status::Code::kCorruption:
      return quarantines && source == BackgroundErrorSource::kCompaction;
    case Status::Code::kOk:
    case Status::Code::kNotFound:  // an input is gone
    case Status::Code::kInvalidArgument:
    case Status::Code::kNotSupported:
    case Status::Code::kTooOld:
      return false;
  }
  return false;
}

bool BackgroundErrors::Failed(BackgroundErrorSource source, const Status& status, bool for_good) {
  const BackgroundErrorInfo info{source, status,
                                 for_good || !IsTransient(source, status, quarantines_)};
  if (!info.read_only) {
    Status& before = transient_[Index(source)];
    const bool is_new = before.ok();
    before = status;
    if (is_new) events_->PostBackgroundError(info);
    return false;
  }
  if (unresumable_.status.ok() &&
      (source == BackgroundErrorSource::kManifest || source == BackgroundErrorSource::kWrite)) {
    unresumable_ = info;
  }
  if (!read_only_.status.ok()) return false;
  read_only_ = info;
  events_->PostBackgroundError(info);
  return true;
}

void BackgroundErrors::Succeeded(BackgroundErrorSource source) {
  Status& status = transient_[Index(source)];
  if (status.ok()) return;
  events_->PostErrorRecovered({source, status, /*read_only=*/false});
  status = Status::OK();
}

void BackgroundErrors::Resumed() {
  if (read_only_.status.ok()) return;
  events_->PostErrorRecovered(read_only_);
  read_only_ = {};
}

Status BackgroundErrors::WhyNotResumable() const {
  switch (unresumable_.source) {
    case BackgroundErrorSource::kManifest:
      return unresumable_.status.WithContext("cannot resume, reopen: the manifest is uncertain");
    case BackgroundErrorSource::kWrite:
      return unresumable_.status.WithContext(
          "cannot resume, reopen: part of a failed write is in memory");
    default:
      return Status::OK();
  }
}

}  // namespace varve
