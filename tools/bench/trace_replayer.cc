#include "tools/bench/trace_replayer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "util/hash.h"

namespace varve::bench {
namespace {

double Ratio(uint64_t part, uint64_t rest) {
  if (part + rest == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(part) / static_cast<double>(part + rest);
}

uint32_t ExpiresAtSeconds(const Request& request) {
  if (request.ttl_seconds == 0) return 0;
  const double at = std::ceil(request.at_seconds + request.ttl_seconds);
  return static_cast<uint32_t>(std::min(at, static_cast<double>(UINT32_MAX)));
}

}  // namespace

double TraceCounts::miss_ratio() const { return Ratio(misses, gets - misses); }

double TraceCounts::byte_miss_ratio() const { return Ratio(miss_bytes, hit_bytes); }

double TraceCounts::requests_per_second() const {
  return seconds > 0 ? static_cast<double>(requests()) / seconds : 0;
}

TraceReplayer::TraceReplayer(const TraceReplayOptions& options, DB* db, Clock* clock)
    : options_(options), db_(db), clock_(clock), values_(options.compression_ratio) {
  if (options_.statistics != nullptr) ReasonOfMiss();  // what came before is none of ours
}

Status TraceReplayer::Run(RequestSource* source, ProgressBar* progress) {
  const uint64_t started = now_nanos_ = clock_->MonotonicNanos();
  const auto seconds = [&] { return static_cast<double>(now_nanos_ - started) * 1e-9; };
  Status status;
  while (counts_.requests() < options_.requests_max && now_nanos_ - started < options_.nanos_max) {
    Request request;
    bool end = false;
    status = source->Next(&request, &end);
    if (!status.ok() || end) break;
    status = Serve(request);
    if (!status.ok()) break;
    if (progress != nullptr && progress->Due(now_nanos_)) [[unlikely]] {
      double fraction = source->Progress();
      if (options_.requests_max != UINT64_MAX) {
        fraction = std::max(fraction, static_cast<double>(counts_.requests()) /
                                          static_cast<double>(options_.requests_max));
      }
      progress->Draw({fraction, counts_.requests(), seconds()}, now_nanos_);
    }
  }
  value_.Reset();
  now_nanos_ = clock_->MonotonicNanos();
  counts_.seconds = seconds();
  if (progress != nullptr) progress->Clear();
  return status;
}

Status TraceReplayer::Serve(const Request& request) {
  const uint64_t key_hash = Hash64(request.key);
  const uint64_t value_bytes =
      request.value_bytes != 0 ? request.value_bytes : options_.default_value_bytes;
  switch (request.op) {
    case RequestOp::kGet:
      ++counts_.gets;
      return ServeGet(request, key_hash, value_bytes);
    case RequestOp::kPut:
      ++counts_.puts;
      return Put(request, key_hash, value_bytes);
    case RequestOp::kDelete:
      ++counts_.deletes;
      return Delete(request, key_hash);
  }
  return Status::OK();
}

Status TraceReplayer::ServeGet(const Request& request, uint64_t key_hash, uint64_t value_bytes) {
  const uint64_t started = clock_->MonotonicNanos();
  Status status = db_->Get(options_.read_options, request.key, &value_);
  now_nanos_ = clock_->MonotonicNanos();
  get_nanos_.Add(now_nanos_ - started);
  if (status.ok()) {
    switch (Judge(request, key_hash)) {
      case Verdict::kHit:
        ++counts_.hits;
        counts_.hit_bytes += value_bytes;
        return Status::OK();
      case Verdict::kWrong:
        ++counts_.wrong;
        return Status::OK();
      case Verdict::kExpired:
        ++counts_.expired;
        break;
    }
  } else if (status.IsNotFound()) {
    ExplainMiss(key_hash);
  } else {
    return status.WithContext("get");
  }
  ++counts_.misses;
  counts_.miss_bytes += value_bytes;
  return Put(request, key_hash, value_bytes);
}

std::optional<MissReason> TraceReplayer::ReasonOfMiss() {
  std::optional<MissReason> reason;
  uint64_t rose = 0;
  for (size_t i = 0; i < kMissReasons; ++i) {
    const uint64_t now = options_.statistics->Get(CounterOf(static_cast<MissReason>(i)));
    if (now != reasons_[i]) reason = static_cast<MissReason>(i);
    rose += now - reasons_[i];
    reasons_[i] = now;
  }
  return rose == 1 ? reason : std::nullopt;
}

void TraceReplayer::ExplainMiss(uint64_t key_hash) {
  std::optional<MissReason> reason;
  if (options_.statistics != nullptr) {
    reason = ReasonOfMiss();
    counts_.unexplained += !reason.has_value();
  }
  const ValueLedger::Entry* known = ledger_.Find(key_hash);
  if (known == nullptr) {
    ++counts_.first;
    counts_.masked += reason == MissReason::kGhost && !options_.warm;
  } else if (!known->exists()) {
    ++counts_.deleted;
  } else if (!options_.evicts || reason == MissReason::kDeleted || reason == MissReason::kExpired) {
    ++counts_.lost;
  } else if (reason == MissReason::kRefused) {
    ++counts_.refused;
  } else {
    ++counts_.evicted;
  }
}

TraceReplayer::Verdict TraceReplayer::Judge(const Request& request, uint64_t key_hash) const {
  const ValueLedger::Entry* known = ledger_.Find(key_hash);
  bool right;
  if (known == nullptr) {
    right = options_.warm && values_.MatchesSomeWrite(value_, key_hash);
  } else {
    right = known->exists() && values_.Matches(value_, key_hash, known->stamp, known->value_bytes);
  }
  if (!right) return Verdict::kWrong;
  return known != nullptr && known->Expired(request.at_seconds) ? Verdict::kExpired : Verdict::kHit;
}

Status TraceReplayer::Put(const Request& request, uint64_t key_hash, uint64_t value_bytes) {
  const uint64_t stamp = options_.stamp_base + ++writes_;
  const Slice value = values_.Make(key_hash, stamp, value_bytes);
  const uint64_t started = clock_->MonotonicNanos();
  Status status = db_->Put(options_.write_options, request.key, value);
  now_nanos_ = clock_->MonotonicNanos();
  put_nanos_.Add(now_nanos_ - started);
  if (!status.ok()) return status.WithContext("put");
  ledger_.Set({key_hash, stamp, static_cast<uint32_t>(value_bytes), ExpiresAtSeconds(request)});
  counts_.written_bytes += request.key.size() + value_bytes;
  return Status::OK();
}

Status TraceReplayer::Delete(const Request& request, uint64_t key_hash) {
  Status status = db_->Delete(options_.write_options, request.key);
  now_nanos_ = clock_->MonotonicNanos();
  if (!status.ok()) return status.WithContext("delete");
  ledger_.Set({key_hash, 0, 0, 0});
  counts_.written_bytes += request.key.size();
  return Status::OK();
}

}  // namespace varve::bench
