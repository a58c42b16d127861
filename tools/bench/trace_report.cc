#include "tools/bench/trace_report.h"

#include <cmath>
#include <limits>

#include "tools/bench/text_format.h"

namespace varve::bench {
namespace {

std::string RatioText(double ratio) { return std::isnan(ratio) ? "-" : Format("%.4f", ratio); }

double Micros(uint64_t nanos) { return static_cast<double>(nanos) * 1e-3; }

std::string LatencyText(const char* name, const HistogramData& nanos) {
  if (nanos.count == 0) return "";
  return Format("  %-9s p50 %8.2f us   p99 %8.2f us   p99.9 %8.2f us   max %10.2f us\n", name,
                Micros(nanos.median), Micros(nanos.p99), Micros(nanos.p999), Micros(nanos.maximum));
}

void AddLatency(const std::string& name, const HistogramData& nanos, JsonObject* json) {
  json->Add((name + "_p50_us").c_str(), Micros(nanos.median));
  json->Add((name + "_p99_us").c_str(), Micros(nanos.p99));
  json->Add((name + "_p999_us").c_str(), Micros(nanos.p999));
  json->Add((name + "_max_us").c_str(), Micros(nanos.maximum));
}

std::string CountLine(const char* name, uint64_t count, const char* meaning) {
  if (count == 0) return "";
  return Format("    %-11s %15s   %s\n", name, WithCommas(count).c_str(), meaning);
}

}  // namespace

double TraceResult::write_amplification() const {
  if (counts.written_bytes == 0) return std::numeric_limits<double>::quiet_NaN();
  const uint64_t written =
      wal_bytes + flush_bytes + compaction_bytes + ghost_bytes + manifest_bytes;
  return static_cast<double>(written) / static_cast<double>(counts.written_bytes);
}

std::string TraceText(const TraceResult& result) {
  const TraceCounts& c = result.counts;
  std::string text = "  " + result.source + "\n";
  text += Format("  requests      %15s   %s gets, %s puts, %s deletes\n",
                 WithCommas(c.requests()).c_str(), WithCommas(c.gets).c_str(),
                 WithCommas(c.puts).c_str(), WithCommas(c.deletes).c_str());
  text += Format("  hits          %15s   %s\n", WithCommas(c.hits).c_str(),
                 HumanBytes(static_cast<double>(c.hit_bytes)).c_str());
  text += Format("  misses        %15s   %s\n", WithCommas(c.misses).c_str(),
                 HumanBytes(static_cast<double>(c.miss_bytes)).c_str());
  text += CountLine("first", c.first, "of them on keys never written before");
  text += CountLine("expired", c.expired, "of them past their time to live");
  text += CountLine("deleted", c.deleted, "of them on keys that were deleted last");
  text += CountLine("evicted", c.evicted, "of them on keys that the cache let go");
  text += CountLine("refused", c.refused, "of them on keys that the cache did not take");
  text += CountLine("masked", c.masked, "of the first, false positives of ghosts");
  text += CountLine("unexplained", c.unexplained, "of them without one reason: A DEFECT");
  text += CountLine("lost", c.lost, "of them on keys that should be there: A DEFECT");
  text += CountLine("wrong", c.wrong, "values that were not the ones written last: A DEFECT");
  text += Format("  miss ratio    %15s   of the gets; %s of their bytes\n",
                 RatioText(c.miss_ratio()).c_str(), RatioText(c.byte_miss_ratio()).c_str());
  text += Format("  throughput    %15s   requests a second, for %.3f s\n",
                 WithCommas(static_cast<uint64_t>(c.requests_per_second())).c_str(), c.seconds);
  text += LatencyText("get", result.gets) + LatencyText("put", result.puts);
  text += Format(
      "  written       %15s   by the requests; the engine wrote %s to logs, %s to\n"
      "  %29s   segments by flushes, %s by merges, %s to ghosts, %s to the manifest;\n"
      "  %29s   the last flush took %.3f s\n",
      HumanBytes(static_cast<double>(c.written_bytes)).c_str(),
      HumanBytes(static_cast<double>(result.wal_bytes)).c_str(),
      HumanBytes(static_cast<double>(result.flush_bytes)).c_str(), "",
      HumanBytes(static_cast<double>(result.compaction_bytes)).c_str(),
      HumanBytes(static_cast<double>(result.ghost_bytes)).c_str(),
      HumanBytes(static_cast<double>(result.manifest_bytes)).c_str(), "", result.flush_seconds);
  text += Format("  write amplification %9s   log included\n",
                 RatioText(result.write_amplification()).c_str());
  text += Format("  space         %15s   at most, %s at the end\n",
                 HumanBytes(static_cast<double>(result.disk_bytes_max)).c_str(),
                 HumanBytes(static_cast<double>(result.disk_bytes_end)).c_str());
  if (result.capacity_bytes != 0) {
    text += Format("  capacity      %15s   %ssegments and ghosts took %s at most\n",
                   HumanBytes(static_cast<double>(result.capacity_bytes)).c_str(),
                   result.over_capacity() ? "PASSED: A DEFECT; " : "",
                   HumanBytes(static_cast<double>(result.data_bytes_max)).c_str());
  }
  text += Format("  memory        %15s   at most, the program's own included; the budget is %s\n",
                 HumanBytes(static_cast<double>(result.memory_peak_bytes)).c_str(),
                 HumanBytes(static_cast<double>(result.memory_budget_bytes)).c_str());
  return text;
}

void AddTrace(const TraceResult& result, JsonObject* json) {
  const TraceCounts& c = result.counts;
  json->Add("benchmark", "trace");
  json->Add("source", Slice(result.source));
  json->Add("requests", c.requests());
  json->Add("gets", c.gets);
  json->Add("puts", c.puts);
  json->Add("deletes", c.deletes);
  json->Add("hits", c.hits);
  json->Add("misses", c.misses);
  json->Add("misses_first", c.first);
  json->Add("misses_expired", c.expired);
  json->Add("misses_deleted", c.deleted);
  json->Add("misses_evicted", c.evicted);
  json->Add("misses_refused", c.refused);
  json->Add("misses_masked", c.masked);
  json->Add("misses_unexplained", c.unexplained);
  json->Add("misses_lost", c.lost);
  json->Add("wrong_values", c.wrong);
  json->Add("miss_ratio", c.miss_ratio());
  json->Add("byte_miss_ratio", c.byte_miss_ratio());
  json->Add("seconds", c.seconds);
  json->Add("ops_per_sec", c.requests_per_second());
  AddLatency("get", result.gets, json);
  AddLatency("put", result.puts, json);
  json->Add("user_bytes_written", c.written_bytes);
  json->Add("wal_bytes", result.wal_bytes);
  json->Add("flush_bytes", result.flush_bytes);
  json->Add("compaction_bytes", result.compaction_bytes);
  json->Add("ghost_bytes", result.ghost_bytes);
  json->Add("manifest_bytes", result.manifest_bytes);
  json->Add("write_amplification", result.write_amplification());
  json->Add("disk_bytes_max", result.disk_bytes_max);
  json->Add("disk_bytes_end", result.disk_bytes_end);
  json->Add("data_bytes_max", result.data_bytes_max);
  json->Add("capacity_bytes", result.capacity_bytes);
  json->Add("memory_budget_bytes", result.memory_budget_bytes);
  json->Add("memory_peak_bytes", result.memory_peak_bytes);
}

std::string TraceFailure(const TraceResult& result) {
  return Format(
      "the database answered wrongly: %s values were not the ones written last, %s keys "
      "were lost, %s misses had no reason%s",
      WithCommas(result.counts.wrong).c_str(), WithCommas(result.counts.lost).c_str(),
      WithCommas(result.counts.unexplained).c_str(),
      result.over_capacity() ? "; its files passed the capacity" : "");
}

}  // namespace varve::bench
