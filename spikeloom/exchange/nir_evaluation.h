#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/exchange/nir_simulator.h"

namespace spikeloom::exchange {

struct NirEvaluation {
  std::int64_t samples = 0, correct = 0;
  std::int64_t output_spikes = 0;  ///< sum of all outputs: of neurons that fire, their spikes
  std::vector<std::pair<std::string, std::int64_t>> spikes;  ///< of each firing node
  std::vector<std::vector<std::int64_t>> confusion;          ///< [label][guess]
};

/// Which samples of a set, and how long each.
struct NirSamples {
  std::int64_t limit = 0;        ///< only the first so many; 0: all
  bool every_step = false;       ///< false: a recording up to its last step that has an event
  std::int64_t image_steps = 1;  ///< for which a still image is shown
};

/// The sums of the outputs over a sample, [T, H, W, C] (data/dataset.h), from a reset on: shown step by step
/// as [C, H, W]. A still image is shown for which.image_steps steps.
std::vector<double> run_sample(NirSimulator& graph, const std::vector<float>& sample,
                               const data::SampleShape& shape, const NirSamples& which = {});

/// The sums of the outputs from a reset on, of steps that are laid out as the graph takes them, row-major one
/// after the other: [T, input_shape()]. A single one is shown for image_steps steps. Throws ShapeError unless
/// they are whole steps.
std::vector<double> run_steps(NirSimulator& graph, Span<const float> values, std::int64_t image_steps);

/// Throws ShapeError with both shapes if the samples do not fit the graph's input or there are not as many
/// outputs as classes.
void check_fit(const NirSimulator& graph, const data::Dataset& samples);

/// Runs a graph over samples of a set. Each is shown step by step, [C, H, W] (or flattened, where the graph
/// takes one dimension; [C, W] where it takes two and the samples have one row); its class is the output with
/// the largest sum, of equal ones the lowest. Samples are spread over the threads of OpenMP; the result does
/// not depend on them. Throws ShapeError with both shapes if the samples do not fit the graph's input or
/// there are fewer outputs than classes; what Dataset::read throws.
NirEvaluation evaluate_nir(const NirSimulator& graph, const data::Dataset& samples, const NirSamples& which,
                           const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace spikeloom::exchange
