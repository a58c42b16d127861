// Traces come in as CSV, gzipped or not, and whatever is wrong with one is said with file and line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdio>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/bench/trace_reader.h"
#include "varve/write_batch.h"

namespace varve::bench {
namespace {

using ::testing::HasSubstr;

std::string Gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(Z_OK, deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY));
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(Z_STREAM_END, deflate(&stream, Z_FINISH));
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

class TraceReaderTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes) {
    const std::string path = dir_.File("trace.csv");
    std::FILE* file = std::fopen(path.c_str(), "wb");
    EXPECT_EQ(bytes.size(), std::fwrite(bytes.data(), 1, bytes.size(), file));
    EXPECT_EQ(0, std::fclose(file));
    return path;
  }

  // All requests as "op key size", and the status that ended them.
  std::vector<std::string> Read(const std::string& path, Status* status) {
    std::vector<std::string> requests;
    std::unique_ptr<RequestSource> source;
    *status = TraceReader::Open(path, &source);
    bool end = !status->ok();
    while (!end) {
      Request request;
      *status = source->Next(&request, &end);
      if (!status->ok() || end) break;
      static constexpr const char* kNames[] = {"get", "put", "delete"};
      requests.push_back(std::string(kNames[static_cast<int>(request.op)]) + " " +
                         std::string(request.key) + " " + std::to_string(request.value_bytes));
    }
    return requests;
  }

  TempDir dir_;
};

TEST_F(TraceReaderTest, ReadsAllOperations) {
  Status status;
  EXPECT_EQ(Read(Write("get,1,0\nput,a b,12\nset,2,7\ndelete,1,0\n"), &status),
            (std::vector<std::string>{"get 1 0", "put a b 12", "put 2 7", "delete 1 0"}));
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(TraceReaderTest, HeaderLineEndsAndMissingSizesAreOptional) {
  Status status;
  const std::vector<std::string> expected = {"get k 5", "get l 0", "get m 0"};
  EXPECT_EQ(Read(Write("op,key,size\nget,k,5\n\nget,l\nget,m,"), &status), expected);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Read(Write("get,k,5\r\nget,l\r\n\r\nget,m,\r\n"), &status), expected);
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_F(TraceReaderTest, ReadsGzipBeyondOneBuffer) {
  std::string text = "op,key,size\n";
  for (int i = 0; i < 200000; ++i) text += "get,key-" + std::to_string(i) + ",9\n";
  Status status;
  const std::vector<std::string> requests = Read(Write(Gzip(text)), &status);
  EXPECT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(requests.size(), 200000u);
  EXPECT_EQ(requests[0], "get key-0 9");
  EXPECT_EQ(requests[123456], "get key-123456 9");
  EXPECT_EQ(requests[199999], "get key-199999 9");
}

TEST_F(TraceReaderTest, ProgressGrowsToOne) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "get," + std::to_string(i * 7919) + ",9\n";
  std::unique_ptr<RequestSource> source;
  ASSERT_TRUE(TraceReader::Open(Write(Gzip(text)), &source).ok());
  double previous = 0;
  Request request;
  for (bool end = false; !end;) {
    ASSERT_TRUE(source->Next(&request, &end).ok());
    EXPECT_GE(source->Progress(), previous);
    previous = source->Progress();
  }
  EXPECT_NEAR(previous, 1, 0.01);
}

TEST_F(TraceReaderTest, BadLinesNameFileAndLine) {
  const struct {
    const char* line;
    const char* complaint;
  } kBad[] = {
      {"got,1,0", "unknown operation \"got\""},
      {"op,key,size", "unknown operation \"op\""},
      {"get", "no key"},
      {"get,,5", "no key"},
      {"get,1,x", "size \"x\" is no number"},
      {"get,1,-5", "size \"-5\" is no number"},
      {"get,1,5 ", "is no number"},
      {"get,1,4294967296", "above the limit"},
      {"get,1,99999999999999999999", "is no number"},
      {"get,1,5,6", "more than three fields"},
  };
  for (const auto& bad : kBad) {
    Status status;
    const std::string path = Write("get,1,0\n" + std::string(bad.line) + "\nget,2,0\n");
    EXPECT_EQ(Read(path, &status).size(), 1u) << bad.line;
    EXPECT_TRUE(status.IsInvalidArgument()) << bad.line;
    EXPECT_THAT(status.ToString(), HasSubstr(path + ":2: ")) << bad.line;
    EXPECT_THAT(status.ToString(), HasSubstr(bad.complaint)) << bad.line;
  }
}

TEST_F(TraceReaderTest, KeysUpToTheLimit) {
  const std::string longest(WriteBatch::kKeyBytesMax, 'x');
  Status status;
  EXPECT_EQ(Read(Write("get," + longest + ",1\n"), &status).size(), 1u);
  EXPECT_TRUE(status.ok()) << status.ToString();
  Read(Write("get," + longest + "x,1\n"), &status);
  EXPECT_THAT(status.ToString(), HasSubstr("a key of 65537 bytes"));
}

TEST_F(TraceReaderTest, EndlessLineIsRefusedInBoundedMemory) {
  Status status;
  const std::string path = Write("get,1,0\n" + std::string(2000000, 'x'));
  EXPECT_EQ(Read(path, &status).size(), 1u);
  EXPECT_THAT(status.ToString(), HasSubstr(path + ":2: the line is longer than"));
}

TEST_F(TraceReaderTest, TruncatedGzipIsCorruption) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "get," + std::to_string(i * 7919) + ",9\n";
  const std::string packed = Gzip(text);
  Status status;
  EXPECT_LT(Read(Write(packed.substr(0, packed.size() / 2)), &status).size(), 100000u);
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr("trace.csv"));
  EXPECT_THAT(status.ToString(), HasSubstr("unexpected end of file"));
}

TEST_F(TraceReaderTest, DamagedGzipIsCorruption) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "get," + std::to_string(i * 7919) + ",9\n";
  std::string packed = Gzip(text);
  packed[packed.size() - 6] ^= 1;  // in the checksum of the data
  Status status;
  Read(Write(packed), &status);
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr("trace.csv"));
}

TEST_F(TraceReaderTest, MissingFileAndDirectoryAreNamed) {
  Status status;
  Read(dir_.File("nowhere"), &status);
  EXPECT_TRUE(status.IsNotFound()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr(dir_.File("nowhere")));
  Read(dir_.path(), &status);
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  EXPECT_THAT(status.ToString(), HasSubstr(dir_.path()));
}

}  // namespace
}  // namespace varve::bench
