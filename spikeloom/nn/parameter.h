#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace spikeloom::nn {

/// What a parameter is: decides its learning rate.
enum class ParameterRole { kConvolution, kFullyConnected, kNeuNorm, kNeuron };

struct Parameter {
  std::string name;  ///< "conv1.weight", "fc2.bias", "conv1.neunorm_u", "conv3.decay"
  at::Tensor value;  ///< leaf that requires a gradient
  ParameterRole role;
  bool is_bias = false;  ///< of a convolution or a fully connected layer
};

}  // namespace spikeloom::nn
