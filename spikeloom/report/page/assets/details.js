"use strict";
// What a trained network is and does: potentials, weights, classes, samples, cost, network, set-up.
// marks: [[value, text]] in place of the ticks.
function histogramChart(parent, id, title, note, histogram, xTitle, marks) {
  const bins = histogram.counts.length, width = (histogram.high - histogram.low) / bins;
  const total = histogram.counts.reduce((a, b) => a + b, 0) || 1;
  const centres = histogram.counts.map((_, i) => histogram.low + (i + 0.5) * width);
  const binOf = (value) => Math.min(bins - 1, Math.max(0, Math.floor((value - histogram.low) / width + 1e-6)));
  addChart(parent, id, {
    type: "bar", histogram: true, title, note, percent: true, xTitle,
    tickTexts: marks && new Map(marks.map(([value, text]) => [binOf(value), text])),
    labels: centres.map(tickText(centres, false)),
    series: [{ name: "share", values: histogram.counts.map((count) => count / total) }],
  });
}

function observedText(observed) {
  const all = observed.samples === observed.part_size;
  const many = all ? observed.samples === 1 ? "The only sample" : `All ${counted(observed.samples, "sample")}`
    : `${observed.samples.toLocaleString("en")} of ${counted(observed.part_size, "sample")}, evenly spaced,`;
  return `${many} of the ${observed.split} part of ${observed.dataset}, run step by step by the runtime through ${observed.of}.`;
}

function renderPotentials(data) {
  const { observed } = data;
  if (!observed || observed.potentials.length === 0) return;
  const home = empty(part(section("activity", "Activity"), "potentials"));
  home.append(make("h3", {}, "Membrane potentials"), make("p", { class: "note" },
    "Before the reset, as fractions of the threshold: from 1 on a neuron fires. The first and last bar hold what lies beyond. Of a layer of more than 1,024 neurons about so many are counted, others at each step. " + observedText(observed)));
  const grid = make("div", { class: "grid small" });
  home.append(grid);
  for (const one of observed.potentials) histogramChart(grid, "potentials-" + one.layer, one.layer, "", one.histogram, "v / threshold", [[0, "0"], [1, "1"]]);
}

function renderWeights(data) {
  if (data.weights.length === 0) return;
  const home = freshSection("weights", "Weights");
  if (data.model) home.append(make("p", { class: "note" }, `Of ${data.network_of}.`));
  const grid = make("div", { class: "grid small" });
  home.append(grid);
  for (const one of data.weights) {
    histogramChart(grid, "weights-" + one.name, one.name, `${one.shape.join(" x ")}; mean ${shortNumber(one.mean)}, deviation ${shortNumber(one.deviation)}`,
      one.histogram, "weight");
  }
}

function renderClasses(data) {
  const { observed } = data;
  if (!observed) return;
  const { classes, confusion } = observed;
  const home = freshSection("classes", "Classes");
  home.append(make("p", {}, `${observed.correct.toLocaleString("en")} of ${observed.samples.toLocaleString("en")} correct: ` +
    `${percent(observed.correct / observed.samples)}.`), make("p", { class: "note" }, observedText(observed)));
  if (observed.no_votes) home.append(make("p", { class: "warning" }, "No sample got a vote, so the first class counts as the prediction of all of them: " +
    "accuracy, confidence and calibration say nothing."));
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const rows = classes.map((name, k) => {
    const samples = sum(confusion[k]), taken = sum(confusion.map((row) => row[k])), right = confusion[k][k];
    const other = confusion[k].map((count, j) => [count, j]).filter(([count, j]) => j !== k && count > 0).sort((a, b) => b[0] - a[0])[0];
    return [name, samples, samples > 0 ? right / samples : null, taken > 0 ? right / taken : null, other ? `${classes[other[1]]} (${other[0]})` : ""];
  });
  if (classes.length <= 40) home.append(make("h3", {}, "Confusion matrix"), confusionTable(classes, confusion));
  home.append(make("h3", {}, "Each class"), sortableTable("Recall and precision of each class", [{ title: "class" }, { title: "samples", number: true },
    { title: "recall: found of the class", number: true, show: (v) => percent(v, 1) }, { title: "precision: right when predicted", number: true, show: (v) => percent(v, 1) },
    { title: "most often mistaken for" }], rows));
  const grid = make("div", { class: "grid" });
  home.append(grid);
  if (classes.length <= 60) {
    addChart(grid, "class-accuracy", { type: "bar", title: "Recall of each class", percent: true, labels: classes, yMax: 1,
      series: [{ name: "recall", values: rows.map((row) => row[2]) }] });
  }
  const bins = observed.calibration.filter((bin) => bin.samples > 0);
  addChart(grid, "calibration", {
    title: "Calibration", xTitle: "confidence", percent: true, percentX: true, yMin: 0, yMax: 1, xMin: 0, xMax: 1,
    note: `confidence: ${observed.confidence}; expected calibration error ${percent(observed.calibration_error)}, ten bins`,
    x: bins.map((bin) => bin.confidence),
    series: [{ name: "accuracy", values: bins.map((bin) => bin.correct / bin.samples), details: bins.map((bin) => `${bin.correct} of ${counted(bin.samples, "sample")}`) },
      { name: "perfect calibration", values: [0, 1], x: [0, 1], colour: 6, dash: [6, 3] }],
  });
}

