"use strict";
// Charts: Chart.js, with a legend of buttons, values by arrow keys and the numbers as a table.
const charts = new Map(); // id -> {chart, element, colours, spec}
const kColours = 8;
const kMany = 12; // curves; of more only the nearest says its value
const kDashes = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

function styleValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
function colourOf(index) {
  return styleValue("--c" + (index % kColours));
}
function dashOf(index) {
  return kDashes[Math.floor(index / kColours) % kDashes.length];
}

// An element with attributes; strings become text, never markup.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function shortNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  const size = Math.abs(value);
  if (size >= 1e4) {
    const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
    for (const [unit, letter] of units) if (size >= unit) return (value / unit).toPrecision(4) + " " + letter;
  }
  if (size !== 0 && size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}
// "1 step", "2 steps", "1,234 steps".
function counted(count, noun, plural = noun + "s") {
  return count.toLocaleString("en") + " " + (count === 1 ? noun : plural);
}

// What an axis says at its ticks: with as many digits as tell them apart, and no more.
function tickText(values, isPercent) {
  const sorted = [...values].sort((a, b) => a - b);
  const gap = sorted.slice(1).map((value, i) => value - sorted[i]).filter((one) => one > 0).reduce((a, b) => Math.min(a, b), Infinity);
  const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const digits = (scale) => {
    if (gap === Infinity) return isPercent ? 2 : 3;
    const least = Math.min(15, Math.max(0, Math.ceil(-Math.log10(gap * scale) - 1e-9)));
    const exact = values.every((value) => Math.abs(value * scale - Number((value * scale).toFixed(least))) <= 0.02 * gap * scale);
    return exact ? least : Math.min(16, least + 1);
  };
  const fixed = (value, scale) => (value * scale).toFixed(digits(scale)).replace(/^-(0(\.0*)?)$/, "$1");
  if (isPercent) return (value) => fixed(value, 100) + " %";
  if (largest > 0 && largest < 1e-3) {
    const places = gap === Infinity ? 2 : Math.min(15, Math.max(0, Math.floor(Math.log10(largest)) + digits(1)));
    return (value) => value === 0 ? "0" : value.toExponential(places);
  }
  const [unit, letter] = largest >= 1e4 ? [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([one]) => largest >= one) : [1, ""];
  return (value) => value === 0 ? "0" : fixed(value, 1 / unit) + letter;
}
// As the program prints numbers: of two that are equally near, the one with the even last digit. A number of binary
// places lies in the middle only if it is an odd multiple of 2 ** -(digits + 1).
function rounded(value, digits) {
  const text = value.toFixed(digits);
  const inTheMiddle = Math.abs(value * 2 ** (digits + 1)) % 2 === 1;
  return inTheMiddle && Number(text.at(-1)) % 2 === 1 ? (Number(text) - Math.sign(value) * 10 ** -digits).toFixed(digits) : text;
}
function percent(value, digits = 2) {
  return value === null || value === undefined ? "" : rounded(100 * value, digits) + " %";
}
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const whole = Math.round(seconds), pad = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

function axis(title, spec) {
  return {
    title: { display: Boolean(title), text: title, color: styleValue("--faint") },
    grid: { color: styleValue("--line") },
    ticks: { color: styleValue("--faint"), maxTicksLimit: 8, ...(spec || {}) },
  };
}

function datasetOf(spec, series, index) {
  const colour = colourOf(series.colour === undefined ? index : series.colour);
  const isBar = spec.type === "bar";
  const points = series.values.length;
  return {
    label: series.name,
    data: spec.labels ? series.values : series.values.map((y, i) => ({ x: (series.x || spec.x)[i], y })),
    borderColor: colour,
    backgroundColor: colour,
    borderDash: isBar ? [] : series.dash || dashOf(index),
    borderWidth: isBar ? 0 : spec.series.length > kMany ? 1 : 2,
    pointRadius: spec.type === "scatter" ? 5 : points > 30 ? 0 : 3,
    pointStyle: ["circle", "rect", "triangle", "rectRot"][Math.floor(index / kColours) % 4],
    pointHitRadius: 8,
    clip: isBar ? undefined : 8, // a point at the edge is whole
    spanGaps: true,
    barPercentage: spec.histogram ? 1 : 0.85,
    categoryPercentage: spec.histogram ? 1 : 0.8,
  };
}

