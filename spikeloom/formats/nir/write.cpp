#include "spikeloom/formats/nir/write.h"

#include <fmt/format.h>

#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/formats/events/hdf5/hdf5_file.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::formats {
namespace {

class Writer {
 public:
  explicit Writer(std::string path) : path_(std::move(path)) {
    const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
    constexpr std::size_t kIncrement = std::size_t{1} << 20;
    H5Pset_fapl_core(access.id(), kIncrement, 0);  // in memory: what reaches the disk is whole
    file_ = Hdf5Handle(H5Fcreate("spikeloom.nir", H5F_ACC_TRUNC, H5P_DEFAULT, access.id()));
    check(file_.id());
    text_type_ = Hdf5Handle(H5Tcopy(H5T_C_S1));
    H5Tset_size(text_type_.id(), H5T_VARIABLE);
    H5Tset_cset(text_type_.id(), H5T_CSET_UTF8);
  }

  void write(const NirGraph& graph) {
    text(file_.id(), "version", graph.version.empty() ? kNirVersion : graph.version);
    const Hdf5Handle group = make_group(file_.id(), "node");
    this->graph(group.id(), graph);
    if (!graph.metadata.empty()) metadata(group.id(), graph.metadata);
    check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL));
    const ssize_t size = H5Fget_file_image(file_.id(), nullptr, 0);
    check(size);
    std::vector<char> bytes(static_cast<std::size_t>(size));
    check(H5Fget_file_image(file_.id(), bytes.data(), bytes.size()));
    AtomicFile out(path_);
    out.write(bytes.data(), bytes.size());
    out.commit();
  }

 private:
  void check(std::int64_t result) const {
    if (result < 0) throw DataError(path_ + ": libhdf5 could not make the graph's file");
  }

  static void check_name(const std::string& name) {
    if (name.empty() || name == "." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos)
      throw ShapeError(fmt::format("a node cannot be called '{:.80}' in an HDF5 file", name));
  }

  Hdf5Handle make_group(hid_t parent, const std::string& name) const {
    check_name(name);
    Hdf5Handle group(H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    check(group.id());
    return group;
  }

  void texts(hid_t group, const std::string& name, const std::vector<hsize_t>& shape,
             const std::vector<const char*>& values) const {
    const Hdf5Handle space(shape.empty()
                               ? H5Screate(H5S_SCALAR)
                               : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
    const Hdf5Handle data(
        H5Dcreate2(group, name.c_str(), text_type_.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    check(data.id());
    if (!values.empty())
      check(H5Dwrite(data.id(), text_type_.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  }

  void text(hid_t group, const std::string& name, const std::string& value) const {
    texts(group, name, {}, {value.c_str()});
  }

  void array(hid_t group, const std::string& name, const NirArray& array) const {
    std::vector<hsize_t> shape(array.shape.begin(), array.shape.end());
    const Hdf5Handle space(shape.empty()
                               ? H5Screate(H5S_SCALAR)
                               : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
    const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE));
    if (!shape.empty() && array.size() >= 16) {
      std::vector<hsize_t> chunk = shape;
      constexpr hsize_t kChunk = hsize_t{1} << 20;  // bytes of 8 each stay far below the reader's limit
      hsize_t values = static_cast<hsize_t>(array.size());
      for (hsize_t& extent : chunk) {
        while (values > kChunk && extent > 1) {
          values /= extent;
          extent = (extent + 1) / 2;
          values *= extent;
        }
      }
      check(H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data()));
      check(H5Pset_deflate(creation.id(), 4));
    }
    const hid_t type = array.type == NirArray::Type::kFloat32   ? H5T_IEEE_F32LE
                       : array.type == NirArray::Type::kFloat64 ? H5T_IEEE_F64LE
                                                                : H5T_STD_I64LE;
    const Hdf5Handle data(
        H5Dcreate2(group, name.c_str(), type, space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT));
    check(data.id());
    if (array.size() > 0)
      check(H5Dwrite(data.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.values.data()));
  }

  void metadata(hid_t group, const std::map<std::string, std::string>& entries) const {
    const Hdf5Handle inner = make_group(group, "metadata");
    for (const auto& [name, value] : entries) {
      check_name(name);
      text(inner.id(), name, value);
    }
  }

  void node(hid_t group, const NirNode& node) const {
    if (node.kind == NirKind::kGraph) {
      graph(group, *node.graph);
    } else {
      text(group, "type", nir_kind_name(node.kind));
      for (const auto& [name, parameter] : node.parameters) array(group, name, parameter);
      if (!node.padding.empty()) text(group, "padding", node.padding);
    }
    if (!node.metadata.empty()) metadata(group, node.metadata);
  }

  void graph(hid_t group, const NirGraph& graph) const {
    text(group, "type", "NIRGraph");
    std::vector<const char*> names;
    for (const auto& [from, to] : graph.edges) {
      names.push_back(from.c_str());
      names.push_back(to.c_str());
    }
    texts(group, "edges", {graph.edges.size(), 2}, names);
    const Hdf5Handle nodes = make_group(group, "nodes");
    for (const NirNode& inner : graph.nodes) node(make_group(nodes.id(), inner.name).id(), inner);
  }

  std::string path_;
  Hdf5Handle file_, text_type_;
};

}  // namespace

void write_nir(const std::string& path, const NirGraph& graph) {
  nir_shapes(flattened(graph));
  const Hdf5Session session;
  Writer(path).write(graph);
}

}  // namespace spikeloom::formats
