#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/wal/wal_test_util.h"
#include "wal/log_format.h"

// tests/golden/wal-v1.hex holds two logs of format version 1. Later builds must write the same
// bytes as long as they write version 1, and read them for ever.
//
// Its lines: `file <name> <bytes>`, then `<offset> <up to 16 bytes in hex>` for each line of 16
// bytes that is not all zero.

namespace varve {
namespace {

constexpr char kGoldenPath[] = "tests/golden/wal-v1.hex";

std::string ToText(const std::map<std::string, std::string>& files) {
  std::string text;
  char word[32];
  for (const auto& [name, bytes] : files) {
    text += "file " + name + " " + std::to_string(bytes.size()) + "\n";
    for (size_t at = 0; at < bytes.size(); at += 16) {
      const std::string line = bytes.substr(at, 16);
      if (line.find_first_not_of('\0') == std::string::npos) continue;
      std::snprintf(word, sizeof(word), "%06zx", at);
      text += word;
      for (char byte : line) {
        std::snprintf(word, sizeof(word), " %02x", static_cast<unsigned char>(byte));
        text += word;
      }
      text += "\n";
    }
  }
  return text;
}

std::map<std::string, std::string> FromText(const std::string& text) {
  std::map<std::string, std::string> files;
  std::string* file = nullptr;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (line.rfind("file ", 0) == 0) {
      std::string name;
      size_t size = 0;
      words >> name >> name >> size;
      file = &files[name];
      file->assign(size, '\0');
      continue;
    }
    size_t at = 0;
    unsigned byte = 0;
    words >> std::hex >> at;
    while (file != nullptr && words >> byte) file->at(at++) = static_cast<char>(byte);
  }
  return files;
}

class LogGoldenTest : public WalTest {
 protected:
  LogGoldenTest() {
    std::ifstream in(kGoldenPath);
    EXPECT_TRUE(in.good()) << kGoldenPath;
    golden_.assign(std::istreambuf_iterator<char>(in), {});
  }

  std::string golden_;
};

TEST_F(LogGoldenTest, TheWriterWritesVersion1) {
  options_.log_bytes = 4 * wal::kBlockBytes;
  Reopen();
  Switch(12);
  Append("first");
  Append("");
  Sync(wal_->end());
  Append("a block later");
  Switch(14);
  Append("second log");
  Sync(wal_->end());
  Append("it knows that the one before is durable");
  const std::string text =
      ToText({{"000012.log", ReadFile(Path(12))}, {"000014.log", ReadFile(Path(14))}});
  EXPECT_TRUE(text == golden_) << text;
}

TEST_F(LogGoldenTest, TheReaderReadsVersion1) {
  for (const auto& [name, bytes] : FromText(golden_)) WriteFile(File(name), bytes);
  ASSERT_TRUE(Replay().ok());
  EXPECT_EQ(sink_.payloads, (std::vector<std::string>{"first", "", "a block later", "second log",
                                                      "it knows that the one before is durable"}));
  EXPECT_EQ(result_.end, (LogPosition{14, 12288 + 72}));
  EXPECT_EQ(result_.known_durable, (LogPosition{14, 8192 + 48}));
  EXPECT_EQ(sink_.logs, (std::vector<FileNumber>{12, 14}));
  EXPECT_FALSE(result_.cut);
}

}  // namespace
}  // namespace varve