function optionsOf(spec) {
  const show = spec.percent ? (value) => percent(value) : shortNumber;
  const tick = (value, index, ticks) => tickText(ticks.map((one) => one.value), spec.percent)(value);
  const plainTick = (value, index, ticks) => tickText(ticks.map((one) => one.value), false)(value);
  const y = { ...axis(spec.yTitle, { callback: tick }), type: spec.log ? "logarithmic" : "linear" };
  if (spec.type === "bar") y.beginAtZero = true;
  if (spec.histogram) y.ticks.maxTicksLimit = 4;
  // Of one value, or of equal ones, a range that such values can have.
  const values = spec.series.flatMap((series) => series.values).filter((value) => typeof value === "number");
  const least = values.reduce((a, b) => Math.min(a, b), Infinity), most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!spec.log && values.length > 0 && least === most && least >= 0) {
    y.min = 0;
    if (spec.percent && most <= 1) y.max = 1;
    else y.suggestedMax = most > 0 ? 2 * most : 1;
  }
  if (spec.yMax !== undefined) y.max = spec.yMax;
  if (spec.yMin !== undefined) y.min = spec.yMin;
  const x = axis(spec.xTitle, spec.labels ? { autoSkip: true, maxRotation: spec.histogram ? 0 : 50, maxTicksLimit: spec.histogram ? 5 : 60 } :
    { callback: spec.percentX ? (value, index, ticks) => tickText(ticks.map((one) => one.value), true)(value) : plainTick, ...(spec.wholeX ? { precision: 0 } : {}) });
  x.type = spec.labels ? "category" : spec.xLog ? "logarithmic" : "linear";
  const places = spec.labels ? [] : spec.series.flatMap((series) => series.x || spec.x || []);
  if (places.length > 0 && !spec.xLog && places.every((place) => place === places[0])) {
    x.min = Math.max(0, places[0] - 1);
    x.max = places[0] + 1;
  }
  if (spec.tickTexts) {
    x.ticks.autoSkip = false;
    x.ticks.callback = (value) => spec.tickTexts.get(value) ?? null;
  }
  if (spec.xMin !== undefined) x.min = spec.xMin;
  if (spec.xMax !== undefined) x.max = spec.xMax;
  if (spec.histogram) x.grid.display = false;
  if (spec.histogram && Math.max(...spec.labels.map((label) => label.length)) > 5) x.ticks.maxTicksLimit = 3; // side by side
  const nearest = spec.type === "scatter" || spec.series.length > kMany;
  return {
    responsive: true, maintainAspectRatio: false, animation: false, normalized: true,
    interaction: nearest ? { mode: "nearest", intersect: false, axis: "xy" } : { mode: "index", intersect: false, axis: "x" },
    scales: { x, y },
    plugins: {
      legend: { display: false },
      tooltip: {
        callbacks: {
          title: (items) => items.length === 0 ? "" : spec.pointName ? "" :
            (spec.xTitle ? spec.xTitle + " " : "") + (spec.labels ? items[0].label : shortNumber(items[0].parsed.x)),
          label: (item) => item.dataset.label + ": " + (spec.pointName ? spec.pointName(item) : show(item.parsed.y)) +
            (spec.series[item.datasetIndex].details ? ` (${spec.series[item.datasetIndex].details[item.dataIndex]})` : ""),
        },
      },
    },
  };
}

