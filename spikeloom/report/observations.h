#pragma once
// What a trained network does with samples, as plain data: who ran it hands this to the page.
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::report {

/// A sample to look at.
struct Picture {
  std::int64_t width = 0, height = 0, channels = 0;
  bool is_events = false;  ///< channels are polarities, 0 off and 1 on; values are events
  /// [height, width, channels], 255 the largest value of the sample, 0 its smallest (of events: none).
  std::vector<std::uint8_t> values;
};

/// What a network decided about a sample.
struct Decision {
  std::int64_t index = 0;  ///< in its part of the set
  int label = 0, prediction = 0, runner_up = -1;
  /// Of the prediction, see Observations::confidence; and of the label.
  double confidence = 0.0, label_confidence = 0.0;
};

constexpr int kRasterSteps = 256;

/// Spikes of a layer for one sample.
struct LayerRaster {
  std::string layer;
  std::int64_t neurons = 0, spikes = 0;  ///< of the whole layer, all steps
  std::int64_t active = 0;               ///< neurons that fired in the first kRasterSteps
  std::vector<std::int64_t> shown;       ///< which of these, in memory order
  std::vector<std::string> trains;       ///< of each that is shown: '0' or '1' a step
};

struct SampleRaster {
  Decision decision;
  Picture picture;
  int num_steps = 0;                      ///< of the sample; of trains: at most kRasterSteps, the first ones
  std::vector<LayerRaster> layers;        ///< those that fire
  std::vector<int> vote_steps;            ///< from 1: evenly spaced over all steps, and the last one
  std::vector<std::vector<float>> votes;  ///< [vote_steps][classes], after that step
};

struct HardSample {
  Decision decision;
  Picture picture;
};

/// Counts of values in equal bins of [low, high]; what lies outside is in the first and last bin.
struct Histogram {
  double low = 0.0, high = 1.0;
  std::vector<std::int64_t> counts;
};

struct LayerObservation {
  std::string name;
  bool fires = false;
  std::int64_t neurons = 0;
  std::int64_t spikes = 0;  ///< all samples and steps
  double firing_rate = 0.0;
  /// Work of its product for one sample, the mean: additions of weights, one for each synapse that a spike
  /// (or event) reaches; and multiply-accumulates, of inputs that are no spikes and not 0.
  double synaptic_operations = 0.0, macs = 0.0;
  double updates = 0.0;  ///< of membrane potentials, one multiply-accumulate each: neurons x steps
  Histogram potentials;  ///< before reset, as fractions of the threshold; empty unless it fires
};

struct CalibrationBin {
  std::int64_t samples = 0, correct = 0;
  double confidence = 0.0;  ///< mean
};

struct Observations {
  std::string model, dataset, split;
  std::int64_t samples = 0, part_size = 0;  ///< observed, evenly spaced over the part
  std::int64_t correct = 0;
  std::vector<std::string> classes;
  std::string confidence;  ///< what it is, in words
  bool spiking = true;
  std::vector<std::vector<std::int64_t>> confusion;  ///< [label][prediction]
  std::vector<CalibrationBin> calibration;           ///< ten equal bins of [0, 1]
  double calibration_error = 0.0;                    ///< ECE: mean |accuracy - confidence| over the samples
  std::vector<LayerObservation> layers;
  std::vector<SampleRaster> rasters;
  std::vector<HardSample> hardest;  ///< of the lowest confidence in the label, the lowest first
};

}  // namespace spikeloom::report
