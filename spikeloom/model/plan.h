#pragma once
// A structure string applied to an input: what each layer is called, its shapes, parameters and work.
#include <cstdint>
#include <string>
#include <vector>

#include "spikeloom/model/settings.h"
#include "spikeloom/model/shape.h"
#include "spikeloom/model/structure.h"

namespace spikeloom::model {

struct LayerPlan {
  LayerSpec spec;
  std::string name;                ///< "conv1", "pool1", "fc1", "voting": numbered by kind, from 1
  Shape input;                     ///< a fully connected layer sees input.size() values, {C, H, W} flattened
  Shape output;                    ///< {neurons, 1, 1} for fully connected and voting
  std::int64_t parameters = 0;     ///< weights, biases where the network has them, U of the NeuNorm after it
  std::int64_t macs_per_step = 0;  ///< dense multiply-accumulates of one sample and one time step
  bool neunorm_after = false;      ///< NeuNorm acts on `output`
  bool dropout_before = false;     ///< dropout acts on `input`
};

struct NetworkPlan {
  Shape input;
  int num_classes = 0;
  std::vector<LayerPlan> layers;

  std::int64_t parameters() const;
  std::int64_t macs_per_step() const;
};

/// The layers of `settings.structure` for samples of shape `input`.
/// NeuNorm (settings.neunorm.enabled) follows each convolution that a later convolution follows, or, with
/// after_pooling, the last pooling between the two; never a fully connected layer. Its U has one value per
/// position, or per position and channel with per_channel_u, and counts as a parameter of the layer it
/// follows. Dropout (settings.dropout.rate > 0) precedes every layer with weights but the first and the last.
/// The voting layer is fully connected with num_classes * neurons_per_class neurons.
/// Not counted: learnable decays and thresholds (at most two a layer), NeuNorm's own arithmetic, additions of
/// biases and pooling (no multiplication by weights).
/// Throws StructureError (the structure string), ConfigError (num_classes or neurons_per_class < 1, NeuNorm
/// in an ANN), ShapeError (an input with sizes outside 1..65536, a layer whose output would be empty or whose
/// counts exceed 2^63 - 1; names layer and shapes). Source: Wu et al. 2019, sections "NeuNorm" and
/// "Experiments".
NetworkPlan plan_network(const NetworkSettings& settings, Shape input, int num_classes);

}  // namespace spikeloom::model
