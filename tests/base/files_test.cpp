#include "spikeloom/base/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "spikeloom/base/errors.h"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
 protected:
  FilesTest() : folder_(fs::temp_directory_path() / ("spikeloom_files_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~FilesTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

// Lets files grow to a size only, for a scope; what is beyond fails with EFBIG instead of a signal.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int) = nullptr;
};

TEST_F(FilesTest, WritesWholeAndReadsBack) {
  const std::string text("line\n\0more", 10);
  write_text_file(path("a"), text);
  EXPECT_EQ(read_text_file(path("a")), text);
  EXPECT_EQ(read_file(path("a")), std::vector<std::uint8_t>(text.begin(), text.end()));
  write_text_file(path("a"), "");
  EXPECT_EQ(read_text_file(path("a")), "");
  EXPECT_FALSE(fs::exists(path("a.part")));
}

TEST_F(FilesTest, NothingIsSeenBeforeCommit) {
  write_text_file(path("a"), "old");
  {
    AtomicFile file(path("a"));
    file.write("new", 3);
    EXPECT_EQ(read_text_file(path("a")), "old");
  }
  EXPECT_EQ(read_text_file(path("a")), "old");
  EXPECT_FALSE(fs::exists(path("a.part")));
}

TEST_F(FilesTest, AHeaderIsReplacedAndTheEndGoesOn) {
  AtomicFile file(path("a"));
  file.write("head", 4);
  file.write("body", 4);
  file.write_at(0, "HE", 2);
  file.write("tail", 4);
  file.commit();
  EXPECT_EQ(read_text_file(path("a")), "HEadbodytail");
}

TEST_F(FilesTest, FailedWriteKeepsTheOldFile) {
  write_text_file(path("a"), "old");
  const std::string large(1 << 16, 'x');
  {
    const FileSizeLimit limit(1 << 12);
    try {
      write_text_file(path("a"), large);
      ADD_FAILURE() << "no exception";
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(path("a") + ": cannot write: "), std::string::npos)
          << error.what();
    }
  }
  EXPECT_EQ(read_text_file(path("a")), "old");
  EXPECT_FALSE(fs::exists(path("a.part")));
}

TEST_F(FilesTest, RefusesWhatCannotBeRead) {
  EXPECT_THROW(read_file(path("absent")), DataError);
  EXPECT_THROW(read_file(folder_.string()), DataError);
  write_text_file(path("a"), "12345");
  EXPECT_EQ(read_file(path("a"), 5).size(), 5u);
  try {
    read_file(path("a"), 4);
    ADD_FAILURE() << "no exception";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("5 bytes are more than the 4 allowed"), std::string::npos);
  }
  EXPECT_THROW(AtomicFile(path("absent/a")), DataError);
  EXPECT_THROW(AtomicFile(path("a/b")), DataError);
}

}  // namespace
}  // namespace spikeloom
