#pragma once
// Internal to train: a first convolution that starts as a whitening of its input.
#include <cstdint>
#include <memory>

#include "spikeloom/data/dataset.h"
#include "spikeloom/model/settings.h"
#include "spikeloom/train/network/network.h"

namespace spikeloom::train {

/// Writes the weights of the first stage, a convolution F x C k k, over those of `network`.
///
/// With the covariance of the patches [k, k, C] of up to 512 training samples (every place and step at which
/// the whole patch lies inside of the image; without augmentation; samples in the order of `seed`), its
/// eigenvectors e_i and eigenvalues l_i, largest first, the filters are
///   +w_1, -w_1, +w_2, -w_2, ...   w_i = s e_i / sqrt(l_i + 5e-4 m)
/// (m: mean of the eigenvalues, so that directions without variance stay small), and from 2 C k k filters on
/// random directions of the whitened patches, s sum_i g_i e_i / sqrt(l_i + 5e-4 m) with |g| = 1. Both signs,
/// since a neuron says only that its current is high. Each current then has the standard deviation s, that
/// which initial weights of `settings` give inputs of variance 1 (engine/initialise.h). After A. Coates, A.
/// Ng, "Learning Feature Representations with K-means" (2012), and K. Jordan, "94% on CIFAR-10 in 3.29
/// Seconds on a Single GPU" (2024), whose first convolution is whitened and not trained.
///
/// Throws ConfigError where the first layer is no convolution or the training data do not vary.
void whiten_first_layer(Network& network, const model::NetworkSettings& settings,
                        const std::shared_ptr<const data::Dataset>& training, std::uint64_t seed);

}  // namespace spikeloom::train
