#include "spikeloom/train/machine/environment_log.h"

#include <gtest/gtest.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;

TEST(EnvironmentLog, KeepsEachSession) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "environment.json";
  EXPECT_EQ(recorded_threads(path), 0);
  append_session(path, 0, {{"threads", "3"}, {"blas", "a"}});
  append_session(path, 40, {{"threads", "5"}});
  const auto json = nlohmann::json::parse(read_text_file(path));
  ASSERT_EQ(json.at("sessions").size(), 2u);
  EXPECT_EQ(json["sessions"][0].at("blas"), "a");
  EXPECT_EQ(json["sessions"][0].at("iteration"), 0);
  EXPECT_EQ(json["sessions"][1].at("iteration"), 40);
  EXPECT_EQ(json["sessions"][1].at("time").get<std::string>().size(), 20u);
  EXPECT_EQ(recorded_threads(path), 3) << "that of the first session";
}

TEST(EnvironmentLog, ReadsWhatOlderVersionsWrote) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "environment.json";
  write_text_file(path, R"({"spikeloom": "0.0.9", "threads": "4"})");
  EXPECT_EQ(recorded_threads(path), 4);
  append_session(path, 7, {{"threads", "4"}});
  const auto json = nlohmann::json::parse(read_text_file(path));
  EXPECT_EQ(json.at("sessions")[0].at("spikeloom"), "0.0.9");
  EXPECT_EQ(json.at("sessions")[1].at("iteration"), 7);
}

TEST(EnvironmentLog, ADamagedFileIsLeftAsItIs) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "environment.json";
  for (const char* text : {"{", "[]", "{\"sessions\": 3}", ""}) {
    write_text_file(path, text);
    EXPECT_EQ(recorded_threads(path), 0);
    EXPECT_TRUE(contains(message_of<DataError>([&] { append_session(path, 0, {}); }), "is damaged"));
    EXPECT_EQ(read_text_file(path), text);
  }
  for (const char* text :
       {"{\"threads\": 3}", "{\"threads\": \"0\"}", "{\"threads\": \"x\"}", "{\"sessions\": []}"}) {
    write_text_file(path, text);
    EXPECT_EQ(recorded_threads(path), 0) << text;
  }
}

TEST(ResumeThreads, AreTheRunsWhereTheyCanBeHad) {
  EXPECT_EQ(resume_threads(2, 0, 4).threads, 2);
  EXPECT_EQ(resume_threads(2, 0, 4).warning, "");
  EXPECT_EQ(resume_threads(2, 2, 1).threads, 2) << "asked for, though there are fewer processors";
  EXPECT_EQ(resume_threads(2, 2, 1).warning, "");
  EXPECT_EQ(resume_threads(0, 0, 4).threads, 0) << "not recorded: the usual number";
  EXPECT_EQ(resume_threads(0, 3, 4).threads, 3);
  EXPECT_EQ(resume_threads(0, 3, 4).warning, "");
  EXPECT_EQ(resume_threads(8, 0, 2).threads, 2);
  EXPECT_TRUE(
      contains(resume_threads(8, 0, 2).warning, "began with 8 threads and this process has 2 processors"));
  EXPECT_TRUE(contains(resume_threads(8, 0, 2).warning, "--threads 8 keeps them"));
  EXPECT_EQ(resume_threads(8, 4, 16).threads, 4);
  EXPECT_TRUE(
      contains(resume_threads(8, 4, 16).warning, "began with 8 threads and is resumed with 4, as asked for"));
}

}  // namespace
}  // namespace spikeloom::train
