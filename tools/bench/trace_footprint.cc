#include "tools/bench/trace_footprint.h"

#include "tools/bench/value_ledger.h"
#include "util/hash.h"

namespace varve::bench {

Status MeasureFootprint(RequestSource* source, uint64_t requests_max, uint64_t default_value_bytes,
                        TraceFootprint* footprint) {
  *footprint = TraceFootprint();
  ValueLedger largest;
  while (footprint->requests < requests_max) {
    Request request;
    bool end = false;
    Status status = source->Next(&request, &end);
    if (!status.ok()) return status;
    if (end) break;
    ++footprint->requests;
    if (request.op == RequestOp::kDelete) continue;
    const uint64_t bytes = request.value_bytes != 0 ? request.value_bytes : default_value_bytes;
    const uint64_t key_hash = Hash64(request.key);
    const ValueLedger::Entry* known = largest.Find(key_hash);
    const uint64_t before = known == nullptr ? 0 : known->value_bytes;
    if (known != nullptr && bytes <= before) continue;
    footprint->bytes += bytes - before;
    largest.Set({key_hash, 1, static_cast<uint32_t>(bytes), 0});
  }
  footprint->objects = largest.size();
  return Status::OK();
}

}  // namespace varve::bench
