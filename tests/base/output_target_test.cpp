// Writing to what is no plain file: links, pipes, devices, folders. The nodes are made in a folder of the
// test.
#include "spikeloom/base/output_target.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"

namespace spikeloom {
namespace {

namespace fs = std::filesystem;

class OutputTargetTest : public testing::Test {
 protected:
  OutputTargetTest()
      : folder_(fs::temp_directory_path() / ("spikeloom_output_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~OutputTargetTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  mode_t mode(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(::lstat(path(name).c_str(), &info), 0) << name;
    return info.st_mode;
  }
  void expect_refused(const std::string& name, const std::string& reason) const {
    try {
      write_text_file(path(name), "new");
      ADD_FAILURE() << name << ": no exception";
    } catch (const DataError& error) {
      EXPECT_EQ(std::string(error.what()).find(path(name) + ": cannot write: "), 0u) << error.what();
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  }

  fs::path folder_;
};

TEST_F(OutputTargetTest, ALinkStaysAndItsTargetIsReplaced) {
  fs::create_directories(path("there"));
  write_text_file(path("there/a"), "old");
  fs::create_symlink("there/a", path("link"));
  fs::create_symlink("link", path("link_of_link"));
  write_text_file(path("link_of_link"), "new");
  EXPECT_TRUE(fs::is_symlink(path("link_of_link")));
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(read_text_file(path("there/a")), "new");
  EXPECT_FALSE(fs::exists(path("there/a.part")));
}

TEST_F(OutputTargetTest, ALinkToNothingMakesItsTarget) {
  fs::create_symlink(path("absent"), path("link"));
  write_text_file(path("link"), "new");
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(read_text_file(path("absent")), "new");
}

TEST_F(OutputTargetTest, LinksInACircleAreRefused) {
  fs::create_symlink("b", path("a"));
  fs::create_symlink("a", path("b"));
  expect_refused("a", "circle");
}

TEST_F(OutputTargetTest, APipeIsWrittenInto) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::string seen;
  std::thread reader([&] {
    const int pipe = ::open(path("pipe").c_str(), O_RDONLY);
    char byte = 0;
    while (::read(pipe, &byte, 1) == 1) seen += byte;
    ::close(pipe);
  });
  {
    AtomicFile file(path("pipe"));
    file.write("????body", 8);
    file.write_at(0, "head", 4);
    file.commit();
  }
  reader.join();
  EXPECT_EQ(seen, "headbody");
  EXPECT_TRUE(S_ISFIFO(mode("pipe")));
}

TEST_F(OutputTargetTest, APipeGetsNothingWithoutCommit) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  ssize_t count = -1;
  std::thread reader([&] {
    const int pipe = ::open(path("pipe").c_str(), O_RDONLY);
    char byte = 0;
    count = ::read(pipe, &byte, 1);
    ::close(pipe);
  });
  { AtomicFile(path("pipe")).write("half", 4); }
  reader.join();
  EXPECT_EQ(count, 0);
  EXPECT_TRUE(S_ISFIFO(mode("pipe")));
}

TEST_F(OutputTargetTest, ADeviceIsWrittenIntoAndStays) {
  if (::mknod(path("full").c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0)
    GTEST_SKIP() << "no permission to mknod";
  const int probe = ::open(path("full").c_str(), O_WRONLY);
  if (probe < 0) GTEST_SKIP() << "devices cannot be opened here";
  ::close(probe);
  expect_refused("full", "No space left on device");
  EXPECT_TRUE(S_ISCHR(mode("full")));
  ASSERT_EQ(::mknod(path("null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  write_text_file(path("null"), "gone");
  EXPECT_TRUE(S_ISCHR(mode("null")));
  EXPECT_FALSE(fs::exists(path("null.part")));
}

TEST_F(OutputTargetTest, ADiskIsRefused) {
  // A number that no driver has: nothing would be lost if it were opened.
  if (::mknod(path("disk").c_str(), S_IFBLK | 0600, makedev(251, 254)) != 0)
    GTEST_SKIP() << "no permission to mknod";
  expect_refused("disk", "it is a disk");
  EXPECT_TRUE(S_ISBLK(mode("disk")));
}

TEST_F(OutputTargetTest, ASocketAndAFolderAreRefused) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path("socket").size(), sizeof(address.sun_path));
  path("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(descriptor);
  expect_refused("socket", "it is a socket");
  EXPECT_TRUE(S_ISSOCK(mode("socket")));
  fs::create_directories(path("folder"));
  expect_refused("folder", "it is a folder");
}

TEST_F(OutputTargetTest, ADescriptorIsWrittenInto) {
  // Standard output that is a file is open already: its name must not come to mean another file.
  write_text_file(path("out"), "");
  const int descriptor = ::open(path("out").c_str(), O_WRONLY | O_APPEND);
  struct stat before {
  }, after{};
  ASSERT_EQ(::fstat(descriptor, &before), 0);
  const std::string number = std::to_string(descriptor);
  write_text_file("/dev/fd/" + number, "one ");
  write_text_file("/proc/self/fd/" + number, "two");
  ASSERT_EQ(::stat(path("out").c_str(), &after), 0);
  ::close(descriptor);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(read_text_file(path("out")), "one two");
  EXPECT_THROW(write_text_file("/dev/fd/" + number, "closed"), DataError);
  fs::create_symlink("/dev/fd/" + number, path("link"));
  EXPECT_EQ(resolve_output(path("link")).descriptor, descriptor);
}

TEST_F(OutputTargetTest, AReplacedFileKeepsItsPermissionsAndOwner) {
  write_text_file(path("a"), "old");
  ASSERT_EQ(::chmod(path("a").c_str(), 0640), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path("a").c_str(), 1234, 2345), 0);
  }
  write_text_file(path("a"), "new");
  EXPECT_EQ(read_text_file(path("a")), "new");
  EXPECT_EQ(mode("a") & 07777, 0640u);
  if (::geteuid() == 0) {
    struct stat info {};
    ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 1234u);
    EXPECT_EQ(info.st_gid, 2345u);
  }
}

TEST_F(OutputTargetTest, AFileThatMayNotBeWrittenIsNotReplaced) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everything";
  write_text_file(path("a"), "old");
  ASSERT_EQ(::chmod(path("a").c_str(), 0444), 0);
  expect_refused("a", "Permission denied");
  EXPECT_EQ(read_text_file(path("a")), "old");
}

TEST_F(OutputTargetTest, WhatStandsUnderThePartsNameIsNotLost) {
  write_text_file(path("mine"), "mine");
  fs::create_symlink("mine", path("a.part"));
  expect_refused("a", "a.part is in the way");
  EXPECT_EQ(read_text_file(path("mine")), "mine");
  fs::remove(path("a.part"));
  fs::create_hard_link(path("mine"), path("a.part"));
  expect_refused("a", "a.part is in the way");
  EXPECT_EQ(read_text_file(path("mine")), "mine");
  fs::remove(path("a.part"));
  ASSERT_EQ(::mkfifo(path("a.part").c_str(), 0600), 0);
  expect_refused("a", "a.part is in the way");
  fs::remove(path("a.part"));
  write_text_file(path("a.part"), "left by a kill, and longer than what is new");
  write_text_file(path("a"), "new");
  EXPECT_EQ(read_text_file(path("a")), "new");
}

}  // namespace
}  // namespace spikeloom
