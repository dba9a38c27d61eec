#include "spikeloom/formats/archive.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/formats/events/builders.h"

namespace spikeloom::formats {
namespace {

using testing::archive_of;
using testing::Bytes;
using testing::bytes_of;
using testing::encoded;
using testing::Events;

Bytes contents_of(ByteSource& source) {
  Bytes bytes(std::size_t{1} << 20);
  bytes.resize(source.read(bytes.data(), bytes.size()));
  return bytes;
}

struct Kind {
  const char *format, *filter;
};
const Kind kKinds[] = {{"zip", ""}, {"zip-stored", ""}, {"tar", ""}, {"tar", "gzip"}, {"tar", "xz"}};

TEST(Archive, RecordingsAreReadStraightOutOfEveryKind) {
  const testing::TemporaryFolder folder;
  const Events events = testing::made_up_events(6, 3000, 34, 34, 0, 100);
  for (const Kind& kind : kKinds) {
    const Bytes bytes = archive_of({{"Train/0/00001.bin", encoded("atis-bin", 34, 34, events)},
                                    {"Train/a:b.raw", encoded("evt3", 34, 34, events)},
                                    {"read me", bytes_of("text")}},
                                   kind.format, kind.filter);
    const std::string path = folder.write(bytes, "set");
    ASSERT_TRUE(is_archive(bytes.data(), bytes.size()));
    ASSERT_EQ(list_archive(path).size(), 3u);
    EXPECT_EQ(list_archive(path)[1].name, "Train/a:b.raw");
    EXPECT_EQ(read_events(path + ":Train/0/00001.bin").events, events) << kind.format << kind.filter;
    EXPECT_EQ(read_events(path + ":Train/a:b.raw").events, events);
    EXPECT_THROW(read_events(path + ":Train/0/00002.bin"), DataError);
    EXPECT_THROW(read_events(path + ":read me"), FormatError);
    try {
      read_events(path);
      ADD_FAILURE() << "an archive of several files was opened";
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find(":Train/0/00001.bin"), std::string::npos) << error.what();
    }
  }
}

TEST(Archive, AnArchiveOfOneFileIsThatFile) {
  const testing::TemporaryFolder folder;
  const Events events = testing::made_up_events(7, 300, 34, 34, 0, 100);
  const Bytes recording = encoded("evt3", 34, 34, events);
  for (const Kind& kind : kKinds) {
    EXPECT_EQ(read_events(folder.write(archive_of({{"a.raw", recording}}, kind.format, kind.filter))).events,
              events);
  }
  EXPECT_EQ(read_events(folder.write(testing::gzipped(recording))).events, events) << "compressed by itself";
}

TEST(Archive, AWalkGivesEveryMemberOnce) {
  const testing::TemporaryFolder folder;
  for (const Kind& kind : kKinds) {
    const std::string path = folder.write(
        archive_of({{"a", bytes_of("one")}, {"b", {}}, {"c", bytes_of("three")}}, kind.format, kind.filter));
    ArchiveWalk walk(path);
    std::string all;
    while (walk.next()) {
      const auto source = walk.source();
      EXPECT_EQ(source->name(), path + ":" + walk.member().name);
      const Bytes contents = contents_of(*source);
      EXPECT_EQ(walk.member().size, static_cast<std::int64_t>(contents.size()));
      all += walk.member().name + "=" + std::string(contents.begin(), contents.end()) + ";";
    }
    EXPECT_EQ(all, "a=one;b=;c=three;");
  }
}

TEST(Archive, SourcesReadTheSameAgain) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.write(archive_of({{"a", bytes_of("0123456789")}}, "zip"));
  const auto source = open_archive_member(path, "a");
  EXPECT_EQ(source->size(), 10);
  EXPECT_EQ(contents_of(*source), bytes_of("0123456789"));
  EXPECT_EQ(source->position(), 10);
  EXPECT_EQ(contents_of(*source->reopen()), bytes_of("0123456789"));
}

TEST(Archive, NoNameReachesTheFileSystem) {
  const testing::TemporaryFolder folder;
  const Events events = testing::made_up_events(8, 10, 34, 34, 0, 100);
  const Bytes recording = encoded("evt3", 34, 34, events);
  const std::string outside = folder.path() + "/outside";
  for (const Kind& kind : kKinds) {
    const std::string path = folder.write(
        archive_of({{"../outside", recording}, {outside, recording}}, kind.format, kind.filter), "set");
    for (const ArchiveMember& member : list_archive(path)) {
      EXPECT_EQ(read_events(path + ":" + member.name).events, events);
    }
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      files += entry.exists() ? 1 : 0;
    EXPECT_EQ(files, 1u) << "only the archive itself";
  }
}

TEST(Archive, DamageIsRefused) {
  const testing::TemporaryFolder folder;
  const Bytes recording = encoded("evt3", 34, 34, testing::made_up_events(9, 500, 34, 34, 0, 100));
  for (const Kind& kind : kKinds) {
    const Bytes good = archive_of({{"a.raw", recording}}, kind.format, kind.filter);
    const auto reader = [](const std::string& path) {
      try {
        read_events(path + ":a.raw");
      } catch (const DataError&) {  // its name was what is damaged
      }
    };
    testing::expect_mutations_survived(reader, good, 150);
    const std::string cut = folder.write(Bytes(good.begin(), good.begin() + 700));
    EXPECT_THROW(read_events(cut + ":a.raw"), Error) << kind.format << kind.filter;
  }
  EXPECT_THROW(list_archive(folder.write(bytes_of("no archive"))), FormatError);
  EXPECT_THROW(list_archive(folder.path() + "/absent"), DataError);
  EXPECT_THROW(list_archive(folder.path()), DataError);
}

TEST(Archive, PathsAreTakenApartAtTheArchive) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.write(bytes_of("x"), "with:colon");
  EXPECT_FALSE(split_archive_path(path)) << "a file that is there is a file";
  const auto parts = split_archive_path(path + ":a:b");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->archive, path);
  EXPECT_EQ(parts->member, "a:b");
  EXPECT_FALSE(split_archive_path(path + ":"));
  EXPECT_FALSE(split_archive_path(folder.path() + ":a"));
  EXPECT_FALSE(split_archive_path("absent:a"));
}

TEST(Archive, ReadsARecordingOutOfTheRealSet) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat2/poker-dvs-100.tar.xz");
  std::size_t events = 0, files = 0;
  ArchiveWalk walk(path);
  while (walk.next()) {
    const auto reader = open_events(walk.source());
    Events piece(1000);
    while (const std::size_t count = reader->read(piece.data(), piece.size())) events += count;
    ++files;
  }
  EXPECT_EQ(files, 100u);
  EXPECT_EQ(events, 286439u);
}

}  // namespace
}  // namespace spikeloom::formats
