// libFuzzer target of our part of HDF5: the bytes choose data sets, types, sizes and numbers, of which
// libhdf5 makes a file; reading it gives events or a FormatError or DataError. Damaged containers are
// libhdf5's part and not fuzzed here.
#include <hdf5.h>
#include <unistd.h>

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

void column(hid_t file, const char* name, Choices& choices) {
  const hid_t type = number_type(choices);
  const hsize_t shape[] = {choices.below(40), choices.below(6)};
  const hid_t space = H5Screate_simple(choices.below(8) == 0 ? 2 : 1, shape, nullptr);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const auto values = choices.bytes(40 * 6 * 8);
  if (choices.below(4) != 0) H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(set);
  H5Sclose(space);
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
  const char* group = spikes ? "spikes" : "events";
  const bool in_group = spikes || choices.below(2) == 0;
  if (in_group) H5Gclose(H5Gcreate2(file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  if (spikes) {
    choices.below(8) == 0 ? column(file, "spikes/times", choices) : lists(file, "spikes/times", choices);
    lists(file, "spikes/units", choices);
  } else if (!in_group && choices.below(4) == 0) {
    column(file, "events", choices);
  } else {
    for (const char* name : {"t", "x", "y", "p"}) {
      const std::string place = in_group ? std::string("events/") + name : name;
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
  for (int recording = 0; recording < 4; ++recording) {
    try {
      formats::EventReaderOptions options;
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
    }
  }
  ::unlink(path.c_str());
  return 0;
}
