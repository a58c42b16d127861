#include "tools/bench/amplification.h"

#include <limits>

namespace varve::bench {

double Amplification::Ratio(uint64_t bytes, uint64_t of) {
  if (of == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(bytes) / static_cast<double>(of);
}

Status MeasureAmplification(const Statistics& statistics, DB* db, Amplification* result) {
  *result = Amplification();
  result->user_bytes = statistics.Get(Counter::kWriteBytes);
  result->flush_bytes = statistics.Get(Counter::kFlushBytes);
  result->compaction_bytes = statistics.Get(Counter::kCompactionBytesWritten);
  if (!db->GetIntProperty("varve.segment-bytes", &result->segment_bytes)) {
    return Status::NotSupported("the property varve.segment-bytes");
  }
  ReadOptions once;
  once.fill_cache = false;
  const auto it = db->NewIterator(once);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    ++result->live_entries;
    result->live_bytes += it->key().size() + it->value().size();
  }
  return it->status();
}

}  // namespace varve::bench
