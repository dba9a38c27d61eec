#pragma once
// A structure string applied to an input: what each layer is called, its shapes, parameters and work.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/model/settings.h"
#include "spikeloom/model/shape.h"
#include "spikeloom/model/structure.h"

namespace spikeloom::model {

/// In the place of an index: the network's input instead of a layer or stage; no stage; no slot.
constexpr int kInput = -1, kNoStage = -1, kNoSlot = -1;

/// Spikes that a layer with weights takes: of another one, through the pools between them.
struct Source {
  int layer = kInput;  ///< index in NetworkPlan::layers; kInput: the network's input
  Pool pool;
};
inline bool operator==(const Source& a, const Source& b) { return a.layer == b.layer && a.pool == b.pool; }

struct LayerPlan {
  LayerSpec spec;  ///< as written; of a global average pooling with the side of its map
  /// "conv1", "pool1", "fc1", "rfc1", "voting", "readout": numbered by kind, from 1; "conv4_shortcut": the
  /// projection of the block whose last convolution is conv4.
  std::string name;
  Shape input;   ///< a fully connected layer sees input.size() values, {C, H, W} flattened
  Shape output;  ///< {neurons, 1, 1} for layers without maps
  std::int64_t parameters =
      0;  ///< weights, biases where it has them, and what normalises its current or output
  std::int64_t macs_per_step = 0;  ///< dense multiply-accumulates of one sample and one time step
  bool neunorm_after = false;      ///< NeuNorm acts on `output`
  bool dropout_before = false;     ///< dropout acts on `input`
  bool normalised = false;         ///< batch normalisation acts on its current, and it has no bias
  std::int64_t statistics = 0;     ///< values that it keeps and that are no parameters
  bool is_shortcut = false;  ///< a block's projection: a convolution that the structure string does not name
  bool has_neurons = false;  ///< its output are spikes; not of pools, Readout and projections of MS blocks
  /// Of a layer with weights: whose spikes are summed to its input. More than one behind a SEW block.
  std::vector<Source> sources;
  /// Of the last convolution of an MS block: the earlier layer whose whole current is added to its own,
  /// behind normalisation.
  std::vector<int> shortcuts;

  /// macs_per_step without those that multiply a zero of the padding: its synapses.
  std::int64_t synapses() const;
  /// Whether the way back needs the current as it came from the weights.
  bool keeps_current() const { return normalised; }
};

struct NetworkPlan {
  Shape input;
  int num_classes = 0;
  std::vector<LayerPlan> layers;

  std::int64_t parameters() const;
  std::int64_t macs_per_step() const;
};

/// At most so many sets of spikes are summed where SEW blocks follow each other.
constexpr std::size_t kMaxSources = 256;

/// The layers of `settings.structure` for samples of shape `input`.
/// Residual blocks. A SEW block's output is the sum of the spikes that come in and those of its last layer;
/// an MS block adds the current of the layer whose spikes come in to the current of its last convolution.
/// Where that cannot be added as it is - another number of channels or size; for MS also pools or a SEW block
/// before it - a projection is inserted before the block's last convolution: of the spikes that come in,
/// through a pool of the factor of all of the block's pools, a 1x1 convolution with the stride of all of its
/// convolutions. Of a SEW block it has neurons, of an MS block its current is added. A pool behind a SEW
/// block acts on each of the summed sets of spikes. NeuNorm (settings.neunorm.enabled) follows each
/// convolution that a later convolution follows, or, with after_pooling, the last pooling between the two;
/// never a fully connected layer. Its U has one value per position, or per position and channel with
/// per_channel_u, and counts as a parameter of the layer it follows. Batch normalisation (settings.norm) acts
/// on every layer with weights but the last; two parameters a channel, and num_steps more with kTebn; running
/// means and variances are no parameters. Of a recurrent layer it acts on what comes from outside. Dropout
/// (settings.dropout.rate > 0) precedes every layer with weights but the first, the last and projections;
/// spikes of a recurrent layer itself are not dropped. The voting layer is fully connected with num_classes *
/// neurons_per_class neurons, Readout with num_classes. Not counted: learnable decays and thresholds (at most
/// two a layer), arithmetic of NeuNorm and batch normalisation, additions of biases and shortcuts, and
/// pooling (no multiplication by weights). Throws StructureError (the structure string), ConfigError
/// (num_classes or neurons_per_class < 1; NeuNorm or kTebn in an ANN; NeuNorm with blocks; more than
/// kMaxSources; spikes that would go through pools of different kinds on one way), ShapeError (an input with
/// sizes outside 1..65536, a layer whose output would be empty or whose counts exceed 2^63 - 1, global
/// average pooling of a map that is not square, a block that no projection can bridge; names layer and
/// shapes). Sources: Wu et al. 2019, sections "NeuNorm" and "Experiments"; Fang et al. 2021 (SEW-ResNet,
/// ADD); Hu et al. 2024 (MS-ResNet, whose projection takes the current: ours takes spikes, so that every
/// product but the first has spikes to work on).
NetworkPlan plan_network(const NetworkSettings& settings, Shape input, int num_classes);

/// "conv3 AP2", "input".
std::string source_text(const NetworkPlan& plan, const Source& source);

/// "conv1 + conv3 AP2": what a layer with weights takes; "" for a pool.
std::string sources_text(const NetworkPlan& plan, const LayerPlan& layer);

}  // namespace spikeloom::model
