#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace spikeloom::app::testing {

/// Whether Chromium is installed.
bool has_browser();

/// Opens a report in Chromium, without a network, in a window of so many pixels, tries its charts, tables and
/// keys, and says what it found: "problems" (a list of texts: errors and warnings of the console, what was
/// loaded, charts without marks, tables that do not sort, pictures without a text, content wider than the
/// window), "charts", "tables", "rasters", "wide" (how many, these scroll sideways), "width".
nlohmann::json check_in_browser(const std::string& file, int width);

/// Seconds from the beginning of a report's loading until all of it is laid out and its charts are drawn.
double seconds_to_open(const std::string& file);

}  // namespace spikeloom::app::testing
