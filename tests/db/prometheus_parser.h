#ifndef VARVE_TESTS_DB_PROMETHEUS_PARSER_H_
#define VARVE_TESTS_DB_PROMETHEUS_PARSER_H_

#include <cctype>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace varve {

// Reads Prometheus' text exposition format 0.0.4 as its documentation describes it, and refuses
// what a scraper might not take.
class PrometheusParser {
 public:
  struct Family {
    std::string help;
    std::string type;
    bool sampled = false;
  };

  // Empty, or what is wrong first.
  std::string Parse(const std::string& text) {
    if (text.empty() || text.back() != '\n') return "the last line has no end";
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const std::string wrong = line.starts_with('#') ? Comment(line) : Sample(line);
      if (!wrong.empty()) return wrong + ": " + line;
    }
    for (const auto& [name, family] : families) {
      if (family.type.empty() || family.help.empty()) return name + " has no TYPE or no HELP";
      if (!family.sampled) return name + " has no sample";
    }
    return "";
  }

  // By the name and labels as they stand, sorted: `varve_gets_total{db="x"}`.
  std::map<std::string, double> samples;
  std::map<std::string, std::map<std::string, std::string>> labels;  // unescaped
  std::map<std::string, Family> families;

 private:
  static bool ValidName(const std::string& name, bool colons) {
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) return false;
    for (const char c : name) {
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && !(colons && c == ':')) {
        return false;
      }
    }
    return true;
  }

  std::string Comment(const std::string& line) {
    std::istringstream words(line);
    std::string hash, keyword, name, rest;
    words >> hash >> keyword >> name;
    std::getline(words, rest);
    if (!rest.empty()) rest.erase(0, 1);
    if (hash != "#" || (keyword != "HELP" && keyword != "TYPE")) return "neither HELP nor TYPE";
    if (!ValidName(name, true)) return "no name of a metric";
    Family& family = families[name];
    if (family.sampled) return "after samples of the metric";
    if (keyword == "HELP") {
      if (!family.help.empty()) return "a second HELP";
      for (size_t i = 0; i < rest.size(); ++i) {
        if (rest[i] != '\\') continue;
        if (++i == rest.size() || (rest[i] != '\\' && rest[i] != 'n')) return "a bad escape";
      }
      family.help = rest;
    } else {
      if (!family.type.empty()) return "a second TYPE";
      if (rest != "counter" && rest != "gauge" && rest != "summary") return "no type";
      family.type = rest;
      current_ = name;
    }
    return "";
  }

  std::string Sample(const std::string& line) {
    size_t at = line.find_first_of("{ ");
    if (at == std::string::npos) return "no value";
    const std::string name = line.substr(0, at);
    if (!ValidName(name, true)) return "no name of a metric";
    std::map<std::string, std::string> found;
    if (line[at] == '{') {
      const std::string wrong = Labels(line, &at, &found);
      if (!wrong.empty()) return wrong;
    }
    if (at >= line.size() || line[at] != ' ') return "no space before the value";
    const std::string number = line.substr(at + 1);
    double value = 0;
    size_t used = 0;
    try {
      value = std::stod(number, &used);
    } catch (const std::exception&) {
      return "no number";
    }
    if (used != number.size()) return "something behind the number";

    const auto family = families.find(current_);
    if (family == families.end()) return "no TYPE before it";
    const bool summary = family->second.type == "summary";
    const bool part = summary && (name == current_ + "_sum" || name == current_ + "_count");
    if (name != current_ && !part) return "not of the metric before it, " + current_;
    if (summary && !part && !found.contains("quantile")) return "no quantile";
    if (family->second.type == "counter" && !name.ends_with("_total")) return "no _total";
    if (family->second.type == "counter" && !(value >= 0)) return "a counter below 0";
    family->second.sampled = true;
    std::string key = name + "{";
    for (const auto& [label, label_value] : found) key += label + "=\"" + label_value + "\",";
    if (key.back() == ',') key.pop_back();
    key += "}";
    if (!samples.emplace(key, value).second) return "a second sample of the series";
    labels[key] = found;
    return "";
  }

  static std::string Labels(const std::string& line, size_t* at,
                            std::map<std::string, std::string>* found) {
    for (++*at; *at < line.size() && line[*at] != '}';) {
      const size_t equals = line.find('=', *at);
      if (equals == std::string::npos) return "a label without a value";
      const std::string label = line.substr(*at, equals - *at);
      if (!ValidName(label, false)) return "no name of a label";
      if (equals + 1 >= line.size() || line[equals + 1] != '"') return "a value without quotes";
      std::string value;
      size_t i = equals + 2;
      for (; i < line.size() && line[i] != '"'; ++i) {
        if (line[i] != '\\') {
          value += line[i];
          continue;
        }
        if (++i == line.size()) return "a bad escape";
        if (line[i] != 'n' && line[i] != '\\' && line[i] != '"') return "a bad escape";
        value += line[i] == 'n' ? '\n' : line[i];
      }
      if (i >= line.size()) return "a label without an end";
      if (!found->emplace(label, value).second) return "a label twice";
      *at = i + 1;
      if (*at < line.size() && line[*at] == ',') ++*at;
    }
    if (*at >= line.size()) return "labels without an end";
    ++*at;
    return "";
  }

  std::string current_;
};

}  // namespace varve

#endif  // VARVE_TESTS_DB_PROMETHEUS_PARSER_H_
