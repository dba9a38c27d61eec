#include "spikeloom/formats/nir/shapes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <deque>
#include <optional>
#include <unordered_map>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

constexpr std::int64_t kMaxValues = std::int64_t{1} << 30;
constexpr double kMaxWhole = 1 << 30;

[[noreturn]] void refuse(const NirNode& node, const std::string& what) {
  throw ShapeError(fmt::format("node '{}' ({}): {}", node.name, nir_kind_name(node.kind), what));
}

std::int64_t checked_size(const NirNode& node, const NirShape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 1) refuse(node, "shape " + nir_shape_text(shape) + " has a size below 1");
    if (size > kMaxValues / extent) refuse(node, "shape " + nir_shape_text(shape) + " is too large");
    size *= extent;
  }
  return size;
}

/// Whole numbers of a parameter.
std::vector<std::int64_t> wholes(const NirNode& node, const std::string& name) {
  const NirArray* array = node.find(name);
  if (array == nullptr) refuse(node, "has no " + name);
  if (array->shape.size() > 1 || array->size() > 8) refuse(node, name + " is not a list of a few numbers");
  std::vector<std::int64_t> numbers;
  for (const double value : array->values) {
    if (std::abs(value) > kMaxWhole) refuse(node, fmt::format("{} = {:.0f} is too large", name, value));
    if (value != std::floor(value)) refuse(node, fmt::format("{} = {} is not a whole number", name, value));
    numbers.push_back(static_cast<std::int64_t>(value));
  }
  return numbers;
}

/// One number an axis; a single one stands for all.
std::vector<std::int64_t> per_axis(const NirNode& node, const std::string& name, std::size_t axes,
                                   std::int64_t least) {
  auto numbers = wholes(node, name);
  if (numbers.size() == 1) numbers.resize(axes, numbers.front());
  if (numbers.size() != axes)
    refuse(node, fmt::format("{} has {} numbers, not {}", name, numbers.size(), axes));
  for (const std::int64_t number : numbers) {
    if (number < least) refuse(node, fmt::format("{} = {} is below {}", name, number, least));
  }
  return numbers;
}

void check_edge(const NirNode& from, const NirShape& given, const NirNode& to, const NirShape& taken) {
  if (given == taken) return;
  const auto is_batch_of = [](const NirShape& batch, const NirShape& one) {
    return batch.size() == one.size() + 1 && batch.front() == 1;
  };
  const bool batch =
      is_batch_of(given, taken) || is_batch_of(taken, given) || (given.size() == 4 && given.front() == 1);
  refuse(to, fmt::format("takes {}, but '{}' gives {}{}", nir_shape_text(taken), from.name,
                         nir_shape_text(given), batch ? "; shapes have no batch dimension" : ""));
}

bool is_convolution(NirKind kind) { return kind == NirKind::kConv1d || kind == NirKind::kConv2d; }

/// Shape that elementwise parameters have in common; a scalar fits any. Nullopt if all are scalars.
std::optional<NirShape> common_shape(const NirNode& node) {
  std::optional<NirShape> common;
  for (const auto& [name, array] : node.parameters) {
    if (array.is_scalar()) continue;
    if (!common) common = array.shape;
    if (*common != array.shape) {
      refuse(node, fmt::format("{} has the shape {}, another parameter {}", name, nir_shape_text(array.shape),
                               nir_shape_text(*common)));
    }
  }
  return common;
}

NirShape windows_output(const NirNode& node, NirShape shape, std::size_t first) {
  const auto windows = nir_windows(node);
  if (shape.size() != first + windows.size())
    refuse(node, fmt::format("takes {} dimensions, not {}", first + windows.size(), nir_shape_text(shape)));
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const NirWindow& window = windows[i];
    const std::int64_t room =
        shape[first + i] + window.padding + window.padding_end - window.dilation * (window.size - 1) - 1;
    if (room < 0) refuse(node, "the window is larger than the input " + nir_shape_text(shape));
    shape[first + i] = room / window.stride + 1;
  }
  return shape;
}

NirShape convolution_output(const NirNode& node, const NirShape& input) {
  const NirShape& weight = node.find("weight")->shape;
  const std::int64_t groups = per_axis(node, "groups", 1, 1).front();
  if (weight[0] % groups != 0) refuse(node, fmt::format("{} filters in {} groups", weight[0], groups));
  if (input.empty() || input[0] != weight[1] * groups) {
    refuse(node, fmt::format("takes {} channels, gets {}", weight[1] * groups, nir_shape_text(input)));
  }
  const NirArray* bias = node.find("bias");
  if (bias != nullptr && bias->size() != weight[0])
    refuse(node, fmt::format("{} biases for {} filters", bias->size(), weight[0]));
  NirShape output = windows_output(node, input, 1);
  output[0] = weight[0];
  return output;
}

NirShape flatten_output(const NirNode& node, const NirShape& input) {
  const auto rank = static_cast<std::int64_t>(input.size());
  std::int64_t start = per_axis(node, "start_dim", 1, -8).front(),
               end = per_axis(node, "end_dim", 1, -8).front();
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  if (start < 0 || end < start || end >= rank)
    refuse(node,
           fmt::format("dimensions {} to {} of {} cannot be flattened", start, end, nir_shape_text(input)));
  NirShape output(input.begin(), input.begin() + start);
  std::int64_t size = 1;
  for (std::int64_t i = start; i <= end; ++i) size *= input[static_cast<std::size_t>(i)];
  output.push_back(size);
  output.insert(output.end(), input.begin() + end + 1, input.end());
  return output;
}

