#include "db/prometheus.h"

#include <cmath>
#include <cstdio>

namespace varve {

namespace {

// Within quotes a line feed, a quote and a backslash are escaped; in a HELP the quote is not.
std::string Escaped(Slice text, bool quoted) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\\' || (quoted && c == '"')) {
      escaped += {'\\', c};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string MetricName(Slice name) {
  std::string metric = "varve_";
  for (const char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    metric += fits ? c : '_';
  }
  return metric;
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[40];
  std::snprintf(text, sizeof(text), "%.12g", value);
  return text;
}

// Takes `suffix` off the end of *name; false if it is not there.
bool TakeSuffix(Slice suffix, Slice* name) {
  if (!name->ends_with(suffix)) return false;
  name->remove_suffix(suffix.size());
  return true;
}

}  // namespace

PrometheusText::PrometheusText(Slice database)
    : label_("db=\"" + Escaped(database, /*quoted=*/true) + "\"") {}

std::string PrometheusText::Begin(Slice name, Slice help, const char* type) {
  std::string metric = MetricName(name);
  text_ += "# HELP " + metric + " " + Escaped(help, /*quoted=*/false) + "\n";
  text_ += "# TYPE " + metric + " " + type + "\n";
  return metric;
}

void PrometheusText::Sample(const std::string& name, const std::string& more_labels,
                            const std::string& value) {
  text_ += name + "{" + label_ + more_labels + "} " + value + "\n";
}

void PrometheusText::AddGauge(Slice name, Slice help, double value) {
  const std::string metric = Begin(name, help, "gauge");
  Sample(metric, "", NumberText(value));
}

void PrometheusText::AddGauge(Slice name, Slice help, uint64_t value) {
  const std::string metric = Begin(name, help, "gauge");
  Sample(metric, "", std::to_string(value));
}

void PrometheusText::AddCounter(Slice name, Slice help, uint64_t value) {
  const std::string metric = Begin(std::string(name) + "_total", help, "counter");
  Sample(metric, "", std::to_string(value));
}

void PrometheusText::AddSeconds(Slice name, Slice help, double seconds) {
  const std::string metric = Begin(std::string(name) + "_seconds_total", help, "counter");
  Sample(metric, "", NumberText(seconds));
}

void PrometheusText::AddLatency(const Statistics& statistics, Latency latency) {
  const HistogramData data = statistics.GetHistogram(latency);
  const struct {
    const char* quantile;
    uint64_t nanos;
  } quantiles[] = {
      {"0.5", data.median}, {"0.95", data.p95}, {"0.99", data.p99}, {"0.999", data.p999}};
  Slice name = LatencyName(latency);
  TakeSuffix("_nanos", &name);
  const std::string metric = Begin(std::string(name) + "_seconds", LatencyHelp(latency), "summary");
  for (const auto& q : quantiles) {
    const double seconds = data.count == 0 ? NAN : static_cast<double>(q.nanos) * 1e-9;
    Sample(metric, std::string(",quantile=\"") + q.quantile + "\"", NumberText(seconds));
  }
  Sample(metric + "_sum", "", NumberText(data.average * static_cast<double>(data.count) * 1e-9));
  Sample(metric + "_count", "", std::to_string(data.count));
}

void PrometheusText::AddStatistics(const Statistics& statistics) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(Counter::kCounterCount); ++i) {
    const Counter counter = static_cast<Counter>(i);
    Slice name = CounterName(counter);
    if (TakeSuffix("_micros", &name)) {
      AddSeconds(name, CounterHelp(counter), static_cast<double>(statistics.Get(counter)) * 1e-6);
    } else {
      AddCounter(name, CounterHelp(counter), statistics.Get(counter));
    }
  }
  if (!statistics.latencies_enabled()) return;
  for (uint32_t i = 0; i < static_cast<uint32_t>(Latency::kLatencyCount); ++i) {
    AddLatency(statistics, static_cast<Latency>(i));
  }
}

}  // namespace varve
