#include "spikeloom/formats/nir/read.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/hdf5/hdf5_file.h"
#include "spikeloom/formats/nir/shapes.h"

namespace spikeloom::formats {
namespace {

constexpr int kMaxGraphDepth = 16;
constexpr hsize_t kMaxLinks = 100000;
constexpr std::int64_t kMaxNumbers = std::int64_t{1} << 28;
constexpr std::int64_t kMaxEdges = 1000000;
constexpr std::size_t kMaxText = 4096;
constexpr std::int64_t kMaxTexts = std::int64_t{1} << 26;
constexpr std::int64_t kMaxRatio = 1100;  // deflate: 1032
constexpr hsize_t kMaxChunkBytes = hsize_t{1} << 26;
constexpr int kMaxDimensions = 8;

/// A data set that is safe to read.
struct Stored {
  Hdf5Handle id, type, space;
  NirShape shape;
  std::int64_t size = 1;
  H5T_class_t kind = H5T_NO_CLASS;
};

class Reader {
 public:
  explicit Reader(const std::string& path) : file_(path) {}

  NirGraph read() {
    if (file_.type_at("node") != H5O_TYPE_GROUP) file_.refuse("is not a NIR graph: it has no group 'node'");
    std::string version;
    if (file_.type_at("version") == H5O_TYPE_DATASET) version = text("version");
    if (!version.empty() && (version.front() < '0' || version.front() > '1' || version.substr(1, 1) != "."))
      file_.refuse(
          fmt::format("is of NIR version '{:.40}'; versions 0.N and 1.N are read, as '1.0'", version));
    NirNode root = node("", "node", 0);
    NirGraph graph;
    if (root.kind == NirKind::kGraph) {
      graph = std::move(*root.graph);
    } else {
      graph.nodes.push_back(std::move(root));
      graph.nodes.back().name = "node";
    }
    graph.version = version;
    try {
      nir_shapes(flattened(graph));
    } catch (const ShapeError& error) {
      file_.refuse(error.what());
    }
    return graph;
  }

 private:
  [[noreturn]] void refuse(const std::string& place, const std::string& what) const {
    file_.refuse(fmt::format("'{:.200}' {}", place, what));
  }

  /// Names in a group, which is reached by one link only.
  std::vector<std::string> names(const std::string& group) {
    visit(group);
    H5G_info_t info{};
    if (H5Gget_info_by_name(file_.id(), group.c_str(), &info, H5P_DEFAULT) < 0) refuse(group, "is damaged");
    links_ += info.nlinks;
    if (links_ > kMaxLinks || info.nlinks > kMaxLinks) refuse(group, "has more than 100000 entries");
    struct Found {
      std::vector<std::string> names;
      static herr_t add(hid_t, const char* name, const H5L_info_t*, void* data) {
        auto& list = static_cast<Found*>(data)->names;
        if (list.size() >= kMaxLinks) return -1;
        list.emplace_back(name);
        return 0;
      }
    } found;
    const Hdf5Handle id(H5Gopen2(file_.id(), group.c_str(), H5P_DEFAULT));
    if (!id.valid() || H5Literate(id.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, Found::add, &found) < 0)
      refuse(group, "is damaged");
    for (const std::string& name : found.names) {
      if (name.size() > kMaxText) refuse(group, "has a name that is too long");
      if (file_.type_at(group + "/" + name) == H5O_TYPE_UNKNOWN)
        refuse(group + "/" + name, "is damaged, or a link that is not followed");
    }
    return found.names;
  }

