#pragma once
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spikeloom/base/text.h"

namespace spikeloom::app {

/// Writes a line. Throws DataError if it cannot be written (output redirected to a full disk).
void print_line(std::FILE* stream, const std::string& text);

/// Writes text that ends its lines itself. Throws as print_line does.
void print_text(std::FILE* stream, const std::string& text);

/// Writes JSON. Bytes of a file name that are not UTF-8 are replaced.
void print_json(const nlohmann::ordered_json& json, std::FILE* stream = stdout);

/// Writes "spikeloom: warning: TEXT" to standard error, as one line; a text that was written before is not
/// written again. Thread-safe.
void print_warning(const std::string& text);

/// The text up to the first line end.
std::string first_line(const std::string& text);

/// 1.2456e9 -> "1.246 G"; thousand steps, four digits.
std::string with_prefix(double value);

/// 75.4 -> "1:15"; 3700 -> "1:01:40".
std::string duration(double seconds);

/// Columns as wide as their widest cell, two blanks between them; the first is left-aligned, the others too
/// unless `right` says otherwise.
std::string table(const std::vector<std::vector<std::string>>& rows, const std::vector<bool>& right);

/// Standard output is a terminal (a progress bar may be drawn).
bool is_terminal(std::FILE* stream);

}  // namespace spikeloom::app
