#include "spikeloom/pictures/recording_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spikeloom/base/text.h"
#include "spikeloom/formats/html_text.h"
#include "spikeloom/formats/images/image_encode.h"

namespace spikeloom::pictures {
namespace {

constexpr const char* kStyle = R"(<style>
:root { color-scheme: light dark; --on: #0072b2; --off: #d55e00; }
@media screen and (prefers-color-scheme: dark) { :root { --on: #56b4e9; --off: #e69f00; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8888; }
th:first-child, td:first-child { text-align: left; }
img { display: block; height: auto; background: #fff; border: 1px solid #8888; }
.animation { width: min(100%, 36rem); image-rendering: pixelated; }
.frames { max-width: 100%; } .wide { width: 100%; min-width: 52rem; max-width: none; }
.hint { display: none; opacity: .75; }
.scroll { overflow-x: auto; } svg { display: block; width: 100%; height: 12rem; }
.scale { display: flex; justify-content: space-between; font-size: .85rem; }
.on { fill: var(--on); } .off { fill: var(--off); } .axis { stroke: currentColor; vector-effect: non-scaling-stroke; }
@media (max-width: 54rem) { .hint { display: block; } }
@media (max-width: 40rem) { body { margin: 1rem auto; } th, td { padding: .2rem .4rem; } }
@media print { .scroll { overflow: visible; } .wide { min-width: 0; } .hint { display: none; }
  h2, h3 { break-after: avoid; } table, svg, img { break-inside: avoid; } }
</style>
)";

std::string embedded(const char* type, const std::vector<std::uint8_t>& bytes) {
  return fmt::format("data:{};base64,{}", type, formats::base64(bytes));
}

std::string share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? fmt::format("{:.2f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole))
                   : "";
}

template <class Cell>
std::string row(const char* name, const std::vector<PageRecording>& recordings, const Cell& cell) {
  std::string text = fmt::format("<tr><td>{}</td>", name);
  for (const PageRecording& recording : recordings)
    text += fmt::format("<td>{}</td>", cell(recording.shown.summary));
  return text + "</tr>\n";
}

std::string numbers(const std::vector<PageRecording>& recordings) {
  using Summary = RecordingSummary;
  std::string text = "<div class=\"scroll\"><table><tr><th></th>";
  for (const PageRecording& recording : recordings)
    text += fmt::format("<th>{}</th>", formats::html_escaped(recording.title));
  text += "</tr>\n";
  text += row("sensor, pixels", recordings,
              [](const Summary& s) { return fmt::format("{} x {}", s.width, s.height); });
  text += row("events", recordings, [](const Summary& s) { return with_separators(s.events); });
  text += row("duration, ms", recordings,
              [](const Summary& s) { return fmt::format("{:.3f}", s.duration_us / 1e3); });
  text += row("events a second", recordings,
              [](const Summary& s) { return with_separators(std::llround(s.events_per_s())); });
  text += row("on", recordings, [](const Summary& s) { return share(s.on, s.events); });
  text += row("off", recordings, [](const Summary& s) { return share(s.off(), s.events); });
  text += row("pixels with events", recordings,
              [](const Summary& s) { return with_separators(s.active_pixels); });
  text += row("hot pixels", recordings, [](const Summary& s) {
    return fmt::format("{} (more than {:.1f} events; {} of all events)", with_separators(s.hot_pixels),
                       s.hot_above, share(s.hot_events, s.events));
  });
  return text + "</table></div>\n";
}

std::string rate_chart(const PageRecording& recording) {
  constexpr double kWidth = 900.0, kHalf = 80.0;
  const RecordingSummary& summary = recording.shown.summary;
  const std::size_t slices = summary.on_counts.size();
  std::int64_t most = 1;
  for (std::size_t i = 0; i < slices; ++i)
    most = std::max({most, summary.on_counts[i], summary.off_counts[i]});
  std::string text = fmt::format(
      "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Events over time: "
      "on upwards, off downwards, at most {} in {:.3f} ms\">\n",
      kWidth, 2 * kHalf, most, summary.duration_us / 1e3 / static_cast<double>(slices));
  const double step = kWidth / static_cast<double>(slices);
  for (std::size_t i = 0; i < slices; ++i) {
    const double up = kHalf * static_cast<double>(summary.on_counts[i]) / static_cast<double>(most);
    const double down = kHalf * static_cast<double>(summary.off_counts[i]) / static_cast<double>(most);
    const double left = step * static_cast<double>(i);
    text += fmt::format("<rect class=\"on\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
                        left, kHalf - up, 0.9 * step, up);
    text +=
        fmt::format("<rect class=\"off\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                    left, kHalf, 0.9 * step, down);
  }
  text += fmt::format("<line class=\"axis\" x1=\"0\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\"/>\n", kHalf, kWidth);
  // Not in the drawing, which is stretched.
  return text + fmt::format("</svg>\n<div class=\"scale\"><span>0 ms</span><span>{:.3f} ms</span></div>\n",
                            summary.duration_us / 1e3);
}

std::string most_active(const PageRecording& recording) {
  const RecordingSummary& summary = recording.shown.summary;
  std::string text = fmt::format("<h3>Most active pixels: {}</h3>\n", formats::html_escaped(recording.title));
  text += "<table><tr><th>x, y</th><th>events</th><th>of all</th></tr>\n";
  for (const auto& pixel : summary.most_active) {
    text += fmt::format("<tr><td>{}, {}</td><td>{}</td><td>{}</td></tr>\n", pixel.x, pixel.y,
                        with_separators(pixel.events), share(pixel.events, summary.events));
  }
  return text + "</table>\n";
}

}  // namespace

std::string recording_page(const PageText& text, const std::vector<PageRecording>& recordings) {
  std::vector<Shown> shown;
  for (const PageRecording& recording : recordings) shown.push_back(recording.shown);
  const std::string title = formats::html_escaped(text.title);
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\"><title>{}</title>\n{}</head><body>\n",
      title, kStyle);
  page += fmt::format("<h1>{}</h1>\n<p>{}.</p>\n", title, formats::html_escaped(text.format));
  if (!text.transforms.empty()) {
    page += "<p>Transforms, in this order:</p><ol>\n";
    for (const std::string& transform : text.transforms)
      page += fmt::format("<li><code>{}</code></li>\n", formats::html_escaped(transform));
    page += "</ol>\n";
  }
  page += "<h2>Numbers</h2>\n" + numbers(recordings);
  page += "<h2>Events over time</h2>\n<p>On (brighter) upwards, off (darker) downwards.</p>\n";
  for (const PageRecording& recording : recordings) {
    page += fmt::format("<h3>{}</h3>\n", formats::html_escaped(recording.title)) + rate_chart(recording);
  }
  std::string order;
  for (const PageRecording& recording : recordings)
    order += (order.empty() ? "" : ", then ") + recording.title;
  page += fmt::format("<h2>Animation</h2>\n<p>{}. Blue: on, orange: off.</p>\n",
                      formats::html_escaped(text.frames));
  page += fmt::format("<img class=\"animation\" alt=\"Animation of the frames: {}\" src=\"{}\">\n",
                      formats::html_escaped(order),
                      embedded("image/gif", formats::encode_gif(animation(shown), text.delay_ms)));
  const auto sheet = contact_sheet(shown);
  constexpr int kNarrow = 832;  // 52rem; a smaller one is shown as it is
  const bool is_wide = sheet.width > kNarrow;
  page += fmt::format(
      "<h2>Frames</h2>\n{}"
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Frames\"><img class=\"frames{}\" "
      "alt=\"The frames and the event rate: {}\" src=\"{}\"></div>\n",
      is_wide ? "<p class=\"hint\">The picture goes on to the right.</p>\n" : "", is_wide ? " wide" : "",
      formats::html_escaped(order), embedded("image/png", formats::encode_png(sheet)));
  for (const PageRecording& recording : recordings) page += most_active(recording);
  return page + "</body></html>\n";
}

}  // namespace spikeloom::pictures
