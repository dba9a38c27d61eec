"use strict";
// Several runs beside each other, and the list of runs of a folder.
function runName(run, live) {
  const name = live && run.id !== undefined ? make("a", { href: "/run/" + run.id }, run.name) : make("span", { title: run.path }, run.name);
  name.dataset.value = run.name;
  return name;
}
function stateMark(run) {
  const mark = make("span", { class: "state-" + run.state }, stateText(run));
  mark.dataset.value = stateText(run);
  return mark;
}
function runTable(data, live) {
  const share = { number: true, show: (value) => percent(value) };
  return sortableTable("Runs", [{ title: "run" }, { title: "state" }, { title: "test", ...share }, { title: "best validation", ...share },
    { title: "training", ...share }, { title: "epochs", number: true }, { title: "training time", number: true, show: duration },
    { title: "time left, about", number: true, show: duration }, { title: "data set" }, { title: "network" }],
  data.runs.map((run) => [runName(run, live), stateMark(run), run.test_accuracy, run.best_validation_accuracy, run.train_accuracy, run.epochs_done,
    run.train_seconds, run.state === "running" ? run.seconds_left : null, run.dataset, run.structure]));
}

function renderList(data) {
  document.getElementById("title").textContent = "Runs";
  const running = data.runs.filter((run) => run.state === "running").length;
  document.getElementById("subtitle").textContent = `${counted(data.runs.length, "run")}, ${running === 0 ? "none" : running} of them running` +
    (data.is_whole === false ? "; there are more, which are not listed" : "");
  const home = part(document.getElementById("main"), "runs");
  const sorted = home.querySelector('th[aria-sort="ascending"], th[aria-sort="descending"]');
  const kept = sorted ? { index: [...sorted.parentNode.children].indexOf(sorted), order: sorted.getAttribute("aria-sort") } : null;
  const focused = document.activeElement && home.contains(document.activeElement) ? document.activeElement.textContent : null;
  const from = home.firstChild ? home.firstChild.scrollLeft : 0;
  home.replaceChildren(data.runs.length > 0 ? runTable(data, true) : make("p", {}, "There are no runs yet."),
    ...data.runs.filter((run) => run.failure).map((run) => make("p", { class: "warning" }, `${run.name} ${run.failure}`)));
  home.firstChild.scrollLeft = from;
  if (kept) {
    const head = home.querySelectorAll("th")[kept.index];
    for (let click = 0; click < 2 && head.getAttribute("aria-sort") !== kept.order; ++click) head.firstChild.click();
  }
  if (focused) for (const one of home.querySelectorAll("a, button")) if (one.textContent === focused) one.focus();
}

function renderComparison(data) {
  const { runs } = data;
  document.getElementById("title").textContent = counted(runs.length, "run");
  document.getElementById("subtitle").textContent = runs.length <= 6 ? runs.map((run) => run.name).join(" · ") : "";
  section("runs", "Runs").append(runTable(data, false), ...runs.flatMap((run) => [...(run.failure ? [`${run.name} ${run.failure}`] : []),
    ...run.problems.map((text) => `${run.name}: ${text}`)].map((text) => make("p", { class: "warning" }, text))));
  const curved = runs.filter((run) => run.epochs), home = section("curves", "Curves");
  if (curved.length < runs.length) home.append(make("p", { class: "note" }, `Those of the ${curved.length} runs of the highest accuracy.`));
  if (data.thinned) home.append(make("p", { class: "note" }, "The curves of long runs are thinned: epochs evenly spaced, and the last. A run's own report shows more."));
  const grid = part(home, "curve-charts", "grid");
  const overlay = (id, title, key, extra) => addChart(grid, id, { title, xTitle: "epoch", wholeX: true, x: longest(curved), ...extra,
    series: curved.map((run, index) => ({ name: run.name, values: run.epochs[key], x: run.epochs.epoch, colour: index })) });
  overlay("loss", "Training loss", "loss", {});
  overlay("validation-loss", "Validation loss", "validation_loss", {});
  overlay("accuracy", "Training accuracy", "accuracy", { percent: true });
  overlay("validation-accuracy", "Validation accuracy", "validation_accuracy", { percent: true });
  overlay("learning-rate", "Learning rate", "learning_rate", {});
  overlay("throughput", "Throughput", "samples_per_s", { yTitle: "samples/s" });
  const accuracyOf = (run) => run.test_accuracy !== null ? run.test_accuracy : run.best_validation_accuracy !== null ? run.best_validation_accuracy : run.train_accuracy;
  const kindOf = (run) => run.test_accuracy !== null ? "test" : run.best_validation_accuracy !== null ? "best validation" : "training";
  const known = curved.filter((run) => accuracyOf(run) !== null && run.train_seconds > 0);
  if (known.length > 0) {
    const cost = part(section("cost", "Accuracy against cost"), "cost-charts", "grid");
    const kinds = [...new Set(known.map(kindOf))];
    addChart(cost, "cost-scatter", {
      type: "scatter", title: "Accuracy against training time", note: kinds.length > 1 ? "test accuracy; where there is none, that of validation or training" : `${kinds[0]} accuracy`,
      xTitle: "training time, s", percent: true, x: [], pointName: (item) => `${percent(item.parsed.y)} (${kindOf(known[item.datasetIndex])}) in ${duration(item.parsed.x)}`,
      series: known.map((run) => ({ name: run.name, values: [accuracyOf(run)], x: [run.train_seconds], colour: curved.indexOf(run) })) });
  }
  const recipes = section("differences", "Recipes");
  if (data.differences.length === 0) { recipes.append(make("p", {}, "The recipes are the same, key by key.")); return; }
  recipes.append(make("p", { class: "note" }, "The keys in which the recipes differ."), runs.length <= 8
    ? sortableTable("Differences between the recipes", [{ title: "key" }, ...runs.map((run) => ({ title: run.name }))],
      data.differences.map(({ key, values }) => [key, ...values]))
    : sortableTable("Differences between the recipes", [{ title: "run" }, ...data.differences.map(({ key }) => ({ title: key }))],
      runs.map((run, index) => [run.name, ...data.differences.map(({ values }) => values[index])])));
}
function longest(runs) {
  return runs.map((run) => run.epochs.epoch).reduce((a, b) => b.length > a.length ? b : a, []);
}
