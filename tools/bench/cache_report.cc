#include "tools/bench/cache_report.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "tools/bench/text_format.h"

namespace varve::bench {
namespace {

std::string RatioText(double ratio) { return std::isnan(ratio) ? "-" : Format("%.4f", ratio); }
std::string Human(uint64_t bytes) { return HumanBytes(static_cast<double>(bytes)); }

double Amplification(uint64_t written, uint64_t given) {
  if (given == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(written) / static_cast<double>(given);
}

}  // namespace

uint64_t CacheReport::explained() const {
  return std::accumulate(misses.begin(), misses.end(), uint64_t{0});
}
double CacheReport::write_amplification() const {
  return Amplification(log_bytes + file_bytes, given_bytes);
}
double CacheReport::write_amplification_without_log() const {
  return Amplification(file_bytes, given_bytes);
}

CacheMeter::CacheMeter(const Statistics& statistics, DB* db)
    : statistics_(statistics), db_(db), before_(Counts()) {}

CacheReport CacheMeter::Counts() const {
  const auto count = [this](Counter counter) { return statistics_.Get(counter); };
  CacheReport now;
  now.hits.hits = count(Counter::kGetHits);
  now.hits.misses = count(Counter::kGetMisses);
  now.hits.hit_bytes = count(Counter::kGetBytes) + count(Counter::kGetHitKeyBytes);
  now.hits.written_entries = count(Counter::kWriteEntries);
  now.hits.written_bytes = count(Counter::kWriteBytes);
  for (size_t i = 0; i < kMissReasons; ++i) {
    now.misses[i] = count(CounterOf(static_cast<MissReason>(i)));
  }
  now.given_bytes = count(Counter::kWriteBytes);
  now.log_bytes = count(Counter::kWalBytes);
  now.file_bytes = count(Counter::kFlushBytes) + count(Counter::kCompactionBytesWritten) +
                   count(Counter::kSalvagedBytes) + count(Counter::kGhostBytesWritten) +
                   count(Counter::kManifestBytes);
  now.evicted_bytes = count(Counter::kEvictedBytes);
  now.expired_bytes = count(Counter::kExpiredBytes);
  return now;
}

CacheReport CacheMeter::Measure(uint64_t capacity_bytes) const {
  CacheReport report = Counts();
  report.hits = report.hits.Since(before_.hits);
  for (size_t i = 0; i < kMissReasons; ++i) report.misses[i] -= before_.misses[i];
  report.given_bytes -= before_.given_bytes;
  report.log_bytes -= before_.log_bytes;
  report.file_bytes -= before_.file_bytes;
  report.evicted_bytes -= before_.evicted_bytes;
  report.expired_bytes -= before_.expired_bytes;
  report.capacity_bytes = capacity_bytes;
  if (!db_->GetIntProperty("varve.live-bytes", &report.used_bytes)) report.used_bytes = 0;
  return report;
}

std::string CacheText(const CacheReport& report) {
  std::string text =
      Format("  capacity      %15s   %s used (%.1f %%); evicted %s, expired %s\n",
             Human(report.capacity_bytes).c_str(), Human(report.used_bytes).c_str(),
             100 * Amplification(report.used_bytes, report.capacity_bytes),
             Human(report.evicted_bytes).c_str(), Human(report.expired_bytes).c_str());
  if (report.hits.gets() != 0) {
    text += Format("  hit ratio     %15s   of %s gets; %s of their bytes\n",
                   RatioText(HitRatio(report.hits)).c_str(), WithCommas(report.hits.gets()).c_str(),
                   RatioText(ByteHitRatio(report.hits, {})).c_str());
  }
  for (size_t i = 0; i < kMissReasons; ++i) {
    if (report.misses[i] == 0) continue;
    const MissReason reason = static_cast<MissReason>(i);
    text += Format("    %-11s %15s   misses: %s\n", MissReasonName(reason),
                   WithCommas(report.misses[i]).c_str(), MissReasonText(reason));
  }
  if (report.given_bytes != 0) {
    text += Format("  write amplification %9s   log included, %s without; of %s given\n",
                   RatioText(report.write_amplification()).c_str(),
                   RatioText(report.write_amplification_without_log()).c_str(),
                   Human(report.given_bytes).c_str());
  }
  return text;
}

void AddCache(const CacheReport& report, JsonObject* json) {
  json->Add("cache_capacity_bytes", report.capacity_bytes);
  json->Add("used_bytes", report.used_bytes);
  json->Add("evicted_bytes", report.evicted_bytes);
  json->Add("expired_bytes", report.expired_bytes);
  json->Add("hit_ratio", HitRatio(report.hits));
  json->Add("byte_hit_ratio", ByteHitRatio(report.hits, {}));
  for (size_t i = 0; i < kMissReasons; ++i) {
    const std::string name = std::string("miss_") + MissReasonName(static_cast<MissReason>(i));
    json->Add(name.c_str(), report.misses[i]);
  }
  json->Add("write_amplification_with_log", report.write_amplification());
  json->Add("write_amplification_without_log", report.write_amplification_without_log());
}

}  // namespace varve::bench
