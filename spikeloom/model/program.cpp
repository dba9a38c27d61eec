#include "spikeloom/model/program.h"

#include <algorithm>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/random.h"

namespace spikeloom::model {
namespace {

class ProgramBuilder {
 public:
  ProgramBuilder(const NetworkPlan& plan, const NetworkSettings& settings)
      : plan_(plan), settings_(settings) {
    program_.input = plan.input;
    program_.num_classes = plan.num_classes;
    program_.spiking = settings.kind == NetworkKind::kSpiking;
    program_.num_steps = program_.spiking ? settings.num_steps : 1;
  }

  Program build(std::uint64_t seed) {
    for (std::size_t i = 0; i < plan_.layers.size(); ++i) {
      const LayerPlan& layer = plan_.layers[i];
      if (layer.spec.has_weights()) {
        add_stage(layer, i + 1 == plan_.layers.size());
      } else {
        add_pool(layer);
      }
    }
    place_slots();
    assign_classes(seed);
    return std::move(program_);
  }

 private:
  int add_slot(std::string name, std::vector<std::int64_t> shape, Role role, bool is_bias = false) {
    Slot slot;
    slot.name = std::move(name);
    slot.size = 1;
    for (const std::int64_t extent : shape) slot.size *= extent;
    slot.shape = std::move(shape);
    slot.role = role;
    slot.is_bias = is_bias;
    program_.slots.push_back(std::move(slot));
    return static_cast<int>(program_.slots.size()) - 1;
  }

  int add_neunorm(const LayerPlan& layer) {
    const std::int64_t maps = settings_.neunorm.per_channel_u ? layer.output.channels : 1;
    return add_slot(layer.name + ".neunorm_u", {maps, layer.output.height, layer.output.width},
                    Role::kNeuNorm);
  }

  void add_stage(const LayerPlan& layer, bool is_last) {
    Stage stage;
    stage.name = layer.name;
    stage.number = static_cast<int>(program_.stages.size());
    stage.inputs.push_back(open_);
    stage.dropout = layer.dropout_before ? settings_.dropout.rate : 0.0;
    stage.same_mask_each_step = settings_.dropout.same_mask_each_step;
    Product& product = stage.product;
    product.kind =
        layer.spec.kind == LayerKind::kConvolution ? Product::kConvolution : Product::kFullyConnected;
    product.kernel = std::max(layer.spec.kernel, 1);
    product.stride = layer.spec.stride;
    product.padding = layer.spec.padding;
    product.input = layer.input;
    product.output = layer.output;
    const Role role = product.is_convolution() ? Role::kConvolution : Role::kFullyConnected;
    const std::int64_t features = layer.output.channels;
    product.weight = product.is_convolution()
                         ? add_slot(layer.name + ".weight",
                                    {features, layer.input.channels, product.kernel, product.kernel}, role)
                         : add_slot(layer.name + ".weight", {features, layer.input.size()}, role);
    if (settings_.bias) product.bias = add_slot(layer.name + ".bias", {features}, role, true);
    open_ = Edge{stage.number, {}, kNone, false};
    if (layer.neunorm_after) open_.neunorm_u = add_neunorm(layer);
    stage.neuron.params = settings_.neuron;
    if (!program_.spiking) {
      stage.neuron.kind = is_last ? Neuron::kLinear : Neuron::kRelu;
    } else {
      if (settings_.learn_decay) stage.neuron.decay = add_slot(layer.name + ".decay", {}, Role::kNeuron);
      if (settings_.learn_v_threshold) {
        stage.neuron.v_threshold = add_slot(layer.name + ".v_threshold", {}, Role::kNeuron);
      }
    }
    stage.neunorm.decay = settings_.neunorm.decay;
    stage.neunorm.coefficient =
        kernels::neunorm_coefficient(settings_.neunorm.scale, settings_.neunorm.decay, features);
    program_.stages.push_back(std::move(stage));
  }

  // Poolings in a row are one: averages of averages of whole windows, and a rest that is dropped in two goes
  // is dropped in one as well.
  void add_pool(const LayerPlan& layer) {
    const Pool::Kind kind = Pool::kAverage;
    if (open_.pool.kind != Pool::kNone && open_.pool.kind != kind) {
      throw ConfigError(layer.name + ": poolings of different kinds in a row; use one kind");
    }
    open_.pool = {kind, open_.pool.factor * layer.spec.kernel};
    if (!layer.neunorm_after) return;
    open_.neunorm_u = add_neunorm(layer);
    open_.neunorm_after_pool = true;
  }

  void place_slots() {
    std::int64_t offset = 0;
    for (Slot& slot : program_.slots) {
      slot.offset = offset;
      program_.parameters += slot.size;
      offset += (slot.size + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
    }
    program_.flat_size = offset;
  }

  void assign_classes(std::uint64_t seed) {
    const std::int64_t neurons = plan_.layers.back().output.channels;
    program_.class_of.resize(static_cast<std::size_t>(neurons));
    const auto per_class = static_cast<std::int64_t>(settings_.voting.neurons_per_class);
    std::vector<std::int64_t> order;
    // A random permutation of the blocks: every class still has the same number of neurons.
    if (settings_.voting.assignment == VotingAssignment::kRandom) {
      order = random_permutation(neurons, seed, RandomPurpose::kVoting);
    }
    for (std::int64_t i = 0; i < neurons; ++i) {
      const std::int64_t neuron = order.empty() ? i : order[static_cast<std::size_t>(i)];
      program_.class_of[static_cast<std::size_t>(neuron)] = static_cast<std::int32_t>(i / per_class);
    }
  }

  const NetworkPlan& plan_;
  const NetworkSettings& settings_;
  Program program_;
  Edge open_;  // what the next stage reads
};

std::string edge_text(const Program& program, const Edge& edge) {
  std::string text =
      edge.stage == kNone ? "input" : program.stages[static_cast<std::size_t>(edge.stage)].name;
  const std::string pool = edge.pool.kind == Pool::kNone ? ""
                                                         : (edge.pool.kind == Pool::kMax ? " MP" : " AP") +
                                                               std::to_string(edge.pool.factor);
  const std::string neunorm = edge.neunorm_u == kNone ? "" : " NeuNorm";
  return text + (edge.neunorm_after_pool ? pool + neunorm : neunorm + pool);
}

std::string product_text(const Product& product) {
  if (!product.is_convolution()) return std::to_string(product.output.channels) + "FC";
  std::string text = std::to_string(product.output.channels) + "C" + std::to_string(product.kernel);
  if (product.stride != 1) text += "S" + std::to_string(product.stride);
  return text;
}

}  // namespace

int Program::find_slot(const std::string& name) const {
  const auto found =
      std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.name == name; });
  return found == slots.end() ? kNone : static_cast<int>(found - slots.begin());
}

Program make_program(const NetworkPlan& plan, const NetworkSettings& settings, std::uint64_t seed) {
  return ProgramBuilder(plan, settings).build(seed);
}

std::string to_string(const Program& program) {
  std::string text;
  for (const Stage& stage : program.stages) {
    text += stage.name + "  <- ";
    for (std::size_t i = 0; i < stage.inputs.size(); ++i) {
      text += (i == 0 ? "" : " + ") + edge_text(program, stage.inputs[i]);
    }
    text += "  " + product_text(stage.product) + " " + to_string(stage.product.output);
    text += stage.neuron.kind == Neuron::kLif ? "  LIF" : stage.neuron.kind == Neuron::kRelu ? "  ReLU" : "";
    text += "\n";
  }
  return text;
}

}  // namespace spikeloom::model
