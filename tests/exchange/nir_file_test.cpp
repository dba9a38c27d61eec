// Graphs written and read again, and files that are no graphs.
#include <gtest/gtest.h>
#include <hdf5.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/nir/read.h"
#include "spikeloom/formats/nir/shapes.h"
#include "spikeloom/formats/nir/write.h"
#include "tests/exchange/nir_graphs.h"
#include "tests/formats/events/hdf5_maker.h"

namespace spikeloom::formats {
namespace {

using exchange::testing::array;
using exchange::testing::chain;
using exchange::testing::node;

class NirFile : public ::testing::Test {
 protected:
  NirFile()
      : path_((std::filesystem::temp_directory_path() /
               ("nir_file_test_" + std::to_string(::getpid()) + ".nir"))
                  .string()) {}
  ~NirFile() override { std::filesystem::remove(path_); }

  /// The graph of one LIF neuron, with something done to the file.
  std::string refusal(const std::function<void(hid_t)>& damage) {
    write_nir(path_, lif());
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    damage(file);
    H5Fclose(file);
    return refusal();
  }
  std::string refusal() {
    try {
      read_nir(path_);
    } catch (const FormatError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "";
  }
  static NirGraph lif() {
    return chain({2},
                 {node("n", NirKind::kLif,
                       {{"tau", {0.1, 0.2}}, {"r", {1, 1}}, {"v_leak", {0, 0}}, {"v_threshold", {1, 2}}})});
  }
  std::string path_;
};

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(NirFile, WhatIsWrittenIsRead) {
  NirGraph graph = lif();
  graph.metadata["made by"] = "a test";
  NirNode conv =
      node("c", NirKind::kConv2d, {{"stride", {1, 1}}, {"dilation", {1, 1}}, {"groups", {1}}, {"bias", {0}}});
  conv.padding = "same";
  conv.parameters["weight"] = array(std::vector<double>(9, 0.5));
  conv.parameters["weight"].shape = {1, 1, 3, 3};
  conv.parameters["input_shape"] = array({40, 50});
  NirNode nested = node("nested", NirKind::kGraph, {});
  nested.graph = std::make_shared<NirGraph>(chain({1, 40, 50}, {}));
  graph.nodes.push_back(conv);
  graph.nodes.push_back(nested);
  graph.edges.emplace_back("c", "nested");
  NirNode large = node("large", NirKind::kScale, {{"scale", std::vector<double>(5000, 0.25)}});
  graph.nodes.push_back(large);
  write_nir(path_, graph);
  const NirGraph read = read_nir(path_);
  EXPECT_EQ(read.version, kNirVersion);
  EXPECT_EQ(read.metadata, graph.metadata);
  ASSERT_EQ(read.nodes.size(), graph.nodes.size());
  EXPECT_EQ(read.edges.size(), graph.edges.size());
  for (const NirNode& expected : graph.nodes) {
    const int at = read.find(expected.name);
    ASSERT_GE(at, 0) << expected.name;
    const NirNode& found = read.nodes[static_cast<std::size_t>(at)];
    EXPECT_EQ(found.kind, expected.kind);
    EXPECT_EQ(found.padding, expected.padding);
    ASSERT_EQ(found.parameters.size(), expected.parameters.size()) << expected.name;
    for (const auto& [name, parameter] : expected.parameters) {
      ASSERT_NE(found.find(name), nullptr);
      EXPECT_EQ(found.find(name)->shape, parameter.shape);
      EXPECT_EQ(found.find(name)->values, parameter.values);
    }
    EXPECT_EQ(found.graph != nullptr, expected.graph != nullptr);
  }
  EXPECT_EQ(flattened(read).find("nested.input") >= 0, true);
}

TEST_F(NirFile, PublishedGraphs) {
  const std::string folder = exchange::testing::published_graphs();
  if (folder.empty()) GTEST_SKIP() << "SPIKELOOM_NIR_FILES names no folder with published graphs";
  const NirGraph cnn = read_nir(folder + "/cnn_sinabs.nir");
  EXPECT_EQ(cnn.version, "0.2.0");
  EXPECT_EQ(cnn.nodes.size(), 15U);
  EXPECT_EQ(cnn.edges.size(), 14U);
  EXPECT_EQ(cnn.nodes[static_cast<std::size_t>(cnn.find("0"))].find("weight")->shape,
            (NirShape{16, 2, 5, 5}));
  EXPECT_EQ(read_nir(folder + "/lif_norse.nir").version, "0.1.1");
  EXPECT_EQ(read_nir(folder + "/braille_noDelay_bias_zero.nir").nodes.size(), 7U);
  write_nir(path_, cnn);
  EXPECT_EQ(read_nir(path_).edges, cnn.edges);
}

TEST_F(NirFile, RefusesWhatIsNoGraph) {
  std::ofstream(path_) << "no HDF5";
  EXPECT_TRUE(says(refusal(), "not an HDF5 file"));
  { testing::Maker empty(path_); }
  EXPECT_TRUE(says(refusal(), "no group 'node'"));
  EXPECT_TRUE(
      says(refusal([](hid_t file) { H5Ldelete(file, "node/nodes/n/tau", H5P_DEFAULT); }), "no 'tau'"));
  EXPECT_TRUE(says(refusal([](hid_t file) { H5Ldelete(file, "node/edges", H5P_DEFAULT); }), "node/edges"));
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Lmove(file, "node/nodes/n/tau", file, "node/nodes/n/tauu", H5P_DEFAULT, H5P_DEFAULT);
                   }),
                   "not a parameter of LIF"));
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Lmove(file, "node/nodes/n", file, "node/nodes/m", H5P_DEFAULT, H5P_DEFAULT);
                   }),
                   "not there"));
}

