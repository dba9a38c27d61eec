#include "spikeloom/model/program.h"

#include <algorithm>

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
    for (const LayerPlan& layer : plan_.layers) {
      stage_of_.push_back(layer.spec.has_weights() ? static_cast<int>(program_.stages.size()) : kNoStage);
      if (layer.spec.has_weights()) {
        add_stage(layer);
      } else if (layer.neunorm_after) {
        neunorm_u_ = add_neunorm(layer);
        neunorm_after_pool_ = true;
      }
    }
    place_slots();
    assign_classes(seed);
    return std::move(program_);
  }

 private:
  int add_slot(std::string name, std::vector<std::int64_t> shape, Role role,
               std::optional<double> start = std::nullopt) {
    Slot slot;
    slot.name = std::move(name);
    slot.size = 1;
    for (const std::int64_t extent : shape) slot.size *= extent;
    slot.shape = std::move(shape);
    slot.role = role;
    slot.trained = role != Role::kStatistics;
    slot.start = start;
    program_.slots.push_back(std::move(slot));
    return static_cast<int>(program_.slots.size()) - 1;
  }

  int add_neunorm(const LayerPlan& layer) {
    const std::int64_t maps = settings_.neunorm.per_channel_u ? layer.output.channels : 1;
    return add_slot(layer.name + ".neunorm_u", {maps, layer.output.height, layer.output.width},
                    Role::kNeuNorm, settings_.neunorm.u_init);
  }

  void add_stage(const LayerPlan& layer) {
    Stage stage;
    stage.name = layer.name;
    stage.number = static_cast<int>(program_.stages.size());
    for (const Source& source : layer.sources) {
      stage.inputs.push_back(Edge{stage_of(source.layer), source.pool, neunorm_u_, neunorm_after_pool_});
    }
    neunorm_u_ = kNoSlot;
    neunorm_after_pool_ = false;
    stage.dropout = layer.dropout_before ? settings_.dropout.rate : 0.0;
    stage.same_mask_each_step = settings_.dropout.same_mask_each_step;
    add_product(layer, stage);
    if (layer.normalised) add_norm(layer, stage.norm);
    for (const int shortcut : layer.shortcuts) stage.shortcuts.push_back(stage_of(shortcut));
    if (layer.neunorm_after) neunorm_u_ = add_neunorm(layer);
    add_neuron(layer, stage.neuron);
    stage.neunorm.decay = settings_.neunorm.decay;
    stage.neunorm.coefficient =
        kernels::neunorm_coefficient(settings_.neunorm.scale, settings_.neunorm.decay, layer.output.channels);
    program_.stages.push_back(std::move(stage));
  }

  int stage_of(int layer) const {
    return layer == kInput ? kInput : stage_of_[static_cast<std::size_t>(layer)];
  }

  void add_product(const LayerPlan& layer, Stage& stage) {
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
    if (layer.spec.kind == LayerKind::kRecurrent) {
      stage.recurrent = add_slot(layer.name + ".recurrent_weight", {features, features}, role);
    }
    if (settings_.bias && !layer.normalised) {
      product.bias = add_slot(layer.name + ".bias", {features}, role, 0.0);
      program_.slots.back().is_bias = true;
    }
  }

  void add_norm(const LayerPlan& layer, Norm& norm) {
    const NormSettings& settings = settings_.norm;
    const bool tebn = settings.kind == NormKind::kTebn;
    const std::vector<std::int64_t> channels{layer.output.channels};
    norm.kind = settings.kind;
    norm.scale = add_slot(layer.name + ".norm_scale", channels, Role::kNorm, 1.0);
    norm.shift = add_slot(layer.name + ".norm_shift", channels, Role::kNorm, 0.0);
    if (tebn) {
      norm.step_scale = add_slot(layer.name + ".norm_step_scale", {settings_.num_steps}, Role::kNorm, 1.0);
    }
    norm.mean = add_slot(layer.name + ".norm_mean", channels, Role::kStatistics, 0.0);
    norm.variance = add_slot(layer.name + ".norm_variance", channels, Role::kStatistics, 1.0);
    norm.momentum = settings.momentum;
    norm.epsilon = settings.epsilon;
    norm.factor = tebn || !program_.spiking ? 1.0 : settings.alpha * settings_.neuron.v_threshold;
  }

  void add_neuron(const LayerPlan& layer, Neuron& neuron) {
    neuron.params = settings_.neuron;
    neuron.params.learnable = settings_.learn_decay || settings_.learn_v_threshold;
    if (settings_.neuron_kind == NeuronKind::kIf) neuron.params.decay = 1.0;
    if (settings_.neuron_kind != NeuronKind::kCubaLif) neuron.params.current_decay = 0.0;
    if (layer.is_shortcut && !layer.has_neurons) {
      neuron.kind = Neuron::kNone;
    } else if (!program_.spiking) {
      neuron.kind = layer.spec.is_last() ? Neuron::kLinear : Neuron::kRelu;
    } else if (!layer.has_neurons) {
      neuron.kind = Neuron::kReadout;
    } else {
      if (settings_.learn_decay) neuron.decay = add_learnt(layer, ".decay", neuron.params.decay, 0.0f, 1.0f);
      if (settings_.learn_v_threshold) {
        neuron.v_threshold = add_learnt(layer, ".v_threshold", neuron.params.v_threshold, 1e-6f);
      }
    }
  }

  int add_learnt(const LayerPlan& layer, const char* name, double start, float lowest,
                 float highest = std::numeric_limits<float>::infinity()) {
    const int slot = add_slot(layer.name + name, {}, Role::kNeuron, start);
    program_.slots.back().lowest = lowest;
    program_.slots.back().highest = highest;
    return slot;
  }

  // Buffers lie behind everything that is trained, so that gradients and moments are one range without them.
  void place_slots() {
    std::int64_t offset = 0;
    for (const bool trained : {true, false}) {
      for (Slot& slot : program_.slots) {
        if (slot.trained != trained) continue;
        slot.offset = offset;
        if (trained) program_.parameters += slot.size;
        offset += (slot.size + kSlotAlignment - 1) / kSlotAlignment * kSlotAlignment;
      }
      if (trained) program_.trained_size = offset;
    }
    program_.flat_size = offset;
  }

  void assign_classes(std::uint64_t seed) {
    const std::int64_t neurons = plan_.layers.back().output.channels;
    program_.class_of.resize(static_cast<std::size_t>(neurons));
    const bool readout = plan_.layers.back().spec.kind == LayerKind::kReadout;
    const std::int64_t per_class = readout ? 1 : settings_.voting.neurons_per_class;
    std::vector<std::int64_t> order;
    // A random permutation of the blocks: every class still has the same number of neurons.
    if (!readout && settings_.voting.assignment == VotingAssignment::kRandom) {
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
  std::vector<int> stage_of_;  // stage of each layer
  int neunorm_u_ = kNoSlot;    // between the last stage and the next
  bool neunorm_after_pool_ = false;
};

std::string edge_text(const Program& program, const Edge& edge) {
  std::string text =
      edge.stage == kInput ? "input" : program.stages[static_cast<std::size_t>(edge.stage)].name;
  const std::string pool = edge.pool.kind == Pool::kNone ? "" : " " + to_string(edge.pool);
  const std::string neunorm = edge.neunorm_u == kNoSlot ? "" : " NeuNorm";
  return text + (edge.neunorm_after_pool ? pool + neunorm : neunorm + pool);
}

std::string neuron_text(const Neuron& neuron) {
  if (neuron.fires()) return "LIF";
  return neuron.kind == Neuron::kRelu ? "ReLU" : neuron.kind == Neuron::kReadout ? "mean" : "";
}

std::string product_text(const Product& product) {
  if (!product.is_convolution()) return std::to_string(product.output.channels) + "FC";
  std::string text = std::to_string(product.output.channels) + "C" + std::to_string(product.kernel);
  if (product.stride != 1) text += "S" + std::to_string(product.stride);
  return text;
}

}  // namespace

