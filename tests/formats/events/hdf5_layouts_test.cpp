// HDF5 files as the field writes them: cameras in groups, tables, filters, files that were cut off.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>

#include "spikeloom/base/files.h"
#include "tests/formats/events/builders.h"
#include "tests/formats/events/hdf5_maker.h"

namespace spikeloom::formats {
namespace {

using testing::Events;
using testing::Maker;
using testing::Numbers;

class Hdf5Layouts : public ::testing::Test {
 protected:
  Events read(const EventReaderOptions& options = {}) { return read_events(path_, options).events; }
  std::string error(const EventReaderOptions& options = {}) {
    try {
      read_events(path_, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  void expect_error(const std::string& part, const EventReaderOptions& options = {}) {
    EXPECT_NE(error(options).find(part), std::string::npos) << error(options);
  }
  static EventReaderOptions camera(const std::string& name) {
    EventReaderOptions options;
    options.camera = name;
    return options;
  }
  static EventReaderOptions columns(const std::vector<std::string>& names) {
    EventReaderOptions options;
    options.columns = names;
    return options;
  }
  static EventReaderOptions partial() {
    EventReaderOptions options;
    options.partial = true;
    return options;
  }
  std::int64_t unread() {
    const auto reader = open_events(path_, partial());
    Events piece(100);
    while (reader->read(piece.data(), piece.size()) > 0) {
    }
    return reader->unread_bytes();
  }

  testing::TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/events.h5";
};

TEST_F(Hdf5Layouts, DsecAddsItsOffsetAndSkipsItsIndex) {
  {
    Maker file(path_);
    file.group("events");
    file.events("events", {5, 6, 7});
    file.column("ms_to_idx", H5T_STD_U64LE, {0, 3});
    file.scalar("t_offset", 49599000000);
  }
  EXPECT_EQ(read(), (Events{{49599000005, 3, 4, 1}, {49599000006, 3, 4, 1}, {49599000007, 3, 4, 1}}));
}

TEST_F(Hdf5Layouts, MetavisionHasACompoundInCd) {
  struct Row {
    std::uint16_t x, y;
    std::int16_t p;
    std::int64_t t;
  };
  const Row rows[] = {{1, 4, 1, 5}, {2, 5, 0, 6}};
  {
    Maker file(path_);
    const hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(Row));
    H5Tinsert(type, "x", offsetof(Row, x), H5T_NATIVE_UINT16);
    H5Tinsert(type, "y", offsetof(Row, y), H5T_NATIVE_UINT16);
    H5Tinsert(type, "p", offsetof(Row, p), H5T_NATIVE_INT16);
    H5Tinsert(type, "t", offsetof(Row, t), H5T_NATIVE_INT64);
    file.group("CD");
    file.group("EXT_TRIGGER");
    file.write("CD/events", type, type, {2}, rows);
    const hid_t trigger = H5Tcreate(H5T_COMPOUND, 16);
    H5Tinsert(trigger, "p", 0, H5T_NATIVE_INT16);
    H5Tinsert(trigger, "t", 8, H5T_NATIVE_INT64);
    file.write("EXT_TRIGGER/events", trigger, trigger, {0}, nullptr);
    const hid_t text = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(text, 8);
    const hid_t attribute = H5Acreate2(file.id(), "geometry", text, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, text, "1280x720");
    H5Aclose(attribute);
  }
  EXPECT_EQ(read(), (Events{{5, 1, 4, 1}, {6, 2, 5, 0}}));
  EXPECT_EQ(read_events(path_).width, 1280);
  EXPECT_EQ(read_events(path_).height, 720);
}

TEST_F(Hdf5Layouts, MvsecIsInSecondsAndHasTwoCameras) {
  const double left[] = {3, 4, 1506119776.5, -1, 1, 2, 1506119776.75, 1};
  const double right[] = {8, 9, 1506119776.5, 1};
  {
    Maker file(path_);
    for (const char* group : {"davis", "davis/left", "davis/right"}) file.group(group);
    file.write("davis/left/events", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {2, 4}, left);
    file.write("davis/right/events", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {1, 4}, right);
    file.column("davis/left/image_raw_ts", H5T_STD_I64LE, {1, 2});
  }
  expect_error(
      "has events in 2 places: choose one (--camera NAME, data.camera) of 'davis/left/events', "
      "'davis/right/events'");
  const Events expected = {{1506119776500000, 3, 4, 0}, {1506119776750000, 1, 2, 1}};
  for (const char* name : {"left", "davis/left/events", "/davis/left/events", "davis/left", "0"}) {
    EXPECT_EQ(read(camera(name)), expected) << name;
  }
  EXPECT_EQ(read(camera("1")), (Events{{1506119776500000, 8, 9, 1}}));
  for (const char* name : {"middle", "davis", "2", "-1", "/", "lef"}) expect_error("camera '", camera(name));
}

TEST_F(Hdf5Layouts, M3edHasGroupsAndTheirSize) {
  {
    Maker file(path_);
    for (const char* group : {"prophesee", "prophesee/left", "prophesee/left/calib"}) file.group(group);
    file.events("prophesee/left", {1, 2});
    file.column("prophesee/left/ms_map_idx", H5T_STD_U64LE, {0, 2});
    file.column("prophesee/left/calib/resolution", H5T_STD_I64LE, {1280, 720});
  }
  EXPECT_EQ(read(), (Events{{1, 3, 4, 1}, {2, 3, 4, 1}}));
  EXPECT_EQ(read_events(path_).width, 1280);
  EXPECT_EQ(read_events(path_).height, 720);
  EventReaderOptions given;
  given.width = given.height = 100;
  EXPECT_EQ(read_events(path_, given).width, 100) << "what is given goes before";
}

TEST_F(Hdf5Layouts, NamesThatLeaveAColumnOpenAreAskedAbout) {
  const auto group = [this](const char* y, const char* more, const Numbers& numbers) {
    Maker file(path_);
    file.group("events");
    file.column("events/t", H5T_STD_I64LE, {5, 6});
    file.column("events/x", H5T_STD_I64LE, {1, 2});
    file.column(std::string("events/") + y, H5T_STD_I64LE, {3, 4});
    file.column(std::string("events/") + more, H5T_STD_I64LE, numbers);
  };
  group("y_px", "p", {1, 0});
  expect_error("'events' have no column for y, but there are columns whose names are not known: y_px");
  group("y", "q", {1, 0});
  expect_error("no column for p, but");
  group("y", "ts", {1, 0});
  expect_error("more than one column of one kind: t,ts");
  group("y", "ms_to_idx", {0, 1, 2});
  EXPECT_EQ(read(), (Events{{5, 1, 3, 1}, {6, 2, 4, 1}})) << "an index is no column";

  const std::int64_t rows[] = {5, 1, 3, 0, 6, 2, 4, 1};
  const auto compound = [&](const char* place, const std::vector<const char*>& names) {
    Maker file(path_);
    const hid_t type = H5Tcreate(H5T_COMPOUND, 32);
    for (std::size_t i = 0; i < 4; ++i) H5Tinsert(type, names[i], 8 * i, H5T_NATIVE_INT64);
    file.write(place, type, type, {2}, rows);
  };
  const Events expected = {{5, 1, 3, 0}, {6, 2, 4, 1}};
  for (const char* place : {"events", "data"}) {
    compound(place, {"t", "x", "y_px", "p"});
    expect_error(
        "no column for y, but there are columns whose names are not known: y_px: name them (--columns");
    EXPECT_EQ(read(columns({"t", "x", "y", "p"})), expected);
  }
  compound("events", {"a", "b", "c", "d"});
  expect_error("--columns t,x,y,p or another; data.columns");
  EXPECT_EQ(read(columns({"t", "x", "y", "p"})), expected);
  compound("events", {"t", "x", "y", "ts"});
  expect_error("more than one column of one kind: t,ts");
}

TEST_F(Hdf5Layouts, ATableOfFiveColumnsNeedsTheirOrder) {
  const std::int64_t rows[] = {5, 1, 3, 0, 9, 6, 2, 4, 1, 9};
  { Maker(path_).write("events", H5T_STD_I64LE, H5T_NATIVE_INT64, {2, 5}, rows); }
  expect_error("'events' of shape [2, 5] has another number of columns: name them (--columns t,x,y,p,_");
  EXPECT_EQ(read(columns({"t", "x", "y", "p", "_"})), (Events{{5, 1, 3, 0}, {6, 2, 4, 1}}));
}

TEST_F(Hdf5Layouts, MatricesOfAnyOrderAndBothDirections) {
  const std::int64_t rows[] = {70000, 3, 4, 1, 70001, 2, 5, 4294967295, 70002, 1, 6, 1};
  const Events expected = {{70000, 3, 4, 1}, {70001, 2, 5, 0}, {70002, 1, 6, 1}};
  { Maker(path_).write("events", H5T_STD_U32LE, H5T_NATIVE_INT64, {3, 4}, rows); }
  EXPECT_EQ(read(), expected) << "-1 that was wrapped to 32 bits is off";
  const std::int64_t transposed[] = {70000, 70001, 70002, 3, 2, 1, 4, 5, 6, 1, 4294967295, 1};
  { Maker(path_).write("events", H5T_STD_U32LE, H5T_NATIVE_INT64, {4, 3}, transposed); }
  EXPECT_EQ(read(), expected);
  const double reals[] = {3, 4, 0.100001, 1, 2, 5, 0.2, -1};
  { Maker(path_).write("array", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {2, 4}, reals); }
  EXPECT_EQ(read(), (Events{{100001, 3, 4, 1}, {200000, 2, 5, 0}})) << "the only array, in seconds";
  // Two columns that grow, and nothing that says which is the time.
  const std::int64_t growing[] = {1, 2, 10, 1, 3, 4, 20, 0};
  { Maker(path_).write("events", H5T_STD_I64LE, H5T_NATIVE_INT64, {2, 4}, growing); }
  expect_error("t,x,y,p or x,y,t,p: give the order (--columns");
  EXPECT_EQ(read(columns({"x", "y", "t", "p"})), (Events{{10, 1, 2, 1}, {20, 3, 4, 0}}));
  const std::int64_t square[] = {70000, 3, 4, 1, 70001, 2, 5, 1, 70002, 1, 6, 0, 70003, 1, 6, 0};
  { Maker(path_).write("events", H5T_STD_I64LE, H5T_NATIVE_INT64, {4, 4}, square); }
  expect_error("of shape [4, 4]");
  EXPECT_EQ(read(columns({"t", "x", "y", "p"})).size(), 4u);
  const std::int64_t five[] = {70000, 3, 4, 1, 9};
  { Maker(path_).write("events", H5T_STD_I64LE, H5T_NATIVE_INT64, {1, 5}, five); }
  EXPECT_EQ(read(columns({"t", "x", "y", "p", "_"})), (Events{{70000, 3, 4, 1}}));
}

TEST_F(Hdf5Layouts, AnAttributeNamesTheColumns) {
  const std::int64_t rows[] = {4, 3, 70000, 1, 5, 2, 70001, 0};
  const Events expected = {{70000, 3, 4, 1}, {70001, 2, 5, 0}};
  const auto read_with = [&](const char* place, const char* name, const std::vector<std::string>& texts,
                             bool variable = false) {
    {
      Maker file(path_);
      file.group("davis");
      file.write("davis/events", H5T_STD_I64LE, H5T_NATIVE_INT64, {2, 4}, rows);
      file.texts(place, name, texts, variable);
    }
    return error().empty() ? read() : Events{};
  };
  EXPECT_EQ(read_with("davis/events", "columns", {"y,x,t,p"}), expected) << error();
  EXPECT_EQ(read_with("davis/events", "columns", {"y,x,t,p"}, true), expected) << error();
  EXPECT_EQ(read_with("davis/events", "names", {"row", "col", "ts", "polarity"}), expected) << error();
  EXPECT_EQ(read_with("davis/events", "names", {"y", "x", "timestamp", "p"}, true), expected) << error();
  EXPECT_EQ(read_with("davis", "note", {"Order is y x t p"}), expected) << error();
  EXPECT_EQ(read_with("/", "note", {"order is y x t p"}), expected) << error();
  EXPECT_EQ(read_with("davis/events", "columns", {"y,x,t_ms,p"}).at(0).t_us, 70000000);
  EXPECT_EQ(read_with("davis/events", "camera", {"DAVIS"}).at(0).x, 4)
      << "x comes first where nothing is said";
  for (const char* text : {"y,x,t,q", "row, z, when, what"}) {
    EXPECT_EQ(read_with("davis/events", "columns", {text}), Events{});
    expect_error(
        "the attribute 'columns' may name the columns, but their order is not certain from it: give the "
        "order (--columns t,x,y,p");
    EXPECT_EQ(read(columns({"y", "x", "t", "p"})), expected);
  }
}

TEST_F(Hdf5Layouts, ATableWithoutEventsIsNotDamaged) {
  for (const std::vector<hsize_t>& shape : {std::vector<hsize_t>{0, 4}, {4, 0}}) {
    { Maker(path_).write("events", H5T_STD_I64LE, H5T_NATIVE_INT64, shape, nullptr); }
    EXPECT_EQ(error(), "");
    EXPECT_EQ(read(), Events{});
  }
}

TEST_F(Hdf5Layouts, AnOffsetOfTimeIsWhole) {
  const auto write = [&](double offset) {
    Maker file(path_);
    file.group("events");
    file.events("events", {5, 6});
    file.write("t_offset", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {1}, &offset);
  };
  write(100);
  EXPECT_EQ(read().at(0).t_us, 105);
  write(0.5);
  expect_error("'t_offset' is 0.5, but it has to be a whole number");
}

TEST_F(Hdf5Layouts, ZeroAndTheLargestPolarityMayBeAMask) {
  const auto write = [&](const Numbers& polarities) {
    Maker file(path_);
    file.group("events");
    file.events("events", {5, 6, 7});
    H5Ldelete(file.id(), "events/p", H5P_DEFAULT);
    file.column("events/p", H5T_STD_U8LE, polarities);
  };
  write({0, 255, 255});
  expect_error(
      "the rows up to 1 have polarities of 0 and of 255, which may be -1 without a sign (off) or the on of a "
      "mask");
  write({1, 255, 1});
  EXPECT_EQ(read().at(1).polarity, 0);
}

TEST_F(Hdf5Layouts, TimesHaveTheUnitThatIsNamedOrAskedForAndFit) {
  const auto read_time = [&](const std::string& name, hid_t stored, std::int64_t time, TimeUnit unit) {
    {
      Maker file(path_);
      file.column(name, stored, {time});
      file.column("x", H5T_STD_U16LE, {1});
    }
    EventReaderOptions options;
    options.time_unit = unit;
    return read(options).at(0).t_us;
  };
  EXPECT_EQ(read_time("t", H5T_STD_I64LE, 5000, TimeUnit::kNanoseconds), 5);
  EXPECT_EQ(read_time("t", H5T_STD_I64LE, 5, TimeUnit::kSeconds), 5000000);
  EXPECT_EQ(read_time("t_ns", H5T_STD_I64LE, 5000, TimeUnit::kFile), 5);
  EXPECT_EQ(read_time("t", H5T_STD_U64LE, 5, TimeUnit::kFile), 5);
  // Numbers below 0 are stored as ones from 2^63 on, if written as they are.
  const std::uint64_t large = std::uint64_t{1} << 63;
  {
    Maker file(path_);
    file.write("t", H5T_STD_U64LE, H5T_NATIVE_UINT64, {1}, &large);
    file.column("x", H5T_STD_U16LE, {1});
  }
  expect_error("a time of 9223372036854775808 us");
  const double half = 0.5;
  {
    Maker file(path_);
    file.write("t", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {1}, &half);
    file.column("x", H5T_STD_U16LE, {1});
  }
  expect_error("unit is uncertain: give it (--time-unit");
  EventReaderOptions milliseconds;
  milliseconds.time_unit = TimeUnit::kMilliseconds;
  EXPECT_EQ(read(milliseconds), (Events{{500, 1, 0, 1}}));
}

TEST_F(Hdf5Layouts, SpikesHaveTheUnitAskedForAndMayBeDropped) {
  {
    Maker file(path_);
    file.group("spikes");
    file.lists<std::int64_t>("spikes/times", H5T_STD_I64LE, H5T_NATIVE_INT64, {{5, 6}});
    file.lists<std::int64_t>("spikes/units", H5T_STD_U16LE, H5T_NATIVE_INT64, {{1, 20}});
  }
  EventReaderOptions options;
  options.time_unit = TimeUnit::kMilliseconds;
  options.width = 10;
  options.height = 1;
  expect_error("outside a sensor of 10 x 1", options);
  options.drop_outside = true;
  EXPECT_EQ(read(options), (Events{{5000, 1, 0, 1}}));
  EXPECT_EQ(open_events(path_, options)->dropped_events(), 1);
}

TEST_F(Hdf5Layouts, EventsOutsideAreLeftOutWhereThatIsAskedFor) {
  {
    Maker file(path_);
    file.column("t", H5T_STD_I64LE, {1, 2, 3});
    file.column("x", H5T_STD_I32LE, {-1, 5, 70000});
    file.column("y", H5T_STD_I32LE, {1, 6, 1});
  }
  expect_error("row 0 is an event at (-1, 1), outside");
  EventReaderOptions options;
  options.drop_outside = true;
  EXPECT_EQ(read(options), (Events{{2, 5, 6, 1}}));
  const auto reader = open_events(path_, options);
  Events piece(1);
  while (reader->read(piece.data(), 1) > 0) {
  }
  EXPECT_EQ(reader->dropped_events(), 2);
}

/// Stands for a filter that is not installed: it was there when the file was made.
std::size_t shift_bytes(unsigned, std::size_t, const unsigned*, std::size_t bytes, std::size_t*,
                        void** buffer) {
  for (std::size_t i = 0; i < bytes; ++i) static_cast<std::uint8_t*>(*buffer)[i] ^= 0x55;
  return bytes;
}

TEST_F(Hdf5Layouts, AFilterThatIsMissingIsNamed) {
  const auto with_filter = [&](H5Z_filter_t number) {
    const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, number, 1, 1, "test", nullptr, nullptr, shift_bytes};
    H5Zregister(&filter);
    {
      Maker file(path_);
      const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
      const hsize_t chunk[] = {2};
      H5Pset_chunk(creation, 1, chunk);
      H5Pset_filter(creation, number, H5Z_FLAG_OPTIONAL, 0, nullptr);
      const std::int64_t numbers[] = {1, 2, 3};
      for (const char* name : {"t", "x", "y"}) {
        file.write(name, H5T_STD_I64LE, H5T_NATIVE_INT64, {3}, numbers, creation);
      }
    }
    EXPECT_EQ(read().size(), 3u) << "while it is there";
    H5Zunregister(number);
  };
  with_filter(36559);
  for (const EventReaderOptions& options : {EventReaderOptions(), partial()}) {
    expect_error("filter 36559 (ECF, Prophesee's own", options);
    expect_error("HDF5_PLUGIN_PATH", options);
  }
  with_filter(32015);
  expect_error("filter 32015 (Zstandard");
  with_filter(400);
  expect_error("filter 400, which");
}

TEST_F(Hdf5Layouts, RowsThatWereNeverStoredAreNotZeros) {
  const auto with_rows = [&](hsize_t said, hsize_t written) {
    Maker file(path_);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {2}, most[] = {H5S_UNLIMITED};
    H5Pset_chunk(creation, 1, chunk);
    const std::int64_t numbers[] = {1, 2, 3, 4, 5, 6};
    for (const char* name : {"t", "x", "y", "p"}) {
      const hid_t space = H5Screate_simple(1, &said, most);
      const hid_t set = H5Dcreate2(file.id(), name, H5T_STD_I64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
      const hsize_t start[] = {0};
      const hid_t memory = H5Screate_simple(1, &written, nullptr);
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, &written, nullptr);
      const std::int64_t ones[] = {1, 1, 1, 1, 1, 1};
      H5Dwrite(set, H5T_NATIVE_INT64, memory, space, H5P_DEFAULT, *name == 'p' ? ones : numbers);
      H5Dclose(set);
      H5Sclose(space);
      H5Sclose(memory);
    }
  };
  with_rows(6, 6);
  EXPECT_EQ(read().size(), 6u);
  with_rows(6, 4);
  expect_error("claims 6 rows, but not all of those from 4 on are stored");
  EXPECT_EQ(read(partial()), (Events{{1, 1, 1, 1}, {2, 2, 2, 1}, {3, 3, 3, 1}, {4, 4, 4, 1}}));
  EXPECT_EQ(unread(), 2 * 4 * 8);
  with_rows(6, 2);
  EXPECT_EQ(read(partial()).size(), 2u);
  {
    Maker file(path_);
    file.column("t", H5T_STD_I64LE, {1, 2, 3});
    file.column("x", H5T_STD_I64LE, {1, 2});
  }
  expect_error("'x' has 2 numbers");
  EXPECT_EQ(read(partial()), (Events{{1, 1, 0, 1}, {2, 2, 0, 1}}));
}

TEST_F(Hdf5Layouts, ACutFileIsReadUpToTheCut) {
  // Contiguous columns, the largest written last: everything that finds them is at the beginning.
  const std::size_t count = 5000;
  Numbers times(count), ones(count, 1);
  for (std::size_t i = 0; i < count; ++i) times[i] = static_cast<std::int64_t>(i);
  {
    Maker file(path_);
    file.column("p", H5T_STD_I64LE, ones);
    file.column("x", H5T_STD_I64LE, ones);
    file.column("y", H5T_STD_I64LE, ones);
    file.column("t", H5T_STD_I64LE, times);
  }
  const testing::Bytes whole = read_file(path_);
  std::size_t least = count;
  for (const std::size_t missing : {8u, 800u, 20000u}) {
    folder_.write(testing::Bytes(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(missing)),
                  "events.h5");
    expect_error("is cut off: fetch the file again, or read what is there (--partial, data.partial)");
    const Events events = read(partial());
    ASSERT_LE(events.size(), least) << missing;
    EXPECT_GE(events.size() * 8 + missing + 4096, count * 8)
        << "all but what is missing and the library's own";
    for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].t_us, static_cast<std::int64_t>(i));
    EXPECT_GT(unread(), 0);
    least = events.size();
  }
  EXPECT_LT(least, count);
  // Cuts anywhere: an error or the first events, never zeros.
  for (std::size_t length = 1; length < whole.size(); length += 1777) {
    folder_.write(testing::Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)),
                  "events.h5");
    try {
      const Events events = read(partial());
      for (std::size_t i = 0; i < events.size(); ++i) {
        ASSERT_EQ(events[i].t_us, static_cast<std::int64_t>(i));
        ASSERT_EQ(events[i].x, 1);
        ASSERT_EQ(events[i].polarity, 1);
      }
    } catch (const FormatError&) {
    }
  }
}

}  // namespace
}  // namespace spikeloom::formats
