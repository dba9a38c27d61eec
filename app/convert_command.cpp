#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/commands.h"
#include "app/event_file_options.h"
#include "app/output.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/base/output_target.h"
#include "spikeloom/formats/events/event_format.h"
#include "spikeloom/formats/events/write_events.h"

namespace spikeloom::app {
namespace {

struct ConvertOptions {
  std::string input, output, to;
  EventFileOptions recording;
  bool force = false, json = false;
};

/// The format to write: --to, or what the suffix means.
std::string output_format(const ConvertOptions& options) {
  const std::string format =
      options.to.empty() ? formats::event_format_of_suffix(options.output) : options.to;
  if (!format.empty()) return format;
  throw ConfigError(fmt::format("{}: this suffix does not name a format: add --to with one of {}",
                                options.output, joined(formats::writable_event_formats())));
}

/// A file that is there is replaced on request only, and a terminal is no place for bytes.
void check_output(const ConvertOptions& options, const std::string& format, const OutputTarget& target) {
  std::error_code ignored;
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(options.output, ignored));
  if (exists && !options.force && target.kind != OutputTarget::Kind::kStream) {
    throw ConfigError(options.output + " already exists: choose another name, or use --force to replace it");
  }
  if (target.descriptor == STDOUT_FILENO && format != "csv" && is_terminal(stdout)) {
    throw ConfigError("standard output is a terminal: redirect it, or write text with --to csv");
  }
}

/// Whether a file is taken for what it is without --format; a few events may be those of any format without a
/// header.
bool is_known_by_content(const std::string& path, const std::string& format) {
  const formats::EventFormat* written = formats::find_event_format(format);
  try {
    return written != nullptr && formats::open_events(path)->format() == std::string(written->name);
  } catch (const Error&) {
    return false;
  }
}

int run_convert(const ConvertOptions& options) {
  const std::string format = output_format(options);
  const std::string output = options.output == "-" ? "/dev/stdout" : options.output;
  const OutputTarget target = resolve_output(output);
  check_output(options, format, target);
  const auto reader = formats::open_events(options.input, options.recording.reader_options());
  const std::string columns = reader->columns_by_value();
  // Before the events, so that a wrong order is seen in time.
  print_columns(options.input, columns);
  formats::EventFileWriter writer(output, format, reader->width(), reader->height());
  std::vector<events::Event> piece(std::size_t{1} << 14);
  std::int64_t total = 0;
  std::size_t count = 0;
  while ((count = reader->read(piece.data(), piece.size())) > 0) {
    writer.write(piece.data(), count);
    total += static_cast<std::int64_t>(count);
  }
  writer.commit();
  const bool is_file = target.kind != OutputTarget::Kind::kStream;
  const bool needs_format = is_file && !is_known_by_content(target.path, format);
  // What is said must not get among the events.
  std::FILE* stream = target.descriptor == STDOUT_FILENO ? stderr : stdout;
  if (options.json) {
    nlohmann::ordered_json json = {{"input", options.input},
                                   {"input_format", reader->format()},
                                   {"output", options.output},
                                   {"output_format", format},
                                   {"events", total}};
    if (needs_format) json["needs_format"] = format;
    if (!columns.empty()) json["columns"] = columns + " (from the values)";
    if (options.recording.drop_outside) json["dropped_outside"] = reader->dropped_events();
    if (options.recording.partial) json["unread_bytes"] = reader->unread_bytes();
    print_json(json, stream);
  } else {
    print_line(stream,
               fmt::format("{}: {} of {} ({}) as {}", one_line(options.output), counted(total, "event"),
                           one_line(options.input), reader->format(), format));
    if (needs_format) {
      print_line(stream,
                 fmt::format("{}: its format is not detected from its content (too few events, or too "
                             "long between them): read it with --format {}",
                             one_line(options.output), format));
    }
    if (const std::string left_out = left_out_text(*reader); !left_out.empty()) {
      print_line(stream, fmt::format("{}: {}", one_line(options.input), left_out));
    }
  }
  return kOk;
}

}  // namespace

void add_convert(CLI::App& program, Command& chosen) {
  auto options = std::make_shared<ConvertOptions>();
  auto* command = program.add_subcommand(
      "convert",
      "Write an event recording in another format (docs/formats.md); memory does not grow with the file");
  command->add_option("input", options->input, "Recording to read")->type_name("IN")->required();
  command
      ->add_option("output", options->output,
                   "File to write, or - for standard output; its suffix gives the format, unless --to does")
      ->type_name("OUT")
      ->required();
  add_event_file_options(*command, options->recording);
  command->add_option("--to", options->to, "Format to write: " + joined(formats::writable_event_formats()))
      ->type_name("FORMAT");
  command->add_flag("--force", options->force, "Replace OUT if it exists");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &chosen] { chosen = [options] { return run_convert(*options); }; });
}

}  // namespace spikeloom::app