std::vector<int> Stage::trained_slots() const {
  std::vector<int> all;
  for (const Edge& edge : inputs) all.push_back(edge.neunorm_u);
  all.insert(all.end(), {product.weight, product.bias, norm.scale, norm.shift, norm.step_scale, recurrent});
  neuron.for_each_learnt([&](int slot, auto, auto) { all.push_back(slot); });
  all.erase(std::remove(all.begin(), all.end(), kNoSlot), all.end());
  return all;
}

std::vector<int> Stage::scaling_slots() const {
  // Where the current is normalised, other weights would change nothing.
  if (norm.kind != Norm::kNone) return {norm.scale, norm.shift};
  return product.bias == kNoSlot ? std::vector<int>{product.weight}
                                 : std::vector<int>{product.weight, product.bias};
}

std::vector<std::string> Stage::extras() const {
  std::vector<std::string> texts;
  if (norm.kind != Norm::kNone) texts.emplace_back("batch normalisation");
  if (!shortcuts.empty()) texts.emplace_back("added currents");
  if (recurrent != kNoSlot) texts.emplace_back("a recurrent layer");
  if (neuron.decay != kNoSlot) texts.emplace_back("a learnable neuron.decay");
  if (neuron.v_threshold != kNoSlot) texts.emplace_back("a learnable neuron.v_threshold");
  if (inputs.size() != 1) texts.emplace_back("the sum of several inputs");
  return texts;
}

int Program::find_slot(const std::string& name) const {
  const auto found =
      std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.name == name; });
  return found == slots.end() ? kNoSlot : static_cast<int>(found - slots.begin());
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
    if (stage.recurrent != kNoSlot) text += "  recurrent";
    if (stage.norm.kind != Norm::kNone) text += "  " + to_string(stage.norm.kind);
    for (const int shortcut : stage.shortcuts) {
      text += "  + " + program.stages[static_cast<std::size_t>(shortcut)].name;
    }
    const std::string neuron = neuron_text(stage.neuron);
    if (!neuron.empty()) text += "  " + neuron;
    text += "\n";
  }
  return text;
}

}  // namespace spikeloom::model
