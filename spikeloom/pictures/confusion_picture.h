#pragma once
#include <cstdint>
#include <vector>

#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::pictures {

/// A confusion matrix as a picture: row = label, column = prediction, as dark as the share of the label's
/// samples that got the prediction; white: none, grey: a label without samples. Right predictions are blue,
/// wrong ones orange, so that colours tell them apart for everyone. Square, up to 512 pixels; no text.
/// counts: [classes][classes]. Throws ShapeError if it is not square, or has no class or more than 512.
formats::Image confusion_picture(const std::vector<std::vector<std::int64_t>>& counts);

}  // namespace spikeloom::pictures
