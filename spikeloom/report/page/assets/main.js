"use strict";
// Renders the page's data, and new data of a page that is live.
const kUpdateMs = 3000;

// What draws a run's page, and which data it draws: a page that is live draws a part again when that changed. Parts
// without such data change all the time, and keep what the reader did to them.
const kParts = [[renderSummary], [renderLearning], [renderRates], [renderPotentials, (data) => data.observed], [renderWeights, (data) => [data.weights, data.network_of]],
  [renderClasses, (data) => data.observed], [renderSamples, (data) => data.observed], [renderCost, (data) => data.observed],
  [renderNetwork, (data) => data.network], [renderSetup, (data) => [data.commands, data.environment, data.recipe]]];
const drawn = new Map();

function render(data) {
  if (data.kind === "list") { renderList(data); return; }
  if (data.kind === "comparison") { renderComparison(data); return; }
  const { scrollX, scrollY } = window, focused = document.activeElement;
  const home = focused && focused.closest("section"), place = home ? focusable(home).indexOf(focused) : -1;
  for (const [one, of] of kParts) {
    const now = of ? JSON.stringify(of(data)) : null;
    if (of && drawn.get(one) === now) continue;
    drawn.set(one, now);
    try {
      one(data);
    } catch (error) { // the other sections are still shown
      console.error(one.name, error);
    }
  }
  if (place >= 0 && !focused.isConnected) (focusable(home)[place] || home.firstChild).focus({ preventScroll: true });
  if (window.scrollY !== scrollY) window.scrollTo(scrollX, scrollY);
}

function focusable(element) {
  return [...element.querySelectorAll("a, button, summary, [tabindex]")];
}

function follow(address) {
  let known = "", waiting = kUpdateMs;
  const ask = async () => {
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (answer.ok) {
        const text = await answer.text();
        if (text !== known) render(JSON.parse(text));
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
