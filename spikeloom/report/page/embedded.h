#pragma once
#include <string>

namespace spikeloom::report {

/// A file of spikeloom/report/page, or Chart.js ("chart.min.js"), as the build put it in. Throws
/// std::out_of_range for another name.
std::string embedded_text(const std::string& name);

}  // namespace spikeloom::report