function describe(spec) {
  const parts = spec.series.map((series) => {
    const values = series.values.filter((value) => value !== null && value !== undefined);
    if (values.length === 0) return series.name + ": no values";
    const show = spec.percent ? (value) => percent(value) : shortNumber;
    const least = values.reduce((a, b) => Math.min(a, b)), most = values.reduce((a, b) => Math.max(a, b));
    return `${series.name}: ${counted(values.length, "value")} from ${show(least)} to ${show(most)}, the last ${show(values[values.length - 1])}`;
  });
  const shown = parts.slice(0, 8).join("; ");
  return `${spec.title}. ${shown}${parts.length > 8 ? "; and " + (parts.length - 8) + " more" : ""}.`;
}

const kRows = 100; // of a chart's table, about
// The rows of a chart's table: [what the row is, its value of each series]. Series may have x of their own.
function dataRows(spec) {
  if (spec.labels) return spec.labels.map((label, i) => [String(label), spec.series.map((series) => series.values[i])]);
  const rows = new Map(), kept = new Set();
  spec.series.forEach((series, index) => {
    const x = series.x || spec.x, step = Math.max(1, Math.ceil(x.length / kRows));
    x.forEach((at, i) => {
      if (!rows.has(at)) rows.set(at, spec.series.map(() => null));
      rows.get(at)[index] = series.values[i];
      if (i % step === 0 || i === x.length - 1) kept.add(at);
    });
  });
  return [...rows].filter(([at]) => kept.has(at)).sort((a, b) => a[0] - b[0]).map(([at, values]) => [shortNumber(at), values]);
}

function dataTable(spec) {
  const show = spec.percent ? (value) => percent(value) : shortNumber;
  const head = make("tr", {}, make("th", { scope: "col" }, spec.xTitle || ""),
    ...spec.series.map((series) => make("th", { scope: "col", class: "number" }, series.name)));
  const body = make("tbody");
  for (const [name, values] of dataRows(spec)) {
    body.append(make("tr", {}, make("th", { scope: "row" }, name), ...values.map((value) => make("td", { class: "number" }, show(value)))));
  }
  return scrollBox({ tabindex: "0", role: "region", "aria-label": "Numbers of " + spec.title },
    make("table", {}, make("thead", {}, head), body));
}

// The point of a curve that lies at x, of other curves' points at most half a step of `base` away; -1 without.
function pointAt(points, base, at) {
  const { x } = base[at];
  if (x === undefined) return at < points.length ? at : -1; // bars
  const width = Math.abs((base[at + 1] || base[at]).x - (base[at - 1] || base[at]).x) / 4;
  let nearest = -1;
  points.forEach((point, i) => {
    const distance = Math.abs(point.x - x);
    if (distance <= width && (nearest < 0 || distance < Math.abs(points[nearest].x - x))) nearest = i;
  });
  return nearest;
}

function moveActive(chart, canvas, key) {
  const visible = chart.data.datasets.map((set, index) => index).filter((index) => chart.isDatasetVisible(index));
  if (visible.length === 0) return false;
  const pointsOf = (index) => chart.data.datasets[index].data;
  // Along the curve with the most points; in a chart of single points from one to the next.
  const base = pointsOf(visible.reduce((a, b) => pointsOf(b).length > pointsOf(a).length ? b : a));
  const single = base.length === 1, count = single ? visible.length : base.length;
  let at = Number(canvas.dataset.at === undefined ? -1 : canvas.dataset.at);
  if (key === "ArrowRight") at = Math.min(count - 1, at + 1);
  else if (key === "ArrowLeft") at = Math.max(0, Math.min(count, at) - 1);
  else if (key === "Home") at = 0;
  else if (key === "End") at = count - 1;
  else return false;
  canvas.dataset.at = at;
  const active = single ? [{ datasetIndex: visible[at], index: 0 }] :
    visible.map((datasetIndex) => ({ datasetIndex, index: pointAt(pointsOf(datasetIndex), base, at) })).filter(({ index }) => index >= 0);
  chart.setActiveElements(active);
  chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
  chart.update("none");
  const tooltip = chart.tooltip;
  document.getElementById("announcer").textContent =
    [...(tooltip.title || []), ...(tooltip.body || []).flatMap((part) => part.lines)].join(", ");
  return true;
}

