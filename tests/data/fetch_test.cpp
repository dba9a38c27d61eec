#include "spikeloom/data/fetch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "made_sets.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/data/download.h"
#include "spikeloom/data/md5.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/data/unpack.h"
#include "spikeloom/data/verify.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

/// file_server.py on a folder, for the duration of a test.
class Server {
 public:
  explicit Server(const std::string& folder) {
    int to_child[2], from_child[2];
    if (::pipe(to_child) != 0 || ::pipe(from_child) != 0) throw std::runtime_error("cannot make pipes");
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(to_child[0], 0);
      ::dup2(from_child[1], 1);
      for (const int end : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(end);
      ::execlp("python3", "python3", SPIKELOOM_SOURCE_DIR "/tests/data/file_server.py", folder.c_str(),
               nullptr);
      ::_exit(127);
    }
    ::close(to_child[0]);
    ::close(from_child[1]);
    stop_ = to_child[1];
    std::FILE* const output = ::fdopen(from_child[0], "r");
    if (std::fscanf(output, "%d", &port_) != 1) port_ = 0;
    std::fclose(output);
  }
  ~Server() {
    ::close(stop_);
    ::waitpid(child_, nullptr, 0);
  }
  std::string operator/(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/" + path;
  }
  bool works() const { return port_ != 0; }

 private:
  ::pid_t child_ = -1;
  int stop_ = -1, port_ = 0;
};

Bytes content() {
  Bytes bytes(5000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 256);
  return bytes;
}

std::string md5_of(const Bytes& bytes) {
  Md5 sum;
  sum.add(bytes.data(), bytes.size());
  return sum.hex();
}

class DownloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_bytes(folder_ / "served/set.zip", content());
    fs::create_directories(folder_ / "here");
    server_ = std::make_unique<Server>(folder_ / "served");
    if (!server_->works()) GTEST_SKIP() << "python3 is needed to serve files";
  }
  Download request(const std::string& url) const {
    return {*server_ / url, folder_ / "here/set.zip", md5_of(content()), -1};
  }
  std::string error(const Download& wanted) const {
    return message_of<DataError>([&] { download(wanted, {}); });
  }
  std::string ranges() const {
    download({*server_ / "log", folder_ / "log", "", -1}, {});
    const Bytes bytes = read_bytes(folder_ / "log");
    return {bytes.begin(), bytes.end()};
  }
  bool exists(const std::string& name) const { return fs::exists(folder_ / ("here/" + name)); }
  void expect_downloaded() const {
    EXPECT_EQ(read_bytes(folder_ / "here/set.zip"), content());
    EXPECT_FALSE(exists("set.zip.part"));
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(DownloadTest, BringsTheFileAndTellsProgress) {
  std::int64_t last = 0;
  EXPECT_EQ(download(request("set.zip"),
                     [&](std::int64_t done, std::int64_t) {
                       last = done;
                       return true;
                     }),
            DownloadOutcome::kDownloaded);
  EXPECT_EQ(last, 5000);
  expect_downloaded();
  EXPECT_EQ(download(request("set.zip"), {}), DownloadOutcome::kAlreadyThere);
  EXPECT_EQ(ranges(), "-") << "what is there is not downloaded again";
}

TEST_F(DownloadTest, GoesOnWhereItWasCutOff) {
  const Bytes whole = content();
  write_bytes(folder_ / "here/set.zip.part", Bytes(whole.begin(), whole.begin() + 2000));
  EXPECT_EQ(download(request("set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
  EXPECT_EQ(ranges(), "bytes=2000-");
}

TEST_F(DownloadTest, CutConnectionsAreTakenUpAgain) {
  EXPECT_EQ(download(request("cut/set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
  EXPECT_EQ(ranges(), "-\nbytes=1000-\nbytes=2000-\nbytes=3000-\nbytes=4000-");
}

TEST_F(DownloadTest, AHostThatCannotResumeStartsOver) {
  write_bytes(folder_ / "here/set.zip.part", Bytes(2000, 7));
  EXPECT_EQ(download(request("norange/set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
}

TEST_F(DownloadTest, WhatWasCompleteIsNotAskedForAgain) {
  write_bytes(folder_ / "here/set.zip.part", content());
  EXPECT_EQ(download(request("set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
  fs::remove(folder_ / "here/set.zip");
  // Longer than the file: of something else.
  write_bytes(folder_ / "here/set.zip.part", Bytes(6000, 1));
  EXPECT_EQ(download(request("set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
}

TEST_F(DownloadTest, RedirectsAndBusyHostsAreFollowed) {
  EXPECT_EQ(download(request("redirect/set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
  fs::remove(folder_ / "here/set.zip");
  EXPECT_EQ(download(request("busy/set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
}

TEST_F(DownloadTest, APageInsteadOfTheFileIsSaid) {
  for (const char* url : {"page/set.zip", "hidden-page/set.zip"}) {
    EXPECT_TRUE(contains(error(request(url)), "web page instead of the file")) << url;
    EXPECT_FALSE(exists("set.zip"));
  }
  const Bytes whole = content();
  write_bytes(folder_ / "here/set.zip.part", Bytes(whole.begin(), whole.begin() + 2000));
  EXPECT_TRUE(contains(error(request("page/set.zip")), "web page"));
  EXPECT_EQ(read_bytes(folder_ / "here/set.zip.part").size(), 2000u) << "what came before is kept";
}

TEST_F(DownloadTest, AnErrorStatusIsSaid) {
  EXPECT_TRUE(contains(error(request("status/403/set.zip")), "status 403"));
  EXPECT_TRUE(contains(error(request("absent.zip")), "status 404"));
  EXPECT_FALSE(exists("set.zip"));
}

TEST_F(DownloadTest, ADeadConnectionEndsAndKeepsWhatCame) {
  const Bytes whole = content();
  write_bytes(folder_ / "here/set.zip.part", Bytes(whole.begin(), whole.begin() + 2000));
  const std::string message = error(request("dead/set.zip"));
  EXPECT_TRUE(contains(message, "the first 2,000 bytes of it stay in")) << message;
  EXPECT_EQ(read_bytes(folder_ / "here/set.zip.part").size(), 2000u);
}

TEST_F(DownloadTest, AWrongFileIsRemoved) {
  Download wanted = request("set.zip");
  wanted.md5 = "00000000000000000000000000000000";
  EXPECT_TRUE(contains(error(wanted), md5_of(content())));
  EXPECT_FALSE(exists("set.zip"));
  EXPECT_FALSE(exists("set.zip.part"));
  wanted.md5.clear();
  wanted.size = 4000;
  EXPECT_TRUE(contains(error(wanted), "4,000"));
  wanted.size = 6000;
  EXPECT_TRUE(contains(error(wanted), "6,000"));
  EXPECT_FALSE(exists("set.zip"));
}

TEST_F(DownloadTest, NothingIsOverwritten) {
  write_bytes(folder_ / "here/set.zip", {1, 2, 3});
  EXPECT_TRUE(contains(error(request("set.zip")), "is not overwritten"));
  EXPECT_EQ(read_bytes(folder_ / "here/set.zip"), (Bytes{1, 2, 3}));
}

TEST_F(DownloadTest, StopsWhenProgressSaysSoAndGoesOnLater) {
  EXPECT_EQ(download(request("set.zip"), [](std::int64_t, std::int64_t) { return false; }),
            DownloadOutcome::kStopped);
  EXPECT_FALSE(exists("set.zip"));
  EXPECT_EQ(download(request("set.zip"), {}), DownloadOutcome::kDownloaded);
  expect_downloaded();
}

TEST_F(DownloadTest, OnlyWebAddressesAreTaken) {
  Download wanted = request("set.zip");
  wanted.url = "file:///etc/passwd";
  EXPECT_FALSE(error(wanted).empty());
  wanted.url = "http://127.0.0.1:1/set.zip";
  EXPECT_TRUE(contains(error(wanted), "3 times"));
}

TEST_F(DownloadTest, FetchBringsASetFromAnotherPlace) {
  // Not the published set: its files are refused by their sums.
  write_idx_set(folder_ / "made", 20, 10);
  for (const auto& file : dataset_info("mnist").downloads) {
    write_bytes(folder_ / ("served/" + file.name), {1, 2, 3});
  }
  const FetchRequest wanted{"mnist", folder_ / "data", *server_ / ""};
  const std::string message = message_of<DataError>([&] { fetch_dataset(wanted, {}); });
  EXPECT_TRUE(contains(message, "f68b3c2dcbeaaa9fbdd348bbdeb94873")) << message;
  EXPECT_FALSE(fs::exists(folder_ / "data/mnist/train-images-idx3-ubyte.gz"));
}

TEST_F(DownloadTest, FetchOfTheRealMnistPasses) {
  const char* const data = std::getenv("SPIKELOOM_DATA_DIR");
  if (data == nullptr || !fs::exists(std::string(data) + "/mnist/train-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "needs mnist in SPIKELOOM_DATA_DIR";
  }
  for (const auto& file : dataset_info("mnist").downloads) {
    fs::copy_file(std::string(data) + "/mnist/" + file.name, folder_ / ("served/" + file.name));
  }
  const FetchRequest wanted{"mnist", folder_ / "data", *server_ / ""};
  const FetchReport report = fetch_dataset(wanted, {});
  ASSERT_EQ(report.files.size(), 4u);
  EXPECT_TRUE(contains(report.files[0], "MD5 as published"));
  EXPECT_TRUE(verify_dataset("mnist", folder_ / "data").complete);
  EXPECT_TRUE(contains(fetch_dataset(wanted, {}).files[0], "already there"));
}

TEST(Fetch, SaysHowToGetWhatNoProgramMayFetch) {
  const TemporaryFolder folder;
  const std::string message = message_of<DataError>([&] {
    fetch_dataset({"n-caltech101", folder.path().string(), ""}, {});
  });
  EXPECT_TRUE(contains(message, "garrickorchard.com")) << message;
  EXPECT_THROW(fetch_dataset({"imagenet", "", ""}, {}), ConfigError);
}

TEST(Fetch, EveryAddressIsHttpsWithASum) {
  for (const std::string& name : dataset_names()) {
    for (const DownloadFile& file : dataset_info(name).downloads) {
      EXPECT_EQ(file.url.rfind("https://", 0), 0u) << file.url;
      EXPECT_EQ(file.md5.size(), 32u) << file.name;
      EXPECT_EQ(file.name.find('/'), std::string::npos);
    }
  }
}

/// A tar archive with one entry.
Bytes tar_with(const std::string& name, const std::string& text, char type = '0') {
  Bytes bytes(512, 0);
  const auto put = [&](std::size_t offset, const std::string& value) {
    std::copy(value.begin(), value.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  };
  char size[16];
  std::snprintf(size, sizeof(size), "%011zo", type == '0' ? text.size() : std::size_t{0});
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");
  bytes[156] = static_cast<std::uint8_t>(type);
  if (type != '0') put(157, text);
  put(257, "ustar");
  put(263, "00");
  unsigned sum = 0;
  for (const std::uint8_t byte : bytes) sum += byte;
  char checksum[16];
  std::snprintf(checksum, sizeof(checksum), "%06o", sum);
  put(148, std::string(checksum) + std::string(1, '\0') + " ");
  if (type == '0') {
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.resize((bytes.size() + 511) / 512 * 512);
  }
  bytes.resize(bytes.size() + 1024);
  return bytes;
}

TEST(Unpack, FilesComeIntoTheFolderOnce) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.tar", tar_with("Train/3/00001.bin", "events"));
  EXPECT_EQ(unpack_archive(folder / "a.tar", folder / "out", {}), 1);
  EXPECT_EQ(read_text_file(folder / "out/Train/3/00001.bin"), "events");
  EXPECT_EQ(unpack_archive(folder / "a.tar", folder / "out", {}), 1) << "again: nothing to do";
  write_bytes(folder / "out/Train/3/00001.bin", {1});
  EXPECT_TRUE(contains(message_of<DataError>([&] { unpack_archive(folder / "a.tar", folder / "out", {}); }),
                       "not overwritten"));
  EXPECT_EQ(unpack_archive(folder / "a.tar", folder / "b", [](std::int64_t, std::int64_t) { return false; }),
            -1);
}

TEST(Unpack, NothingLeavesTheFolder) {
  const TemporaryFolder folder;
  for (const char* name : {"../evil", "a/../../evil", "/tmp/spikeloom-evil"}) {
    write_bytes(folder / "a.tar", tar_with(name, "x"));
    EXPECT_THROW(unpack_archive(folder / "a.tar", folder / "out", {}), FormatError) << name;
    EXPECT_FALSE(fs::exists(folder / "evil"));
    EXPECT_FALSE(fs::exists("/tmp/spikeloom-evil"));
  }
  write_bytes(folder / "a.tar", tar_with("link", "/etc/passwd", '2'));
  EXPECT_THROW(unpack_archive(folder / "a.tar", folder / "out", {}), FormatError);
  fs::create_directories(folder / "out");
  fs::create_directory_symlink(folder.path(), folder / "out/d");
  write_bytes(folder / "a.tar", tar_with("d/evil", "x"));
  EXPECT_THROW(unpack_archive(folder / "a.tar", folder / "out", {}), DataError);
  EXPECT_FALSE(fs::exists(folder / "evil"));
}

TEST(Unpack, DamageIsSaid) {
  const TemporaryFolder folder;
  Bytes bytes = tar_with("file", std::string(5000, 'x'));
  bytes.resize(2000);
  write_bytes(folder / "a.tar", bytes);
  EXPECT_TRUE(contains(message_of<FormatError>([&] { unpack_archive(folder / "a.tar", folder / "out", {}); }),
                       "a.tar"));
  EXPECT_FALSE(fs::exists(folder / "out/file"));
  write_bytes(folder / "a.tar", Bytes(100, 5));
  EXPECT_THROW(unpack_archive(folder / "a.tar", folder / "out", {}), FormatError);
  EXPECT_THROW(unpack_archive(folder / "absent", folder / "out", {}), DataError);
}

}  // namespace
}  // namespace spikeloom::data
