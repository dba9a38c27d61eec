#pragma once
// One file of one's own as a sample of a network: prepared as the samples of its training were.
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/settings.h"
#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::data {

/// How a file becomes a sample.
struct FileSampling {
  DataSettings settings;                             ///< of the training
  int num_steps = 1;                                 ///< of a recording
  std::int64_t channels = 0, height = 0, width = 0;  ///< what the network takes
  /// Of a recording. What stands at its default is taken from the settings and what is known of their set.
  formats::EventReaderOptions reader;
  /// An image of another size is brought to the network's in this way; nullopt: data.resize where the
  /// settings have data.image_size, else it is refused.
  std::optional<Resize> resize;
  const Standardization* standardization = nullptr;  ///< of the pixels; nullptr: byte / 255
};

/// What the file gives: [num_steps or 1, height, width, channels].
struct FileSample {
  SampleShape shape;
  std::vector<float> values;
  std::string columns;  ///< formats::EventReader::columns_by_value() of a recording
};

/// By its content; false where it cannot be read.
bool holds_image(const std::string& path);

/// An image (PNG, JPEG; by content) or a recording in any format that is read. Throws DataError or
/// FormatError naming the file, also where its pixels, channels or sensor do not fit the network, with what
/// would; ConfigError for reader options that are wrong.
FileSample read_file_sample(const std::string& path, const FileSampling& sampling);

}  // namespace spikeloom::data