function legendOf(entry) {
  const { chart, spec } = entry;
  const legend = make("div", { class: "legend", role: "group", "aria-label": "Show or hide, in " + spec.title });
  spec.series.forEach((series, index) => {
    const mark = make("i", { "aria-hidden": "true" });
    mark.style.borderTopColor = colourOf(series.colour === undefined ? index : series.colour);
    if (dashOf(index).length > 0 || series.dash) mark.style.borderTopStyle = "dashed";
    const button = make("button", { type: "button", "aria-pressed": "true" }, mark, series.name);
    button.addEventListener("click", () => {
      const visible = !chart.isDatasetVisible(index);
      chart.setDatasetVisibility(index, visible);
      button.setAttribute("aria-pressed", String(visible));
      chart.update("none");
    });
    legend.append(button);
  });
  return legend;
}

// Adds a chart to `parent`, or gives the one of this id new values. spec: type (line, bar, scatter), title, note, x or
// labels, tickTexts (label number -> text), series [{name, values, x}], xTitle, yTitle, percent, log.
function addChart(parent, id, spec) {
  spec = { type: "line", ...spec };
  spec.series = spec.series.filter((series) => series.values && series.values.some((value) => value !== null));
  if (spec.series.length === 0) return;
  const known = charts.get(id);
  if (known && known.spec.series.length === spec.series.length) {
    known.spec = spec;
    known.chart.options = optionsOf(spec); // an axis of iterations becomes one of epochs
    known.chart.data.labels = spec.labels;
    spec.series.forEach((series, index) => { known.chart.data.datasets[index].data = datasetOf(spec, series, index).data; });
    known.canvas.setAttribute("aria-label", describe(spec));
    if (known.details.open) known.details.replaceChildren(known.details.firstChild, dataTable(spec));
    known.chart.update("none");
    return;
  }
  const next = known ? known.element.nextSibling : null; // a chart with another curve keeps its place
  if (known) { known.chart.destroy(); known.element.remove(); charts.delete(id); }
  const canvas = make("canvas", { role: "img", tabindex: "0", "aria-label": describe(spec), id });
  const details = make("details", {}, make("summary", {}, "Numbers"));
  const figure = make("figure", {}, make("figcaption", {}, spec.title, spec.note ? make("small", {}, spec.note) : null),
    make("div", { class: "plot" }, canvas));
  const entry = { spec, canvas, details, element: figure };
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(dataTable(entry.spec));
  });
  parent.insertBefore(figure, next);
  entry.chart = new Chart(canvas, {
    type: spec.type === "scatter" ? "scatter" : spec.type,
    data: { labels: spec.labels, datasets: spec.series.map((series, index) => datasetOf(spec, series, index)) },
    options: optionsOf(spec),
  });
  canvas.addEventListener("keydown", (event) => { if (moveActive(entry.chart, canvas, event.key)) event.preventDefault(); });
  if (spec.series.length > 1) { entry.legend = legendOf(entry); figure.append(entry.legend); }
  figure.append(details);
  charts.set(id, entry);
}

function recolourCharts() {
  for (const entry of charts.values()) {
    const { chart, spec } = entry;
    chart.options = optionsOf(spec);
    chart.data.datasets.forEach((set, index) => {
      set.borderColor = set.backgroundColor = colourOf(spec.series[index].colour === undefined ? index : spec.series[index].colour);
    });
    chart.update("none");
    if (entry.legend) { const legend = legendOf(entry); entry.legend.replaceWith(legend); entry.legend = legend; }
  }
}
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolourCharts);
// Paper is white, and has its own width: charts are drawn for it, two beside each other.
window.addEventListener("beforeprint", () => {
  document.documentElement.classList.add("light");
  recolourCharts();
  for (const { chart, element } of charts.values()) chart.resize(element.closest(".votes") ? 480 : 340, element.closest(".small, .votes") ? 140 : 200);
});
window.addEventListener("afterprint", () => {
  document.documentElement.classList.remove("light");
  recolourCharts();
  for (const { chart } of charts.values()) chart.resize();
});
