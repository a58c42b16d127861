#ifndef VARVE_DB_PROMETHEUS_H_
#define VARVE_DB_PROMETHEUS_H_

#include <cstdint>
#include <string>

#include "varve/slice.h"
#include "varve/statistics.h"

namespace varve {

// Metrics in Prometheus' text exposition format, version 0.0.4: for each its HELP and TYPE, then
// its samples, all with the label db. One text is a whole exposition of one database: two of them
// joined would name each metric twice.
class PrometheusText {
 public:
  // `database` tells it from others that are scraped.
  explicit PrometheusText(Slice database);

  // `name` without its prefix "varve_". What is not of a metric's name becomes "_". `help` is one
  // line.
  void AddGauge(Slice name, Slice help, double value);
  void AddGauge(Slice name, Slice help, uint64_t value);
  // As "<name>_total".
  void AddCounter(Slice name, Slice help, uint64_t value);
  // All counters, and as summaries the latencies, where they are taken. Times are in seconds.
  void AddStatistics(const Statistics& statistics);

  const std::string& text() const { return text_; }

 private:
  void AddSeconds(Slice name, Slice help, double seconds);
  void AddLatency(const Statistics& statistics, Latency latency);
  // The name as it stands in the samples.
  std::string Begin(Slice name, Slice help, const char* type);
  void Sample(const std::string& name, const std::string& more_labels, const std::string& value);

  const std::string label_;  // db="…"
  std::string text_;
};

}  // namespace varve

#endif  // VARVE_DB_PROMETHEUS_H_
