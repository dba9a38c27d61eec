#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>

#include "spikeloom/formats/events/hdf5/hdf5_spikes.h"
#include "tests/formats/events/builders.h"
#include "tests/formats/events/hdf5_maker.h"

namespace spikeloom::formats {
namespace {

using testing::Events;
using testing::Maker;
using testing::Numbers;

/// IEEE half precision, as SHD stores its times.
hid_t float16() {
  const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

class Hdf5 : public ::testing::Test {
 protected:
  void make_spikes(hid_t time_type, const std::vector<std::vector<double>>& times,
                   const std::vector<Numbers>& units) {
    Maker file(path_);
    file.group("spikes");
    file.lists("spikes/times", time_type, H5T_NATIVE_DOUBLE, times);
    file.lists("spikes/units", H5T_STD_U16LE, H5T_NATIVE_INT64, units);
    file.column("labels", H5T_STD_U16LE, {7, 3, 19});
  }
  void make_columns(const std::string& prefix) {
    Maker file(path_);
    if (!prefix.empty()) file.group("events");
    file.column(prefix + "t", H5T_STD_I64LE, {5, 6, 7});
    file.column(prefix + "x", H5T_STD_U16LE, {1, 2, 3});
    file.column(prefix + "y", H5T_STD_U16BE, {4, 5, 6});
    file.column(prefix + "p", H5T_STD_I8LE, {1, 0, -1});
  }

  testing::TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/spikes.h5";
};

const Events kColumns = {{5, 1, 4, 1}, {6, 2, 5, 0}, {7, 3, 6, 0}};

TEST_F(Hdf5, ReadsTheLayoutOfShd) {
  make_spikes(float16(), {{0.25, 0.5}, {}, {1.0, 0.0009765625}}, {{0, 699}, {}, {700, 3}});
  const auto reader = open_events(path_);
  EXPECT_STREQ(reader->format(), "HDF5 spikes");
  EXPECT_EQ(reader->num_recordings(), 3);
  const events::EventStream first = read_events(path_);
  EXPECT_EQ(first.events, (Events{{250000, 0, 0, 1}, {500000, 699, 0, 1}}));
  EXPECT_EQ(first.width, 700);
  EXPECT_EQ(first.height, 1);
  EXPECT_EQ(read_events(path_ + ":1").events, Events{});
  const events::EventStream last = read_events(path_ + ":2");
  EXPECT_EQ(last.events, (Events{{1000000, 700, 0, 1}, {976, 3, 0, 1}})) << "cut to whole microseconds";
  EXPECT_EQ(last.width, 701) << "wider than SHD";
  EXPECT_THROW(read_events(path_ + ":3"), DataError);
  EXPECT_THROW(read_events(path_ + ":-1"), DataError);
  EXPECT_THROW(read_events(path_ + ":x"), DataError);
  EXPECT_THROW(read_events(path_, {"auto", 500, 1}), FormatError);
  const Hdf5SpikeFile file(path_);
  EXPECT_EQ(file.labels(), (Numbers{7, 3, 19}));
  EXPECT_EQ(file.read(0), first.events);
}

TEST_F(Hdf5, SecondsOfOtherWidthsAreNotAMicrosecondShort) {
  make_spikes(H5T_IEEE_F64LE, {{0.000123, 0.29, 1.1}}, {{1, 2, 3}});
  EXPECT_EQ(read_events(path_).events, (Events{{123, 1, 0, 1}, {290000, 2, 0, 1}, {1100000, 3, 0, 1}}));
}

TEST_F(Hdf5, SpikesThatDoNotFitTogetherAreRefused) {
  make_spikes(float16(), {{0.1}, {0.2}}, {{1, 2}, {3}});
  EXPECT_THROW(read_events(path_), FormatError) << "lists of different lengths";
  EXPECT_EQ(read_events(path_ + ":1").events.size(), 1u);
  make_spikes(float16(), {{0.1}}, {{1}, {3}});
  EXPECT_THROW(read_events(path_), FormatError) << "another number of lists";
  make_spikes(H5T_IEEE_F64LE, {{std::nan("")}, {1e30}}, {{1}, {3}});
  EXPECT_THROW(read_events(path_), FormatError);
  EXPECT_THROW(read_events(path_ + ":1"), FormatError);
  {
    Maker file(path_);
    file.group("spikes");
    file.column("spikes/times", H5T_STD_I64LE, {1});
    file.column("spikes/units", H5T_STD_I64LE, {1});
  }
  EXPECT_THROW(read_events(path_), FormatError) << "no lists";
}

TEST_F(Hdf5, ReadsEventsInColumns) {
  for (const char* prefix : {"events/", ""}) {
    make_columns(prefix);
    EXPECT_EQ(read_events(path_).events, kColumns) << prefix;
    EXPECT_THROW(read_events(path_ + ":1"), DataError);
  }
  {
    Maker file(path_);
    file.column("x", H5T_STD_U16LE, {1, 2});
    const double seconds[] = {0.5, 0.750001};
    file.write("ts", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {2}, seconds);
  }
  EXPECT_EQ(read_events(path_).events, (Events{{500000, 1, 0, 1}, {750001, 2, 0, 1}}));
}

TEST_F(Hdf5, ReadsTablesOfEvents) {
  struct Row {
    std::int64_t t;
    std::uint16_t x, y;
    std::int8_t p;
  };
  const Row rows[] = {{5, 1, 4, 1}, {6, 2, 5, 0}, {7, 3, 6, -1}};
  {
    Maker file(path_);
    const hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(Row));
    H5Tinsert(type, "p", offsetof(Row, p), H5T_NATIVE_INT8);
    H5Tinsert(type, "x", offsetof(Row, x), H5T_NATIVE_UINT16);
    H5Tinsert(type, "y", offsetof(Row, y), H5T_NATIVE_UINT16);
    H5Tinsert(type, "t", offsetof(Row, t), H5T_NATIVE_INT64);
    file.write("events", type, type, {3}, rows);
  }
  EXPECT_EQ(read_events(path_).events, kColumns);
  const std::int64_t table[] = {3, 4, 5, 1, 2, 5, 60000, 0, 1, 6, 70000, 1};
  { Maker(path_).write("events", H5T_STD_I32LE, H5T_NATIVE_INT64, {3, 4}, table); }
  EXPECT_EQ(read_events(path_).events, (Events{{5, 3, 4, 1}, {60000, 2, 5, 0}, {70000, 1, 6, 1}}));
}

TEST_F(Hdf5, PiecesAreTheWhole) {
  const Events events = testing::made_up_events(15, 40000, 640, 480, 0, 100);
  Numbers columns[4];
  for (const events::Event& e : events) {
    const std::int64_t values[] = {e.t_us, e.x, e.y, e.polarity};
    for (int i = 0; i < 4; ++i) columns[i].push_back(values[i]);
  }
  {
    Maker file(path_);
    for (int i = 0; i < 4; ++i) file.column(std::string(1, "txyp"[i]), H5T_STD_I64LE, columns[i]);
  }
  EXPECT_EQ(read_events(path_).events, events);
  const auto reader = open_events(path_);
  Events all, piece(777);
  while (const std::size_t count = reader->read(piece.data(), piece.size())) {
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
  EXPECT_EQ(all, events);
}

TEST_F(Hdf5, SizesThatAreNotStoredAndOtherFilesAreRefused) {
  {
    // 10^15 elements, none of which is stored: they would read as zeros for days.
    Maker file(path_);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {1000};
    H5Pset_chunk(creation, 1, chunk);
    for (const char* name : {"t", "x", "y", "p"}) {
      file.write(name, H5T_STD_I64LE, H5T_NATIVE_INT64, {1000000000000000}, nullptr, creation);
    }
  }
  EXPECT_THROW(read_events(path_), FormatError);
  {
    // One chunk of 800 MB.
    Maker file(path_);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {100000000};
    H5Pset_chunk(creation, 1, chunk);
    const hsize_t one[] = {1}, most[] = {H5S_UNLIMITED};
    for (const char* name : {"t", "x"}) {
      const hid_t space = H5Screate_simple(1, one, most);
      H5Dclose(H5Dcreate2(file.id(), name, H5T_STD_I64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    }
  }
  EXPECT_THROW(read_events(path_), FormatError);
  make_columns("");
  const std::string target = path_;
  path_ = folder_.path() + "/links.h5";
  {
    Maker file(path_);
    H5Lcreate_external(target.c_str(), "/", file.id(), "events", H5P_DEFAULT, H5P_DEFAULT);
  }
  EXPECT_THROW(read_events(path_), FormatError) << "a link to another file";
  make_columns("events/");
  {
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    H5Lmove(file, "events", file, "moved", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/moved", file, "events", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
  }
  EXPECT_EQ(read_events(path_).events, kColumns) << "a link by name is no second place";
  EventReaderOptions by_link;
  by_link.camera = "events";
  EXPECT_THROW(read_events(path_, by_link), FormatError);
  folder_.write(testing::Bytes(24, 1), "raw");
  {
    Maker file(path_);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, (folder_.path() + "/raw").c_str(), 0, 24);
    for (const char* name : {"t", "x"})
      file.write(name, H5T_STD_I64LE, H5T_NATIVE_INT64, {3}, nullptr, creation);
  }
  EXPECT_THROW(read_events(path_), FormatError) << "data in another file";
}

TEST_F(Hdf5, OtherFilesAreRefused) {
  { Maker file(path_); }
  EXPECT_THROW(read_events(path_), FormatError);
  { Maker(path_).column("t", H5T_STD_I64LE, {1}); }
  EXPECT_THROW(read_events(path_), FormatError);
  {
    Maker file(path_);
    file.column("t", H5T_STD_I64LE, {1, 2});
    file.column("x", H5T_STD_I64LE, {1});
  }
  EXPECT_THROW(read_events(path_), FormatError);
  EXPECT_THROW(read_events(folder_.write(testing::bytes_of("\x89HDF\r\n\x1a\n and no more"))), FormatError);
  testing::expect_missing_refused([](const std::string& path) { Hdf5SpikeFile file(path); });
}

}  // namespace
}  // namespace spikeloom::formats
