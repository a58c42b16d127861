#include "wal/log_dump.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/wal/wal_test_util.h"
#include "util/filename.h"
#include "wal/log_format.h"

namespace varve {
namespace {

using wal::kBlockBytes;
using wal::kDataOffset;
using wal::RecordBytes;

// One line an event.
class TextDump final : public wal::LogDumpSink {
 public:
  void OnHeader(uint64_t offset, const wal::HeaderCopy& copy) override {
    lines.push_back("header " + std::to_string(offset) +
                    (copy.good ? " of log " + std::to_string(copy.header.number) : " damaged"));
  }
  void OnRecord(uint64_t offset, const wal::RecordHeader& header, Slice payload,
                const std::string& damage) override {
    lines.push_back("record " + std::to_string(offset) + " of " +
                    std::to_string(header.payload_bytes) + " after " + header.prev.ToString() +
                    " durable " + header.durable.ToString() + " " +
                    (damage.empty() ? std::string(payload) : "damaged"));
  }
  void OnGap(uint64_t from, uint64_t to, bool all_zero, const std::string& why) override {
    EXPECT_FALSE(why.empty());
    lines.push_back("gap " + std::to_string(from) + " to " + std::to_string(to) +
                    (all_zero ? " zero" : ""));
  }

  std::vector<std::string> lines;
};

class LogDumpTest : public WalTest {
 protected:
  LogDumpTest() {
    options_.log_bytes = 5 * kBlockBytes;
    Reopen();
    Switch(7);
    Append("one");
    Append("two");
    Sync(wal_->end());
    Append("three");
    Append("four");
  }

  std::vector<std::string> Dump(const std::string& path) {
    TextDump dump;
    const Status status = DumpLog(env_.file_system.get(), path, &dump);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return dump.lines;
  }

  std::vector<std::string> Whole() const {
    return {"header 0 of log 7",
            "header 4096 of log 7",
            "record 8192 of 3 after 0:0 durable 0:0 one",
            "record 8232 of 3 after 7:8232 durable 0:0 two",
            "record 12288 of 5 after 7:8272 durable 7:8272 three",
            "record 12328 of 4 after 7:12328 durable 7:8272 four",
            "gap 12368 to 20480 zero"};
  }
};

TEST_F(LogDumpTest, ShowsHeadersRecordsAndTheUnusedEnd) { EXPECT_EQ(Dump(Path(7)), Whole()); }

TEST_F(LogDumpTest, TakesAFileOfAnyName) {
  const std::string copy = File("copy of a log");
  WriteFile(copy, ReadFile(Path(7)));
  EXPECT_EQ(Dump(copy), Whole());
}

TEST_F(LogDumpTest, ShowsWhatStandsBehindDamage) {
  Overwrite(Path(7), 0, "x");
  Overwrite(Path(7), kDataOffset + 33, "x");  // the payload of the first
  Overwrite(Path(7), 12288, "xyz");           // the header of the third
  EXPECT_EQ(Dump(Path(7)),
            (std::vector<std::string>{
                "header 0 damaged", "header 4096 of log 7",
                "record 8192 of 3 after 0:0 durable 0:0 damaged",
                "record 8232 of 3 after 7:8232 durable 0:0 two", "gap 8272 to 12328",
                "record 12328 of 4 after 7:12328 durable 7:8272 four", "gap 12368 to 20480 zero"}));
}

TEST_F(LogDumpTest, ShowsAFileThatIsNoLogAsOneGap) {
  WriteFile(File("other"), std::string(10000, 'x'));
  EXPECT_EQ(
      Dump(File("other")),
      (std::vector<std::string>{"header 0 damaged", "header 4096 damaged", "gap 8192 to 10000"}));
  WriteFile(File("empty"), "");
  EXPECT_EQ(Dump(File("empty")),
            (std::vector<std::string>{"header 0 damaged", "header 4096 damaged"}));
}

TEST_F(LogDumpTest, ALogOfANewerVersionIsShownAsFarAsItsHeaders) {
  wal::LogHeader header;
  header.number = 8;
  header.capacity = 5 * kBlockBytes;
  header.incompat = 4;
  std::string bytes = EncodeLogHeader(header);
  bytes.resize(kBlockBytes, '\0');
  WriteFile(Path(8), bytes + bytes + std::string(kBlockBytes, '\0'));
  TextDump dump;
  const Status status = DumpLog(env_.file_system.get(), Path(8), &dump);
  EXPECT_TRUE(status.IsNotSupported()) << status.ToString();
  EXPECT_NE(status.message().find(Path(8)), std::string::npos);
  EXPECT_EQ(dump.lines, (std::vector<std::string>{"header 0 of log 8", "header 4096 of log 8"}));
  // One that only a writer must know is no hindrance.
  header.incompat = 0;
  header.read_only_compat = 1;
  bytes = EncodeLogHeader(header);
  bytes.resize(kBlockBytes, '\0');
  WriteFile(Path(8), bytes + bytes + std::string(kBlockBytes, '\0'));
  EXPECT_EQ(Dump(Path(8)).back(), "gap 8192 to 12288 zero");
}

TEST_F(LogDumpTest, AMissingFileIsAnError) {
  TextDump dump;
  EXPECT_TRUE(DumpLog(env_.file_system.get(), Path(99), &dump).IsNotFound());
}

}  // namespace
}  // namespace varve
