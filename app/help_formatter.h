#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace spikeloom::app {

/// Text broken between words so that no line, after `indent` blanks, is longer than `width` columns; line
/// ends in it stay. The first line has no blanks in front.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width);

/// What stands for an option's value or for an argument: "N", "FILE", "RUN"; "RUN ..." for an argument that
/// takes several.
std::string placeholder(const CLI::Option& option);

/// --help at 80 columns: names on the left, explanations beside them, what is required and what is the
/// default at the end of the explanation.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_description(const CLI::App* command) const override;
  std::string make_footer(const CLI::App* command) const override;
  std::string make_usage(const CLI::App* command, std::string name) const override;
};

/// The help of a command and of all below it, each under a line "==== NAME ====". `before`: the names of the
/// commands above.
std::string help_of_all(const CLI::App& app, const std::string& before = "");

}  // namespace spikeloom::app
