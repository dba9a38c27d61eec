"use strict";
// What changes while a network trains: state, curves, firing rates.
const kOrder = ["learning", "activity", "weights", "classes", "samples", "cost", "network", "setup"];
// The section of this id; a new one comes before those that follow it in kOrder, if it is there, else last.
function section(id, title) {
  const known = document.getElementById(id);
  if (known) return known;
  const element = make("section", { id, "aria-labelledby": id + "-title" }, make("h2", { id: id + "-title" }, title));
  const link = make("a", { href: "#" + id }, title), nav = document.getElementById("sections");
  const after = kOrder.includes(id) ? kOrder.slice(kOrder.indexOf(id) + 1) : [];
  const later = after.map((one) => document.getElementById(one)).find((one) => one);
  document.getElementById("main").insertBefore(element, later || null);
  nav.insertBefore(link, later ? nav.querySelector(`a[href="#${later.id}"]`) : null);
  return element;
}
// Empties an element but for `kept`, charts in it included.
function empty(element, ...kept) {
  for (const [id, entry] of charts) if (element.contains(entry.element)) { entry.chart.destroy(); charts.delete(id); }
  element.replaceChildren(...kept);
  return element;
}
// The section of this id with nothing but its title: for what is drawn as a whole.
function freshSection(id, title) {
  const element = section(id, title);
  return empty(element, element.firstChild);
}
function part(parent, id, classes) {
  let element = document.getElementById(id);
  if (!element) { element = make("div", { id, class: classes || "" }); parent.append(element); }
  return element;
}
function stateText(run) {
  return run.state + (run.stopped_early ? " (stopped early)" : "");
}

function renderSummary(data) {
  const { run } = data;
  document.getElementById("title").textContent = run.name;
  document.getElementById("subtitle").textContent =
    [run.structure, run.dataset, run.path].filter((text) => text).join(" · ");
  const main = document.getElementById("main");
  const cards = part(main, "cards", "cards");
  const at = (epoch, iteration) => [epoch > 0 ? `epoch ${epoch.toLocaleString("en")}` : "", iteration > 0 ? `iteration ${iteration.toLocaleString("en")}` : ""]
    .filter((text) => text).join(", ");
  const of = (what, where) => what + (where ? `: ${where}` : "");
  const list = [["state", stateText(run)], [run.selection ? `test accuracy; network: ${run.selection}` : "test accuracy", percent(run.test_accuracy)],
    [of("best validation accuracy", at(run.best_epoch, run.best_iteration)), percent(run.best_validation_accuracy)],
    [of("training accuracy", at(run.epochs_done, run.last_epoch_iteration)), percent(run.train_accuracy)],
    ["epochs", run.epochs_planned > 0 ? `${run.epochs_done} of ${run.epochs_planned}` : String(run.epochs_done)],
    ["iterations", run.iterations > 0 ? run.iterations.toLocaleString("en") : ""],
    ["training time", duration(run.train_seconds)], ["time left, about", run.state === "running" ? duration(run.seconds_left) : ""],
    ["parameters", data.network ? data.network.parameters.toLocaleString("en") : ""], ["time steps", run.num_steps]];
  cards.replaceChildren(...list.filter(([, value]) => value).map(([name, value]) =>
    make("div", { class: "card" }, make("b", { class: name === "state" ? "state-" + run.state : "" }, value), make("span", {}, name))));
  const warnings = part(main, "warnings");
  const failure = run.failure ? ["This run " + run.failure] : [];
  // What is shown may be of two times: a checkpoint that is older, a best epoch that was kept.
  const behind = data.model && (data.model_iteration === null ? run.state !== "finished" : data.model_iteration !== run.iterations);
  warnings.replaceChildren(...[...failure, ...run.problems, ...data.warnings].map((text) => make("p", { class: "warning" }, text)),
    ...(behind ? [make("p", { class: "note" }, `State, accuracies and curves go up to iteration ${run.iterations.toLocaleString("en")}; ` +
      `weights, classes, samples and cost are those of ${data.network_of}.`)] : []),
    ...data.notes.map((text) => make("p", { class: "note" }, text)),
    ...(run.init ? [make("p", { class: "note" }, `Started with the weights of ${run.init}.`)] : []),
    ...data.resumed.map((one) => make("p", { class: "note" }, `Resumed in epoch ${one.epoch} with other settings: ${one.what}`)));
}

// Steps' iterations as fractions of epochs, where the length of an epoch is known.
function epochAxis(data) {
  const { epochs, steps } = data, done = epochs.iteration.length;
  const length = done > 0 ? epochs.iteration[done - 1] / epochs.epoch[done - 1] : 0;
  return length > 0 ? { title: "epoch", steps: steps.iteration.map((i) => i / length), epochs: epochs.epoch }
    : { title: "iteration", steps: steps.iteration, epochs: epochs.iteration };
}

function renderLearning(data) {
  const { epochs, steps } = data;
  if (epochs.iteration.length === 0 && steps.iteration.length === 0) return;
  const home = section("learning", "Learning");
  part(home, "learning-notes").replaceChildren(...data.learning_notes.map((text) => make("p", { class: "note" }, text)));
  const grid = part(home, "learning-charts", "grid");
  const x = epochAxis(data);
  const more = steps.iteration.length > epochs.iteration.length; // lines than epochs
  const few = epochs.iteration.length < 10 && Boolean(steps.loss) && more; // then the lines between epochs say more
  const curve = (name, key, from, dash) => ({ name, values: from[key], x: from === steps ? x.steps : x.epochs, dash });
  const pair = (id, title, key, extra) => addChart(grid, id, {
    title, xTitle: x.title, wholeX: true, x: few ? x.steps : x.epochs, ...extra,
    series: [curve(few ? "training, while it learns" : "training", key, few ? steps : epochs),
      curve("validation", "validation_" + key, epochs, [6, 3]),
      curve("validation, average of weights", "average_validation_" + key, epochs, [2, 2])],
  });
  pair("loss", "Loss", "loss", { yTitle: "loss" });
  pair("accuracy", "Accuracy", "accuracy", { percent: true });
  const single = (id, title, key, extra) => {
    const from = steps[key] && (more || !epochs[key]) ? steps : epochs;
    addChart(grid, id, { title, xTitle: x.title, wholeX: true, x: from === steps ? x.steps : x.epochs, ...extra, series: [curve(title, key, from)] });
  };
  single("learning-rate", "Learning rate", "learning_rate", {});
  single("throughput", "Throughput", "samples_per_s", { yTitle: "samples/s" });
}

function renderRates(data) {
  if (data.layers.length === 0 || data.rates.iteration.length === 0) return;
  const grid = part(section("activity", "Activity"), "activity-charts", "grid");
  const { epochs } = data, done = epochs.iteration.length;
  const length = done > 0 ? epochs.iteration[done - 1] / epochs.epoch[done - 1] : 0;
  addChart(grid, "rates", {
    title: "Firing rate of each layer", note: "spikes a neuron and step, while training", percent: true, wholeX: true,
    xTitle: length > 0 ? "epoch" : "iteration", x: data.rates.iteration.map((i) => length > 0 ? i / length : i),
    series: data.layers.map((name, index) => ({ name, values: data.rates.layers[index] })),
  });
}