/// What comes in as far as the node itself says it.
std::optional<NirShape> own_input(const NirNode& node) {
  switch (node.kind) {
    case NirKind::kInput:
    case NirKind::kOutput:
      return wholes(node, "shape");
    case NirKind::kAffine:
    case NirKind::kLinear: {
      const NirShape& weight = node.find("weight")->shape;
      if (weight.size() != 2)
        refuse(node, "weight has the shape " + nir_shape_text(weight) + ", not [out, in]");
      const NirArray* bias = node.find("bias");
      if (bias != nullptr && !bias->is_scalar() && bias->shape != NirShape{weight[0]})
        refuse(node, "bias has the shape " + nir_shape_text(bias->shape));
      return NirShape{weight[1]};
    }
    case NirKind::kConv1d:
    case NirKind::kConv2d: {
      const NirShape& weight = node.find("weight")->shape;
      const std::size_t axes = node.kind == NirKind::kConv1d ? 1 : 2;
      if (weight.size() != axes + 2) refuse(node, "weight has the shape " + nir_shape_text(weight));
      const NirArray* stored = node.find("input_shape");
      if (stored == nullptr || stored->values.empty()) return std::nullopt;
      NirShape shape = per_axis(node, "input_shape", axes, 1);
      shape.insert(shape.begin(), weight[1] * per_axis(node, "groups", 1, 1).front());
      return shape;
    }
    case NirKind::kFlatten: {
      const NirArray* stored = node.find("input_type");
      if (stored == nullptr || stored->values.empty()) return std::nullopt;
      return wholes(node, "input_type");
    }
    case NirKind::kSumPool2d:
    case NirKind::kAvgPool2d:
    case NirKind::kGraph:
      return std::nullopt;
    default:
      return common_shape(node);
  }
}

NirShape output_of(const NirNode& node, const NirShape& input) {
  switch (node.kind) {
    case NirKind::kAffine:
    case NirKind::kLinear:
      return {node.find("weight")->shape[0]};
    case NirKind::kConv1d:
    case NirKind::kConv2d:
      return convolution_output(node, input);
    case NirKind::kFlatten:
      return flatten_output(node, input);
    case NirKind::kSumPool2d:
    case NirKind::kAvgPool2d:
      return windows_output(node, input, 1);
    default:
      return input;
  }
}

}  // namespace

std::string nir_shape_text(const NirShape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::vector<NirWindow> nir_windows(const NirNode& node) {
  const std::size_t axes = node.kind == NirKind::kConv1d ? 1 : 2;
  const auto stride = per_axis(node, "stride", axes, 1);
  std::vector<std::int64_t> size, padding(axes, 0), dilation(axes, 1);
  if (is_convolution(node.kind)) {
    const NirShape& weight = node.find("weight")->shape;
    if (weight.size() != axes + 2) refuse(node, "weight has the shape " + nir_shape_text(weight));
    size.assign(weight.begin() + 2, weight.end());
    dilation = per_axis(node, "dilation", axes, 1);
  } else {
    size = per_axis(node, "kernel_size", axes, 1);
  }
  if (node.padding.empty()) padding = per_axis(node, "padding", axes, 0);
  std::vector<NirWindow> windows;
  for (std::size_t i = 0; i < axes; ++i) {
    NirWindow window{size[i], stride[i], padding[i], dilation[i], padding[i]};
    if (window.size < 1 || window.dilation > kMaxValues / window.size)
      refuse(node, "its window is too large");
    if (node.padding == "same") {
      if (window.stride != 1) refuse(node, "padding 'same' needs a stride of 1");
      const std::int64_t total = window.dilation * (window.size - 1);
      window.padding = total / 2;
      window.padding_end = total - window.padding;
    }
    windows.push_back(window);
  }
  return windows;
}

std::vector<NirNodeShapes> nir_shapes(const NirGraph& flat) {
  const std::size_t count = flat.nodes.size();
  std::unordered_map<std::string, std::size_t> position;
  for (std::size_t i = 0; i < count; ++i) position[flat.nodes[i].name] = i;
  std::vector<std::vector<std::size_t>> next(count);
  for (const auto& [from, to] : flat.edges) {
    if (position.count(from) == 0 || position.count(to) == 0)
      throw ShapeError(
          fmt::format("the edge '{:.80}' -> '{:.80}' leads to a node that is not there", from, to));
    next[position[from]].push_back(position[to]);
  }
  std::vector<NirNodeShapes> shapes(count);
  std::vector<bool> known(count, false);
  std::deque<std::size_t> queue;
  const auto settle = [&](std::size_t i, const NirShape& input) {
    checked_size(flat.nodes[i], input);
    shapes[i] = {input, output_of(flat.nodes[i], input)};
    checked_size(flat.nodes[i], shapes[i].output);
    known[i] = true;
    queue.push_back(i);
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto input = own_input(flat.nodes[i])) settle(i, *input);
  }
  while (!queue.empty()) {
    const std::size_t i = queue.front();
    queue.pop_front();
    for (const std::size_t to : next[i]) {
      if (!known[to]) settle(to, shapes[i].output);
    }
  }
  // What contradicts the input is said first: the rest follows from it.
  for (const bool inputs : {true, false}) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!known[i] || (flat.nodes[i].kind == NirKind::kInput) != inputs) continue;
      for (const std::size_t to : next[i])
        check_edge(flat.nodes[i], shapes[i].output, flat.nodes[to], shapes[to].input);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!known[i]) refuse(flat.nodes[i], "its shape is unknown: no edge leads to it and it has no parameter");
  }
  return shapes;
}

}  // namespace spikeloom::formats
