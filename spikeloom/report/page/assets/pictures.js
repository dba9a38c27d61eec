"use strict";
// Samples as pictures, spikes as rasters.
function pictureCanvas(picture, alt) {
  const canvas = make("canvas", { class: "picture", role: "img", "aria-label": alt, width: picture.width, height: picture.height });
  const bytes = atob(picture.values), { width, height, channels } = picture;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; ++i) {
    const value = (c) => bytes.charCodeAt(i * channels + c);
    let red, green, blue;
    if (picture.events) { // on blue, off orange as in `spikeloom show`, on black: the darker the fewer
      const first = Math.sqrt(value(0) / 255), off = channels > 1 ? first : 0, on = channels > 1 ? Math.sqrt(value(1) / 255) : first;
      red = 86 * on + 230 * off; green = 180 * on + 159 * off; blue = 233 * on;
    } else if (channels === 3) {
      red = value(0); green = value(1); blue = value(2);
    } else {
      red = green = blue = value(0);
    }
    image.data.set([Math.min(255, red), Math.min(255, green), Math.min(255, blue), 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Names of classes may be several words.
function decisionText(decision, classes, noVote) {
  const label = `"${classes[decision.label]}"`, prediction = `"${classes[decision.prediction]}"`;
  if (noVote) return `label ${label}, no vote for any class`;
  const sure = ` with confidence ${percent(decision.confidence, 0)}`;
  return decision.label === decision.prediction ? `predicted ${prediction}${sure}, correct`
    : `label ${label} with confidence ${percent(decision.label_confidence, 0)}, predicted ${prediction}${sure}`;
}

function rasterText(layer) {
  const show = (count) => count.toLocaleString("en"), rows = layer.trains.length;
  const all = counted(layer.neurons, "neuron");
  if (layer.spikes === 0) return layer.neurons === 1 ? "no spikes: its neuron did not fire" : `no spikes: none of ${all} fired`;
  return `${counted(layer.spikes, "spike")}; ${show(layer.active)} of ${all} fired` +
    (rows < layer.active ? `, ${rows} of them shown` : "");
}

function trainsDrawing(layer) {
  const caption = make("figcaption", {}, layer.layer, make("small", {}, rasterText(layer)));
  if (layer.trains.length === 0) return make("figure", {}, caption);
  const svgName = "http://www.w3.org/2000/svg";
  const steps = Math.max(1, ...layer.trains.map((train) => train.length)), rows = layer.trains.length;
  const svg = document.createElementNS(svgName, "svg");
  svg.setAttribute("viewBox", `0 0 ${steps} ${rows}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label",
    `Spikes of ${counted(rows, "neuron")} of ${layer.layer} in ${counted(steps, "step")}; ${counted(layer.spikes, "spike")} in all`);
  const path = document.createElementNS(svgName, "path");
  let outline = "";
  layer.trains.forEach((train, row) => {
    for (let t = 0; t < train.length; ++t) if (train[t] === "1") outline += `M${t + 0.06} ${row + 0.1}h.88v.8h-.88z`;
  });
  path.setAttribute("d", outline);
  svg.append(path);
  return make("figure", {}, caption, svg);
}

function addRaster(parent, raster, observed, number) {
  const { decision, votes } = raster, { classes } = observed;
  const noVote = observed.no_votes || (observed.spiking && votes.steps.length > 0 && !votes.any);
  const what = decisionText(decision, classes, noVote);
  const left = make("div", {}, pictureCanvas(raster.picture, `Sample ${decision.index}: ${what}`),
    make("p", {}, `Sample ${decision.index}: ${what}`));
  const right = make("div", {});
  if (raster.layers.length > 0) {
    const shown = Math.max(0, ...raster.layers.flatMap((layer) => layer.trains.map((train) => train.length)));
    const first = shown > 0 && shown < raster.num_steps ? `the first ${shown} of ` : "";
    right.append(make("p", { class: "note" }, `Spikes over ${first}${counted(raster.num_steps, "step")}, from left to right; a row is a neuron that fired${first ? " in them" : ""}.`),
      make("div", { class: "trains" }, ...raster.layers.map(trainsDrawing)));
  }
  const home = make("div", { class: "votes" });
  right.append(home);
  parent.append(make("div", { class: "raster" }, left, right));
  if (votes.steps.length < 2 || noVote) return;
  const apart = votes.steps[1] - votes.steps[0];
  addChart(home, `votes-${number}`, {
    title: "The vote as it builds up", note: apart > 1 ? `at every ${ordinal(apart)} of ${counted(raster.num_steps, "step")}, and the last` : "",
    xTitle: "step", wholeX: true, yTitle: "vote", x: votes.steps,
    series: votes.classes.map((k, i) => ({ name: classes[k] + (k === decision.label ? " (label)" : ""), values: votes.values[i] })),
  });
}
function ordinal(count) {
  const last = count % 10, teen = Math.floor(count / 10) % 10 === 1;
  return count + (teen ? "th" : last === 1 ? "st" : last === 2 ? "nd" : last === 3 ? "rd" : "th");
}
