// libFuzzer target of our part of HDF5: the bytes choose groups, data sets, types, sizes and numbers, of
// which libhdf5 makes a file, and options; reading it gives events or a FormatError, DataError or
// ConfigError. Damaged containers are libhdf5's part and not fuzzed here, except files that were cut off.
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/event_reader.h"

namespace {

using namespace spikeloom;

/// The bytes of the fuzzer, taken one choice after the other; zeros behind their end.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  unsigned below(unsigned count) { return next() % count; }
  std::vector<std::uint8_t> bytes(std::size_t count) {
    std::vector<std::uint8_t> result(count);
    for (std::uint8_t& byte : result) byte = next();
    return result;
  }

 private:
  std::uint8_t next() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }
  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
};

hid_t number_type(Choices& choices) {
  const hid_t types[] = {H5T_STD_I64LE,  H5T_STD_U16LE, H5T_STD_I8LE,  H5T_IEEE_F64LE,
                         H5T_IEEE_F32BE, H5T_STD_U64BE, H5T_STD_U32LE, H5T_C_S1};
  return types[choices.below(8)];
}

/// In chunks or in one piece; whole, not at all or a first part of it.
void write(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& shape, Choices& choices) {
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t chunk[] = {1 + choices.below(9), 1 + choices.below(4)};
  if (choices.below(2) == 0) H5Pset_chunk(creation, static_cast<int>(shape.size()), chunk);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  std::size_t bytes = H5Tget_size(type);
  for (const hsize_t size : shape) bytes *= static_cast<std::size_t>(size);
  const auto values = choices.bytes(bytes + 1);
  if (choices.below(4) == 0) {
    std::vector<hsize_t> start(shape.size(), 0), part = shape;
    part[0] /= 2;
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, part.data(), nullptr);
    const hid_t memory = H5Screate_simple(static_cast<int>(part.size()), part.data(), nullptr);
    H5Dwrite(set, type, memory, space, H5P_DEFAULT, values.data());
    H5Sclose(memory);
  } else if (choices.below(8) != 0) {
    H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  }
  H5Dclose(set);
  H5Pclose(creation);
  H5Sclose(space);
}

void column(hid_t file, const char* name, Choices& choices) {
  const hid_t type = number_type(choices);
  const hsize_t shape[] = {choices.below(40), choices.below(6)};
  const int dimensions = choices.below(8) == 0 ? 2 : 1;
  write(file, name, type, {shape, shape + dimensions}, choices);
}

/// Fields that are mostly those of events.
void compound(hid_t file, const char* name, Choices& choices) {
  const hid_t type = H5Tcreate(H5T_COMPOUND, 64);
  std::size_t place = 0;
  for (const char* field : {"x", "y", "p", "t_ns"}) {
    const hid_t number = number_type(choices);
    if (choices.below(8) != 0) H5Tinsert(type, field, place, number);
    place += 16;
  }
  write(file, name, type, {choices.below(40)}, choices);
  H5Tclose(type);
}

void matrix(hid_t file, const char* name, Choices& choices) {
  const hsize_t count = choices.below(40);
  const bool rows = choices.below(2) == 0;
  const std::vector<hsize_t> shape = rows ? std::vector<hsize_t>{count, 4} : std::vector<hsize_t>{4, count};
  write(file, name, number_type(choices), shape, choices);
}

void lists(hid_t file, const char* name, Choices& choices) {
  const hid_t number = number_type(choices);
  const hid_t type = H5Tvlen_create(number);
  const hsize_t shape[] = {choices.below(4)};
  const hid_t space = H5Screate_simple(1, shape, nullptr);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  std::vector<std::vector<std::uint8_t>> values;
  std::vector<hvl_t> parts;
  for (int i = 0; i < 4; ++i) {
    values.push_back(choices.bytes(20 * 8));
    parts.push_back({choices.below(20), values.back().data()});
  }
  if (choices.below(8) != 0) H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, parts.data());
  H5Dclose(set);
  H5Sclose(space);
  H5Tclose(type);
}

void make(const std::string& path, Choices& choices) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const bool spikes = choices.below(2) == 0;
  const char* groups[] = {"events", "left", "davis"};
  const char* group = spikes ? "spikes" : groups[choices.below(3)];
  const bool in_group = spikes || choices.below(2) == 0;
  if (in_group) H5Gclose(H5Gcreate2(file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  if (spikes) {
    choices.below(8) == 0 ? column(file, "spikes/times", choices) : lists(file, "spikes/times", choices);
    lists(file, "spikes/units", choices);
  } else if (choices.below(2) == 0) {
    const std::string place = in_group ? std::string(group) + "/events" : "events";
    choices.below(2) == 0 ? compound(file, place.c_str(), choices) : matrix(file, place.c_str(), choices);
    if (choices.below(4) == 0) matrix(file, "more", choices);
  } else {
    for (const char* name : {"t", "x", "y", "p", "t_offset", "width", "height"}) {
      const std::string place = in_group ? std::string(group) + "/" + name : name;
      if (choices.below(8) != 0) column(file, place.c_str(), choices);
    }
  }
  H5Fclose(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/dev/shm/spikeloom-fuzz-" + std::to_string(::getpid()) + ".h5";
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  Choices choices(data, size);
  make(path, choices);
  formats::EventReaderOptions options;
  options.drop_outside = choices.below(2) == 0;
  if (options.drop_outside) options.width = options.height = 100;
  options.partial = choices.below(2) == 0;
  options.time_unit = static_cast<formats::TimeUnit>(choices.below(5));
  const char* cameras[] = {"", "", "left", "0", "/"};
  options.camera = cameras[choices.below(5)];
  if (choices.below(4) == 0) options.columns = {"t", "x", "y", "p"};
  // Contents of libhdf5's own beyond a cut are the library's part: only the end of what we wrote is cut.
  struct stat info {};
  if (choices.below(4) == 0 && ::stat(path.c_str(), &info) == 0) {
    if (::truncate(path.c_str(), info.st_size - std::min<off_t>(info.st_size, choices.below(256))) != 0)
      return 0;
  }
  for (int recording = 0; recording < 4; ++recording) {
    try {
      options.recording = recording;
      const auto reader = formats::open_events(path, options);
      std::vector<events::Event> piece(7);
      while (const std::size_t count = reader->read(piece.data(), piece.size())) {
        for (std::size_t i = 0; i < count; ++i) {
          if (piece[i].polarity > 1 || (reader->width() > 0 && piece[i].x >= reader->width())) std::abort();
        }
      }
    } catch (const FormatError&) {
    } catch (const DataError&) {
    } catch (const ConfigError&) {
    }
  }
  ::unlink(path.c_str());
  return 0;
}