  void visit(const std::string& place) {
    H5O_info_t info{};
    if (H5Oget_info_by_name2(file_.id(), place.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
      refuse(place, "is damaged");
    if (!visited_.insert(info.addr).second) refuse(place, "is linked from two places, which is not read");
  }

  Stored open(const std::string& place) {
    if (file_.type_at(place) != H5O_TYPE_DATASET) refuse(place, "is not a data set, or is missing");
    visit(place);
    Stored data;
    data.id = Hdf5Handle(H5Dopen2(file_.id(), place.c_str(), H5P_DEFAULT));
    data.type = Hdf5Handle(data.id.valid() ? H5Dget_type(data.id.id()) : -1);
    data.space = Hdf5Handle(data.id.valid() ? H5Dget_space(data.id.id()) : -1);
    const Hdf5Handle creation(data.id.valid() ? H5Dget_create_plist(data.id.id()) : -1);
    if (!data.type.valid() || !data.space.valid() || !creation.valid()) refuse(place, "is damaged");
    data.kind = H5Tget_class(data.type.id());
    const int rank = H5Sget_simple_extent_ndims(data.space.id());
    if (rank < 0 || rank > kMaxDimensions) refuse(place, fmt::format("has {} dimensions", rank));
    if (H5Sget_simple_extent_type(data.space.id()) == H5S_NULL) {
      data.shape = {0};
      data.size = 0;
      return data;
    }
    hsize_t sizes[kMaxDimensions] = {};
    H5Sget_simple_extent_dims(data.space.id(), sizes, nullptr);
    const H5D_layout_t layout = H5Pget_layout(creation.id());
    if (layout == H5D_VIRTUAL || H5Pget_external_count(creation.id()) > 0)
      refuse(place, "lies in other files, which are not read");
    for (int i = 0; i < rank; ++i) {
      if (sizes[i] > static_cast<hsize_t>(kMaxNumbers) ||
          (sizes[i] > 0 && data.size > kMaxNumbers / static_cast<std::int64_t>(sizes[i])))
        refuse(place, fmt::format("claims more than {} numbers", kMaxNumbers));
      data.shape.push_back(static_cast<std::int64_t>(sizes[i]));
      data.size *= static_cast<std::int64_t>(sizes[i]);
    }
    for (int i = 0; i < H5Pget_nfilters(creation.id()); ++i) {
      unsigned flags = 0, config = 0;
      std::size_t values = 0;
      const H5Z_filter_t filter = H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags, &values,
                                                 nullptr, 0, nullptr, &config);
      if (filter < 0 || filter >= H5Z_FILTER_RESERVED || H5Zfilter_avail(filter) <= 0)
        refuse(place,
               fmt::format("is compressed with the filter {}; deflate is read", hdf5_filter_text(filter)));
    }
    check_stored(place, data, creation.id(), layout, sizes, rank);
    return data;
  }

  /// What a data set says is justified by what is stored, and all of it is.
  void check_stored(const std::string& place, const Stored& data, hid_t creation, H5D_layout_t layout,
                    const hsize_t* sizes, int rank) const {
    const auto element = static_cast<std::int64_t>(H5Tget_size(data.type.id()));
    const auto stored = static_cast<std::int64_t>(
        std::min<hsize_t>(H5Dget_storage_size(data.id.id()), static_cast<hsize_t>(file_.size())));
    const bool compact_or_whole = layout != H5D_CHUNKED;
    if (element < 1 || element > (1 << 20) ||
        (data.size > 0 && data.size > stored * (compact_or_whole ? 1 : kMaxRatio) / element))
      refuse(place, fmt::format("claims more elements than its {} stored bytes can hold", stored));
    if (compact_or_whole || data.size == 0) return;
    hsize_t chunk[kMaxDimensions] = {}, needed = 1, present = 0, bytes = static_cast<hsize_t>(element);
    if (H5Pget_chunk(creation, kMaxDimensions, chunk) != rank) refuse(place, "is damaged");
    for (int i = 0; i < rank; ++i) {
      if (chunk[i] < 1 || chunk[i] > kMaxChunkBytes / bytes) refuse(place, "has chunks of more than 64 MiB");
      bytes *= chunk[i];
      needed *= (sizes[i] - 1) / chunk[i] + 1;
    }
    if (H5Dget_num_chunks(data.id.id(), data.space.id(), &present) < 0 || present < needed)
      refuse(place, "is stored in part only: fetch the file again");
  }

  /// Element `index` of a data set of texts.
  std::string text_at(const std::string& place, const Stored& data, hsize_t index) {
    const Hdf5Handle memory(H5Screate(H5S_SCALAR));
    if (!data.shape.empty()) {
      hsize_t at[kMaxDimensions] = {}, one[kMaxDimensions];
      std::fill(one, one + kMaxDimensions, hsize_t{1});
      for (std::size_t i = data.shape.size(); i-- > 0;) {
        at[i] = index % static_cast<hsize_t>(data.shape[i]);
        index /= static_cast<hsize_t>(data.shape[i]);
      }
      H5Sselect_hyperslab(data.space.id(), H5S_SELECT_SET, at, nullptr, one, nullptr);
    }
    std::string result;
    if (H5Tis_variable_str(data.type.id()) > 0) {
      char* text = nullptr;
      if (H5Dread(data.id.id(), data.type.id(), memory.id(), data.space.id(), H5P_DEFAULT, &text) < 0)
        refuse(place, "is damaged");
      if (text != nullptr) result.assign(text, ::strnlen(text, kMaxText + 1));
      H5free_memory(text);
    } else {
      std::vector<char> text(H5Tget_size(data.type.id()) + 1, '\0');
      if (H5Dread(data.id.id(), data.type.id(), memory.id(), data.space.id(), H5P_DEFAULT, text.data()) < 0)
        refuse(place, "is damaged");
      result = text.data();
      if (H5Tget_strpad(data.type.id()) == H5T_STR_SPACEPAD) result.erase(result.find_last_not_of(' ') + 1);
    }
    if (result.size() > kMaxText) refuse(place, fmt::format("has a text of more than {} bytes", kMaxText));
    text_bytes_ += static_cast<std::int64_t>(result.size());
    if (text_bytes_ > kMaxTexts) refuse(place, "and others have more than 64 MiB of texts");
    return result;
  }

  std::string text(const std::string& place) {
    const Stored data = open(place);
    if (data.kind != H5T_STRING || data.size != 1) refuse(place, "is not text");
    return text_at(place, data, 0);
  }

  NirArray numbers(const std::string& place, const Stored& data) {
    NirArray array;
    array.shape = data.shape;
    numbers_ += data.size;
    if (numbers_ > kMaxNumbers)
      refuse(place, fmt::format("and others have more than {} numbers", kMaxNumbers));
    array.values.resize(static_cast<std::size_t>(data.size));
    if (data.kind == H5T_ENUM && H5Tget_size(data.type.id()) == 1) {  // h5py's bool
      array.type = NirArray::Type::kBool;
      std::vector<std::int8_t> bytes(array.values.size());
      if (data.size > 0 &&
          H5Dread(data.id.id(), data.type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0)
        refuse(place, "is damaged");
      std::copy(bytes.begin(), bytes.end(), array.values.begin());
      return array;
    }
    if (data.kind == H5T_FLOAT) {
      array.type = H5Tget_size(data.type.id()) > 4 ? NirArray::Type::kFloat64 : NirArray::Type::kFloat32;
    } else if (data.kind == H5T_INTEGER) {
      array.type = NirArray::Type::kInt64;
    } else {
      refuse(place, "has no numbers");
    }
    if (data.size > 0 &&
        H5Dread(data.id.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.values.data()) < 0)
      refuse(place, "is damaged");
    return array;
  }

  std::map<std::string, std::string> metadata(const std::string& place) {
    std::map<std::string, std::string> result;
    if (file_.type_at(place) != H5O_TYPE_GROUP) refuse(place, "is not a group");
    for (const std::string& name : names(place)) {
      const std::string at = place + "/" + name;
      if (file_.type_at(at) == H5O_TYPE_GROUP) {
        result[name] = "(a group)";
        continue;
      }
      const Stored data = open(at);
      if (data.kind == H5T_STRING && data.size == 1) {
        result[name] = text_at(at, data, 0);
      } else if (data.size == 1 && data.kind != H5T_STRING) {
        result[name] = fmt::format("{}", numbers(at, data).values.front());
      } else {
        result[name] = fmt::format("(array {})", nir_shape_text(data.shape));
      }
    }
    return result;
  }

  void read_graph(NirGraph& graph, const std::string& place, int depth) {
    const std::string nodes = place + "/nodes", edges = place + "/edges";
    if (file_.type_at(nodes) != H5O_TYPE_GROUP) refuse(nodes, "is not a group, or is missing");
    for (const std::string& name : names(nodes))
      graph.nodes.push_back(node(name, nodes + "/" + name, depth + 1));
    const Stored data = open(edges);
    if (data.size == 0) return;
    if (data.kind != H5T_STRING || data.shape.size() != 2 || data.shape[1] != 2)
      refuse(edges, "is not a list of pairs of names");
    if (data.shape[0] > kMaxEdges) refuse(edges, "has more than a million edges");
    for (std::int64_t i = 0; i < data.shape[0]; ++i) {
      std::string from = text_at(edges, data, static_cast<hsize_t>(2 * i));
      graph.edges.emplace_back(std::move(from), text_at(edges, data, static_cast<hsize_t>(2 * i + 1)));
    }
    std::sort(graph.edges.begin(), graph.edges.end());  // a set, whose order in the file is by chance
  }

  NirNode node(const std::string& name, const std::string& place, int depth) {
    if (depth > kMaxGraphDepth) refuse(place, fmt::format("lies more than {} graphs deep", kMaxGraphDepth));
    NirNode result;
    result.name = name;
    if (file_.type_at(place) != H5O_TYPE_GROUP) refuse(place, "is not a group");
    const auto entries = names(place);
    const std::string type = text(place + "/type");
    const auto kind = nir_kind_of(type);
    if (!kind) refuse(place, fmt::format("is of type '{:.40}', which is not known", type));
    result.kind = *kind;
    const auto& parameters = nir_parameters(*kind);
    for (const std::string& entry : entries) {
      const std::string at = place + "/" + entry;
      if (entry == "type") continue;
      if (entry == "metadata") {
        result.metadata = metadata(at);
        continue;
      }
      if (*kind == NirKind::kGraph && (entry == "nodes" || entry == "edges")) continue;
      const bool known = std::any_of(parameters.begin(), parameters.end(),
                                     [&](const NirParameter& parameter) { return entry == parameter.name; });
      if (!known && (entry == "input_type" || entry == "output_type")) continue;  // follows from the rest
      if (!known) refuse(at, fmt::format("is not a parameter of {}", type));
      const Stored data = open(at);
      if (data.kind == H5T_STRING && entry == "padding") {
        result.padding = data.size == 1 ? text_at(at, data, 0) : "";
        if (result.padding != "same" && result.padding != "valid")
          refuse(at, fmt::format("is '{:.40}', neither 'same' nor 'valid'", result.padding));
        continue;
      }
      result.parameters[entry] = numbers(at, data);
    }
    for (const NirParameter& parameter : parameters) {
      const bool is_text = std::string("padding") == parameter.name && !result.padding.empty();
      if (parameter.required && !is_text && result.find(parameter.name) == nullptr)
        refuse(place, fmt::format("({}) has no '{}'", type, parameter.name));
    }
    if (*kind == NirKind::kGraph) {
      result.graph = std::make_shared<NirGraph>();
      result.graph->metadata = result.metadata;
      read_graph(*result.graph, place, depth);
    }
    return result;
  }

  Hdf5File file_;
  std::set<haddr_t> visited_;
  hsize_t links_ = 0;
  std::int64_t numbers_ = 0, text_bytes_ = 0;
};

}  // namespace

NirGraph read_nir(const std::string& path) {
  const Hdf5Session session;
  return Reader(path).read();
}

}  // namespace spikeloom::formats
