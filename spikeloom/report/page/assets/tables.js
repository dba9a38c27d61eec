"use strict";
// Says at the edges of what scrolls sideways that there is more, and in words that it scrolls.
function markEdges(box) {
  const most = box.scrollWidth - box.clientWidth;
  box.classList.toggle("wide", most > 1);
  box.classList.toggle("more-left", most > 1 && box.scrollLeft > 1);
  box.classList.toggle("more-right", most > 1 && box.scrollLeft < most - 1);
}
// Later, since a mark changes heights.
const kWidths = new ResizeObserver((entries) => requestAnimationFrame(() => {
  for (const { target } of entries) if (target.isConnected) markEdges(target.closest(".scroll"));
}));
function scrollBox(attributes, table) {
  const box = make("div", { class: "scroll", ...attributes }, table);
  box.addEventListener("scroll", () => markEdges(box), { passive: true });
  kWidths.observe(box);
  kWidths.observe(table);
  return box;
}

// A table whose columns sort. columns: [{title, number, show}], rows: [[value, ...]]; a value may be an element with
// a data-value to sort by.
function sortableTable(caption, columns, rows) {
  const body = make("tbody");
  const valueOf = (cell) => cell instanceof Element ? cell.dataset.value : cell;
  const cellOf = (value, column) => {
    const cell = make("td", { class: column.number ? "number" : "" });
    cell.append(value instanceof Element ? value : value === null || value === undefined ? "" :
      column.show ? column.show(value) : String(value));
    return cell;
  };
  const fill = (list) => {
    body.replaceChildren(...list.map((row) => make("tr", {}, ...row.map((value, i) => cellOf(value, columns[i])))));
  };
  const heads = columns.map((column, index) => {
    const button = make("button", { type: "button" }, column.title);
    const head = make("th", { scope: "col", class: column.number ? "number" : "", "aria-sort": "none" }, button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "none" ? Boolean(column.number) : head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const compare = (a, b) => {
        const x = valueOf(a[index]), y = valueOf(b[index]);
        if (x === null || x === undefined || x === "") return 1; // what is missing comes last
        if (y === null || y === undefined || y === "") return -1;
        const order = column.number ? Number(x) - Number(y) : String(x).localeCompare(String(y), "en", { numeric: true });
        return descending ? -order : order;
      };
      fill([...rows].sort(compare));
    });
    return head;
  });
  fill(rows);
  return scrollBox({ tabindex: "0", role: "region", "aria-label": caption },
    make("table", { class: "sortable" }, make("caption", { class: "visually-hidden" }, caption),
      make("thead", {}, make("tr", {}, ...heads)), body));
}

function confusionTable(classes, confusion) {
  const head = make("tr", {}, make("th", { class: "corner", scope: "col" }, "label \\ prediction"),
    ...classes.map((name) => make("th", { scope: "col" }, name)));
  const body = make("tbody");
  confusion.forEach((row, label) => {
    const total = row.reduce((a, b) => a + b, 0);
    if (total === 0) return;
    body.append(make("tr", {}, make("th", { scope: "row" }, classes[label]), ...row.map((count, prediction) => {
      const share = count / total;
      const cell = make("td", { title: `label ${classes[label]}, predicted ${classes[prediction]}: ${count} of ${total}` },
        count > 0 ? String(count) : "");
      if (count > 0) cell.style.backgroundColor = `rgba(var(--heat), ${0.08 + 0.5 * share})`;
      if (label === prediction) cell.style.fontWeight = "600";
      return cell;
    })));
  });
  return scrollBox({ tabindex: "0", role: "region", "aria-label": "Confusion matrix" },
    make("table", { class: "confusion" }, make("caption", { class: "visually-hidden" },
      "Confusion matrix: a row for each label, a column for each prediction"), make("thead", {}, head), body));
}

function keyValueTable(rows) {
  const body = make("tbody");
  for (const [key, value] of rows) body.append(make("tr", {}, make("th", { scope: "row" }, key), make("td", {}, String(value))));
  return scrollBox({}, make("table", {}, body));
}
