// libFuzzer target of NIR graphs: the bytes choose nodes, types, parameters, shapes, links and edges, of
// which libhdf5 makes a file; reading it gives a graph or a FormatError or DataError, and a graph of modest
// size can be run or is refused. Damaged containers are libhdf5's part, except files that were cut off.
#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/exchange/nir_simulator.h"
#include "spikeloom/formats/nir/read.h"

namespace {

using namespace spikeloom;

constexpr const char* kTypes[] = {"Input",   "Output",    "Affine",  "Linear",    "Scale",
                                  "Conv1d",  "Conv2d",    "Flatten", "SumPool2d", "AvgPool2d",
                                  "I",       "IF",        "LI",      "LIF",       "CubaLI",
                                  "CubaLIF", "Threshold", "Delay",   "NIRGraph",  "Nothing"};
constexpr const char* kNames[] = {"a", "b", "c", "d"};

struct Choices {
  const std::uint8_t* data;
  std::size_t size, at = 0;
  unsigned below(unsigned count) { return (at < size ? data[at++] : 0U) % count; }
};

void text(hid_t group, const char* name, const char* value, bool fixed) {
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, fixed ? 16 : H5T_VARIABLE);
  char buffer[16] = {};
  std::string(value).copy(buffer, 15);
  const hid_t set = H5Dcreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, fixed ? static_cast<const void*>(buffer) : &value);
  H5Dclose(set);
  H5Sclose(space);
  H5Tclose(type);
}

void numbers(hid_t group, const char* name, Choices& choices) {
  hsize_t shape[5] = {}, chunk[5] = {};
  const int rank = static_cast<int>(choices.below(5));
  std::size_t count = 1;
  for (int i = 0; i < rank; ++i) {
    shape[i] = choices.below(4);
    chunk[i] = 1 + choices.below(3);
    count *= shape[i];
  }
  std::vector<double> values(count);
  for (double& value : values) value = static_cast<double>(choices.below(12)) - 2.0;
  const hid_t types[] = {H5T_IEEE_F32LE, H5T_IEEE_F64BE, H5T_STD_I64LE, H5T_STD_U8LE};
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  if (rank > 0 && choices.below(2) == 0) {
    H5Pset_chunk(creation, rank, chunk);
    if (choices.below(2) == 0) H5Pset_deflate(creation, 1);
  }
  const hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, shape, nullptr);
  const hid_t set =
      H5Dcreate2(group, name, types[choices.below(4)], space, H5P_DEFAULT, creation, H5P_DEFAULT);
  if (choices.below(8) != 0) H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(set);
  H5Sclose(space);
  H5Pclose(creation);
}

void graph(hid_t group, Choices& choices, int depth);

void node(hid_t group, Choices& choices, int depth) {
  const char* type = kTypes[choices.below(20)];
  const bool fixed = choices.below(2) == 0;
  if (std::string(type) == "NIRGraph" && depth < 4) return graph(group, choices, depth + 1);
  text(group, "type", type, fixed);
  const auto kind = formats::nir_kind_of(type);
  if (!kind) return;
  for (const auto& parameter : formats::nir_parameters(*kind)) {
    if (choices.below(16) == 0) continue;
    if (std::string(parameter.name) == "padding" && choices.below(3) == 0) {
      text(group, "padding", choices.below(2) == 0 ? "same" : "valid", fixed);
    } else {
      numbers(group, parameter.name, choices);
    }
  }
}

void graph(hid_t group, Choices& choices, int depth) {
  text(group, "type", "NIRGraph", false);
  const hid_t nodes = H5Gcreate2(group, "nodes", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  for (const char* name : kNames) {
    if (choices.below(8) == 0) continue;
    const hid_t inner = H5Gcreate2(nodes, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    node(inner, choices, depth);
    if (choices.below(32) == 0) H5Lcreate_hard(group, "nodes", inner, "nodes", H5P_DEFAULT, H5P_DEFAULT);
    if (choices.below(32) == 0) H5Lcreate_external("/dev/null", "/", inner, "r", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(inner);
  }
  H5Gclose(nodes);
  const hsize_t shape[2] = {choices.below(6), choices.below(16) == 0 ? 3U : 2U};
  std::vector<const char*> ends(18);
  for (const char*& end : ends) end = kNames[choices.below(4)];
  const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(2, shape, nullptr);
  H5Tset_size(type, H5T_VARIABLE);
  const hid_t set = H5Dcreate2(group, "edges", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, ends.data());
  H5Dclose(set);
  H5Sclose(space);
  H5Tclose(type);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/dev/shm/spikeloom-fuzz-" + std::to_string(::getpid()) + ".nir";
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  Choices choices{data, size};
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  text(file, "version", choices.below(8) == 0 ? "2.0" : "1.0.6", choices.below(2) == 0);
  const hid_t root = H5Gcreate2(file, "node", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  graph(root, choices, 0);
  H5Gclose(root);
  H5Fclose(file);
  struct stat info {};
  if (choices.below(8) == 0 && ::stat(path.c_str(), &info) == 0 &&
      ::truncate(path.c_str(), info.st_size - std::min<off_t>(info.st_size, choices.below(256))) != 0)
    return 0;
  try {
    exchange::NirSimulator simulator(formats::read_nir(path), {});
    std::int64_t values = 1;
    for (const std::int64_t extent : simulator.input_shape()) values *= extent;
    if (values <= 4096) {
      const std::vector<double> input(static_cast<std::size_t>(values), 1.0);
      for (int step = 0; step < 3; ++step) simulator.step(input);
    }
  } catch (const FormatError&) {
  } catch (const DataError&) {
  } catch (const ShapeError&) {
  } catch (const NumericsError&) {
  }
  ::unlink(path.c_str());
  return 0;
}
