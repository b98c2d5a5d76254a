// Makes elements. All text goes in as text: what a message or a name has in it is never read as HTML.

export const by = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined).map(asNode));
  return made;
}

const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

// A table of `columns` [{title, kind, cell(row)}]; kind is the cells' class: n a number, m in fixed pitch, w wide.
export function table(caption, columns, rows, rowAttributes = () => ({})) {
  const heads = columns.map((each) => el("th", { scope: "col", class: each.kind }, each.head ?? each.title));
  const body = rows.map((row) => el("tr", rowAttributes(row), columns.map((each) =>
    el("td", { class: each.kind, "data-of": each.title }, each.cell(row)))));
  return el("table", { class: "stack" }, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body));
}

// Puts new children in place of the old ones, and the focus back to where it was, by `data-focus`.
export function replace(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  parent.replaceChildren(...children.flat().filter(Boolean));
  if (focused !== undefined) parent.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}
