#pragma once
// What a network is besides its structure string: the [network], [neuron], [norm], [neunorm], [voting],
// [dropout] and [init] tables of a recipe as structs. Plain data that trainer, checkpoint and runtime share.
#include <optional>
#include <string>

#include "spikeloom/kernels/neunorm_params.h"
#include "spikeloom/kernels/neuron_params.h"

namespace spikeloom::model {

/// Spiking network, or the artificial network of the same structure (ReLU, one step) as baseline.
enum class NetworkKind { kSpiking, kAnn };

/// Which spiking neuron.
///   kLif      v_pre[t] = decay v[t-1] + x[t]
///   kIf       the same with decay 1: nothing leaks
///   kCubaLif  i[t] = current_decay i[t-1] + x[t],  v_pre[t] = decay v[t-1] + i[t]
enum class NeuronKind { kLif, kIf, kCubaLif };

/// Batch normalisation of the currents of every convolution and fully connected layer but the last, over
/// samples, positions and steps. Per channel, with mean m and variance s2 of the batch (in inference: the
/// running ones):
///   y[t] = scale * factor * (x[t] - m) / sqrt(s2 + epsilon) + shift
///   kTdbn  factor = alpha * v_threshold  (Zheng et al. 2021)
///   kTebn  factor = 1, and y[t] is multiplied by step_scale[t], one number a layer and step (Duan et al.
///   2022)
/// scale, shift and step_scale are learnt; they start at 1, 0 and 1. Such layers have no bias.
enum class NormKind { kNone, kTdbn, kTebn };
std::string to_string(NormKind kind);  ///< "tdBN", "TEBN", ""
struct NormSettings {
  NormKind kind = NormKind::kNone;
  double momentum = 0.1;  ///< in (0, 1]: share of the newest batch in the running mean and variance
  double epsilon = 1e-5;  ///< > 0
  double alpha = 1.0;     ///< > 0, kTdbn
};

struct NeuNormSettings {
  bool enabled = false;
  double decay = 0.8;  ///< k_tau2 of eq. 9
  kernels::NeuNormScale scale = kernels::NeuNormScale::kMean;
  bool per_channel_u = false;  ///< U [C, H, W] instead of [1, H, W]
  double u_init = 0.0;
  bool after_pooling = false;  ///< default: before the pooling that follows
};

enum class VotingAssignment { kBlocks, kRandom };
struct VotingSettings {
  int neurons_per_class = 10;
  VotingAssignment assignment = VotingAssignment::kBlocks;
};

struct DropoutSettings {
  double rate = 0.0;  ///< probability that an input is dropped, before every layer but the first and the last
  bool same_mask_each_step = false;
};

enum class InitScheme {
  /// Normal, std = gain * (v_threshold / 0.75) * sqrt(2 / fan_in); of an artificial network gain * sqrt(2 /
  /// fan_in).
  kKaiming,
  kCalibrated,  ///< kKaiming, then each layer scaled on the first batch until it fires at firing_rate
};
/// Where the first convolution starts.
enum class EncodingInit {
  kNormal,    ///< as every layer
  kWhitened,  ///< eigenvectors of the covariance of the training data's patches, each brought to one variance
};
struct InitSettings {
  InitScheme scheme = InitScheme::kKaiming;
  EncodingInit encoding = EncodingInit::kNormal;
  /// 2 for spiking networks. Artificial ones want 1, which is plain Kaiming-normal and a recipe's default
  /// there.
  double gain = 2.0;
  double firing_rate = 0.2;
};

/// How the network is computed. Never decides what is computed, only how exactly and how fast. What inference
/// computes depends on these settings and the weights alone: not on the batch, on parts of it, or on
/// densities.
enum class StateMode {
  kCompact,  ///< kept for backward: 1 bit a spike, 1 bit or a code of v_pre (kernels/v_pre_code.h)
  kExact,    ///< spikes and v_pre in full: what compact state is compared with
};
enum class Precision {
  kAuto,  ///< kBf16 where processor or device have it fast, else kFp32: settled before anything runs
  kFp32,
  kBf16,  ///< convolutions and matrix products of bfloat16; weights, optimiser and membrane stay float
};
/// How the products of spikes and weights, and the weights' gradient, are computed (state kCompact only).
enum class Path {
  /// Training: event-driven where few spikes come in, else dense, in integers where that is faster.
  /// Inference:
  /// with Precision::kBf16 convolutions of 32 filters and more have the event-driven currents, unless
  /// event_forward_below is 0.
  kAuto,
  kDense,  ///< as if every input were a number: convolutions and matrix products of oneDNN and BLAS
  kEvent,  ///< event-driven wherever that is possible
};
enum class Crossover {
  kMeasured,  ///< once for a machine and a network
  kFixed,     ///< ComputeSettings::event_*_below: the same path on every machine
};
struct ComputeSettings {
  StateMode state = StateMode::kCompact;
  Precision precision = Precision::kAuto;
  Path path = Path::kAuto;
  Crossover crossover = Crossover::kMeasured;
  /// Megabytes that a convolution's currents may take: a batch that needs more than twice that runs through
  /// the convolutions some samples at a time (compact state). 0: never.
  double working_set_mb = 20.0;
  /// Path::kAuto with Crossover::kFixed: spikes for each input of the weights below which the current (only
  /// with Precision::kBf16: weights are rounded to 1023 steps from 0 to the largest of a filter) and the
  /// weights' gradient are event-driven. docs/performance.md.
  double event_forward_below = 0.45;
  double event_gradient_below = 0.45;
  /// Share of open surrogate windows below which the gradient of a convolution's input (with
  /// Precision::kBf16, where no pooling lies between) is computed for their neurons only.
  double open_windows_below = 0.5;
};

struct NetworkSettings {
  std::string structure;  ///< "128C3(Encoding)-256C3-AP2-...-512FC-Voting"
  NetworkKind kind = NetworkKind::kSpiking;
  int num_steps = 8;  ///< T
  bool bias = true;
  NeuronKind neuron_kind = NeuronKind::kLif;
  kernels::NeuronParams neuron;  ///< decay: not of kIf; current_decay: of kCubaLif
  bool learn_decay = false;
  bool learn_v_threshold = false;
  NormSettings norm;
  NeuNormSettings neunorm;
  VotingSettings voting;
  DropoutSettings dropout;
  InitSettings init;
  ComputeSettings compute;

  /// The key of what has parameters for each step, so that their number cannot change; "" where nothing has.
  std::string fixes_num_steps() const;
  /// The key of what works on all samples of a batch at once; "" where nothing does.
  std::string needs_whole_batch() const;
};

/// What stands against a setting: the key that is to change, in which table, and why.
struct Contradiction {
  std::string table, key, message;
};
/// The first pair of settings that cannot be combined, if there is one. blocks: the structure has such.
std::optional<Contradiction> contradiction(const NetworkSettings& settings, bool blocks);

}  // namespace spikeloom::model
