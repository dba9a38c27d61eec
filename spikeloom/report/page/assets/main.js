"use strict";
// Renders the page's data, and new data of a page that is live.
const kUpdateMs = 3000;

function render(data) {
  if (data.kind === "list") { renderList(data); return; }
  if (data.kind === "comparison") { renderComparison(data); return; }
  for (const one of [renderSummary, renderLearning, renderRates, renderPotentials, renderWeights, renderClasses, renderSamples, renderCost,
    renderNetwork, renderSetup]) {
    try {
      one(data);
    } catch (error) { // the other sections are still shown
      console.error(one.name, error);
    }
  }
}

function update(data) {
  if (data.kind === "list") { renderList(data); return; }
  renderSummary(data);
  renderLearning(data);
  renderRates(data);
}

function follow(address) {
  let known = "", waiting = kUpdateMs;
  const ask = async () => {
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (answer.ok) {
        const text = await answer.text();
        if (text !== known) update(JSON.parse(text));
        known = text;
        document.body.classList.remove("stale");
        waiting = kUpdateMs;
      } else {
        throw new Error(String(answer.status));
      }
    } catch (error) { // the server has ended, perhaps for a while
      document.body.classList.add("stale");
      waiting = Math.min(60000, waiting * 2);
    }
    setTimeout(ask, waiting);
  };
  setTimeout(ask, waiting);
}

render(JSON.parse(document.getElementById("data").textContent));
if (document.body.dataset.live) follow(document.body.dataset.live);