function renderSamples(data) {
  const { observed } = data;
  if (!observed || observed.rasters.length + observed.hardest.length === 0) return;
  const home = freshSection("samples", "Samples");
  if (observed.rasters.length > 0) home.append(make("h3", {}, observed.spiking ? "Spikes, and the vote" : "Chosen samples"));
  home.append(make("p", { class: "note" }, observedText(observed)));
  if ([...observed.rasters, ...observed.hardest].some(({ picture }) => picture.events && picture.channels > 1))
    home.append(make("p", { class: "note" }, "Pictures of recordings add up all events: blue where it became brighter (on), orange where it became darker (off)."));
  observed.rasters.forEach((raster, number) => addRaster(home, raster, observed, number));
  if (observed.hardest.length === 0 || observed.no_votes) return;
  home.append(make("h3", {}, "The hardest"), make("p", { class: "note" }, "Of all observed samples those whose label got the least confidence."));
  home.append(make("div", { class: "samples" }, ...observed.hardest.map(({ decision, picture }) => {
    const what = decisionText(decision, observed.classes, observed.no_votes);
    return make("figure", {}, pictureCanvas(picture, `Sample ${decision.index}: ${what}`), make("div", {}, `${decision.index}: ${what}`));
  })));
}

function renderCost(data) {
  const { observed } = data;
  if (!observed) return;
  const { cost } = observed, home = freshSection("cost", "Cost");
  const micro = (pj) => pj === null ? null : pj / 1e6;
  const against = cost.dense_energy_pj > 0 && cost.energy_pj > 0 ? cost.dense_energy_pj / cost.energy_pj : null;
  home.append(make("p", {}, `About ${shortNumber(micro(cost.energy_pj))} µJ of arithmetic a sample` + (observed.no_spikes ? ", an estimate. No neuron fired, so it says nothing of a network that works." :
    against === null || !observed.spiking ? "." :
    `, an estimate; the artificial network of this structure would take about ${shortNumber(micro(cost.dense_energy_pj))} µJ, ${Number(against.toPrecision(2))} times as much.`)),
    make("p", { class: "note" }, `An addition (${cost.addition_pj} pJ) for each synapse that a spike reaches, a multiply-accumulate (${cost.mac_pj} pJ) for each synapse of an ` +
      `input that is no spike and for each update of a membrane potential. A still image is convolved once. The artificial network multiplies every input once, zeros too, but no padding. ` +
      `Arithmetic only: no memory, no communication. Table: ${cost.source}. ${observedText(observed)}`));
  const count = { number: true, show: shortNumber };
  home.append(sortableTable("Work and energy of each layer for one sample", [{ title: "layer" }, { title: "firing rate", number: true, show: (v) => percent(v) },
    { title: "synaptic operations", ...count }, { title: "multiply-accumulates", ...count }, { title: "updates of potentials", ...count },
    { title: "energy, µJ (estimate)", ...count }, { title: "artificial: MACs", ...count }, { title: "artificial: µJ (estimate)", ...count }],
  cost.layers.map((layer) => [layer.layer, layer.firing_rate, layer.synaptic_operations, layer.macs, layer.updates, micro(layer.energy_pj),
    layer.dense_macs, micro(layer.dense_energy_pj)])));
  const grid = make("div", { class: "grid" });
  home.append(grid);
  addChart(grid, "energy", { type: "bar", title: "Energy of a sample (estimate)", yTitle: "µJ", labels: cost.layers.map((layer) => layer.layer), series: [
    { name: observed.spiking ? "this spiking network" : "this network", values: cost.layers.map((layer) => micro(layer.energy_pj)) },
    { name: "artificial network of this structure", values: cost.layers.map((layer) => micro(layer.dense_energy_pj)) }] });
}

function renderNetwork(data) {
  if (!data.network) return;
  const home = freshSection("network", "Network"), { network } = data;
  const drawing = new DOMParser().parseFromString(network.drawing, "image/svg+xml").documentElement;
  home.append(make("p", { class: "note" }, "Boxes: name and shape of the output (channels x height x width), below them notation and parameters. Arcs skip layers; dashed ones add currents."),
    document.importNode(drawing, true));
  const count = { number: true, show: (v) => v.toLocaleString("en") };
  home.append(sortableTable("Layers", [{ title: "name" }, { title: "layer" }, { title: "takes" }, { title: "output" }, { title: "parameters", ...count },
    { title: "MACs a step", ...count }], network.layers.map((layer) => [layer.name, layer.layer, layer.takes, layer.output, layer.parameters, layer.macs_per_step])));
}

function renderSetup(data) {
  const home = freshSection("setup", "Set-up");
  home.append(make("h3", {}, "Commands"), ...data.commands.map(({ what, command }) =>
    make("div", {}, make("p", {}, what + ":"), make("pre", { class: "command", tabindex: "0" }, command))));
  data.environment.forEach((session, number) => {
    home.append(make("h3", {}, data.environment.length > 1 ? `Environment, session ${number + 1}` : "Environment"),
      keyValueTable(Object.entries(session).map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : value])));
  });
  if (data.recipe) home.append(make("h3", {}, "Recipe, with every key"), make("pre", { class: "recipe", tabindex: "0", "aria-label": "The resolved recipe" }, data.recipe));
}
