// The exposition of all metrics, read back as a scraper would.

#include "db/prometheus.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "tests/db/prometheus_parser.h"
#include "varve/statistics.h"

namespace varve {
namespace {

TEST(PrometheusParser, RefusesWhatAScraperDoes) {
  const auto parse = [](const std::string& text) { return PrometheusParser().Parse(text); };
  const std::string head = "# HELP a_total x\n# TYPE a_total counter\n";
  EXPECT_EQ(parse(head + "a_total{db=\"x\"} 1\n"), "");
  EXPECT_NE(parse(head + "a_total{db=\"x\"} 1"), "");
  EXPECT_NE(parse(head), "");
  EXPECT_NE(parse("a_total{db=\"x\"} 1\n"), "");
  EXPECT_NE(parse(head + "a_total{db=\"x\"} 1\na_total{db=\"x\"} 2\n"), "");
  EXPECT_NE(parse(head + head + "a_total{db=\"x\"} 1\n"), "");
  EXPECT_NE(parse(head + "a_total{db=\"x\"y\"} 1\n"), "");
  EXPECT_NE(parse(head + "a_total{db=\"x\\\"} 1\n"), "");
  EXPECT_NE(parse(head + "a_total{d-b=\"x\"} 1\n"), "");
  EXPECT_NE(parse(head + "a_total{db=\"x\"} one\n"), "");
  EXPECT_NE(parse(head + "b_total{db=\"x\"} 1\n"), "");
  EXPECT_NE(parse("# HELP a x\n# TYPE a counter\na 1\n"), "");
  EXPECT_NE(parse("# HELP a x\n# TYPE a histogramme\na 1\n"), "");
}

TEST(Prometheus, HasEveryCounterAndLatencyOnce) {
  const auto statistics = Statistics::Create(/*latencies=*/true);
  for (uint32_t i = 0; i < static_cast<uint32_t>(Counter::kCounterCount); ++i) {
    statistics->Add(static_cast<Counter>(i), 1000 + i);
  }
  statistics->Record(Latency::kGet, 2'000'000);
  PrometheusText text("/data/cache");
  text.AddStatistics(*statistics);
  PrometheusParser parser;
  ASSERT_EQ(parser.Parse(text.text()), "") << text.text();
  EXPECT_EQ(parser.families.size(), static_cast<size_t>(Counter::kCounterCount) +
                                        static_cast<size_t>(Latency::kLatencyCount));
  for (uint32_t i = 0; i < static_cast<uint32_t>(Counter::kCounterCount); ++i) {
    std::string name = CounterName(static_cast<Counter>(i));
    double value = 1000 + i;
    if (name.ends_with("_micros")) {
      name = name.substr(0, name.size() - 6) + "seconds";
      value *= 1e-6;
    }
    EXPECT_DOUBLE_EQ(parser.samples.at("varve_" + name + "_total{db=\"/data/cache\"}"), value);
  }
  EXPECT_EQ(parser.samples.at("varve_get_seconds_count{db=\"/data/cache\"}"), 1);
  EXPECT_DOUBLE_EQ(parser.samples.at("varve_get_seconds_sum{db=\"/data/cache\"}"), 0.002);
  EXPECT_NEAR(parser.samples.at("varve_get_seconds{db=\"/data/cache\",quantile=\"0.99\"}"), 0.002,
              0.00004);
  // Nothing was measured: there is no quantile of it.
  EXPECT_TRUE(
      std::isnan(parser.samples.at("varve_flush_seconds{db=\"/data/cache\",quantile=\"0.5\"}")));
}

TEST(Prometheus, LatenciesThatAreNotTakenAreNotShown) {
  const auto statistics = Statistics::Create(/*latencies=*/false);
  PrometheusText text("x");
  text.AddStatistics(*statistics);
  PrometheusParser parser;
  ASSERT_EQ(parser.Parse(text.text()), "");
  EXPECT_EQ(parser.families.size(), static_cast<size_t>(Counter::kCounterCount));
}

TEST(Prometheus, EscapesLabelsAndHelp) {
  const std::string path = "a\"b\\c\nd";
  PrometheusText text(path);
  text.AddGauge("odd-name.of things", "two\nlines and a \\", uint64_t{7});
  text.AddGauge("not-a-number", "x", NAN);
  text.AddGauge("large", "x", uint64_t{UINT64_MAX});
  EXPECT_NE(text.text().find("varve_odd_name_of_things{db=\"a\\\"b\\\\c\\nd\"} 7\n"),
            std::string::npos)
      << text.text();
  EXPECT_NE(text.text().find("# HELP varve_odd_name_of_things two\\nlines and a \\\\\n"),
            std::string::npos);
  EXPECT_NE(text.text().find("} NaN\n"), std::string::npos);
  EXPECT_NE(text.text().find("} 18446744073709551615\n"), std::string::npos);
  PrometheusParser parser;
  ASSERT_EQ(parser.Parse(text.text()), "");
  for (const auto& [name, labels] : parser.labels) EXPECT_EQ(labels.at("db"), path) << name;
}

}  // namespace
}  // namespace varve