TEST_F(NirFile, RefusesLinksThatLeadAway) {
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Lcreate_hard(file, "node/nodes", file, "node/nodes/n/tau2", H5P_DEFAULT, H5P_DEFAULT);
                     H5Ldelete(file, "node/nodes/n/tau", H5P_DEFAULT);
                   }),
                   "no"));
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Lcreate_hard(file, "node", file, "node/nodes/loop", H5P_DEFAULT, H5P_DEFAULT);
                   }),
                   "linked from two places"));
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Ldelete(file, "node/nodes/n/tau", H5P_DEFAULT);
                     H5Lcreate_external("/etc/passwd", "/", file, "node/nodes/n/tau", H5P_DEFAULT,
                                        H5P_DEFAULT);
                   }),
                   "link that is not followed"));
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Ldelete(file, "node/nodes/n/tau", H5P_DEFAULT);
                     H5Lcreate_soft("/node/nodes/n/r", file, "node/nodes/n/tau", H5P_DEFAULT, H5P_DEFAULT);
                   }),
                   "link that is not followed"));
}

TEST_F(NirFile, RefusesSizesThatAreNotStored) {
  EXPECT_TRUE(says(refusal([](hid_t file) {
                     H5Ldelete(file, "node/nodes/n/tau", H5P_DEFAULT);
                     const hsize_t size = hsize_t{1} << 27;
                     const hid_t space = H5Screate_simple(1, &size, nullptr);
                     const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                     const hsize_t chunk = 1024;
                     H5Pset_chunk(creation, 1, &chunk);
                     H5Dclose(H5Dcreate2(file, "node/nodes/n/tau", H5T_IEEE_F64LE, space, H5P_DEFAULT,
                                         creation, H5P_DEFAULT));
                     H5Pclose(creation);
                     H5Sclose(space);
                   }),
                   "stored bytes can hold"));
}

TEST_F(NirFile, EveryCutOfAFileIsRefused) {
  write_nir(path_, lif());
  const auto size = std::filesystem::file_size(path_);
  for (auto left = size - 1; left > 0; left -= std::min<std::uintmax_t>(left, 97)) {
    std::filesystem::resize_file(path_, left);
    EXPECT_NE(refusal(), "") << left << " of " << size;
  }
}

TEST_F(NirFile, ShapesMustFit) {
  NirGraph graph = lif();
  graph.nodes[0].parameters["shape"] = array({3});
  EXPECT_THROW(write_nir(path_, graph), ShapeError);
  graph = lif();
  graph.nodes[1].parameters["tau"] = array({1, 2, 3});
  EXPECT_THROW(write_nir(path_, graph), ShapeError);
  graph = lif();
  graph.edges.clear();
  EXPECT_NO_THROW(nir_shapes(graph));
  graph.nodes.push_back(
      node("pool", NirKind::kSumPool2d, {{"kernel_size", {2}}, {"stride", {2}}, {"padding", {0}}}));
  EXPECT_THROW(nir_shapes(graph), ShapeError);
  graph = lif();
  graph.nodes[1].name = "a/b";
  for (auto& [from, to] : graph.edges) {
    if (from == "n") from = "a/b";
    if (to == "n") to = "a/b";
  }
  EXPECT_THROW(write_nir(path_, graph), ShapeError);
}

}  // namespace
}  // namespace spikeloom::formats
