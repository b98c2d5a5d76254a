// The charts: uPlot's lines over the history, drawn anew as points come.

import { by, el } from "./dom.js";
import { count, percent, rate, seconds } from "./format.js";

const RANGE = { "15m": 900, "1h": 3600, "24h": 86400 };
const EDGE = 0.2; // of the capacity, as in the relay's own warning

// Of each chart its lines: what of the history, and how it is called.
const CHARTS = [
  { id: "throughput", title: "Throughput /s", show: rate, lines: [["put", "put"], ["sequenced", "sequenced"], ["delivered", "delivered"]] },
  { id: "lag", title: "Records behind", show: count, lines: [["lag", "slowest"], ["staging", "staging"]] },
  { id: "age", title: "Oldest in staging", show: seconds, lines: [["staging_seconds", "waits"]] },
  { id: "headroom", title: "Headroom", show: percent, top: 1, edge: true, lines: [["headroom", "least"]] },
  { id: "latency", title: "Put to Kafka", show: seconds, lines: [["p50", "p50"], ["p95", "p95"], ["p99", "p99"]] },
  { id: "letters", title: "Put aside", show: count, lines: [["dead", "dead"], ["parked", "parked"]] },
];
const NAMES = ["a", "b", "c"];

// What the lines of all readers come to: the one that is worst off.
export function together(columns, relays) {
  const of = (kind) => Object.keys(columns).filter((name) => name.startsWith(kind));
  const worst = (names, pick) => columns.at.map((_, at) => {
    const known = names.map((name) => columns[name][at]).filter((value) => value !== null && value !== undefined);
    return known.length ? pick(...known) : null;
  });
  const own = relays.map((relay) => `delivered:${relay}`).filter((name) => name in columns);
  return {
    ...columns,
    delivered: worst(own.length ? own : of("delivered:"), Math.min),
    lag: worst(of("lag:"), Math.max),
    headroom: worst(of("headroom:"), Math.min),
  };
}

export class Charts {
  constructor() {
    this.made = CHARTS.map((chart) => this.make(chart));
    by("charts").replaceChildren(...this.made.map((each) => each.figure));
    new ResizeObserver(() => this.resize()).observe(by("charts"));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
  }

  make(chart) {
    const keys = chart.lines.map(([, title], at) => {
      const value = el("span", {});
      return { value, node: el("span", { class: "key" }, el("i", { "data-line": NAMES[at] }), `${title} `, value) };
    });
    const edge = chart.edge ? el("span", { class: "key" }, el("i", { "data-line": "edge" }), "warning at 20 %") : null;
    const plot = el("div", { class: "plot", role: "img" });
    const figure = el("figure", { id: `chart-${chart.id}` },
      el("figcaption", {}, el("strong", {}, chart.title), keys.map((key) => key.node), edge), plot);
    return { ...chart, keys, plot, figure, uplot: null, data: null };
  }

  show(columns, range, now) {
    const from = now - RANGE[range];
    for (const each of this.made) {
      const lines = each.lines.map(([name]) => columns[name] ?? columns.at.map(() => null));
      each.data = [columns.at, ...lines];
      each.scale = [from, now];
      this.draw(each);
      this.tell(each, lines);
    }
  }

  draw(each) {
    if (!each.data.slice(1).some((line) => line.some((value) => value !== null))) {
      each.uplot?.destroy();
      each.uplot = null;
      each.plot.replaceChildren(el("span", { class: "none" }, each.id === "latency" ? "nothing delivered by this process" : "no points yet"));
      return;
    }
    if (each.uplot === null) {
      each.plot.replaceChildren();
      each.uplot = new window.uPlot(options(each), each.data, each.plot);
    }
    each.uplot.batch(() => {
      each.uplot.setData(each.data, false);
      each.uplot.setScale("x", { min: each.scale[0], max: each.scale[1] });
    });
  }

  tell(each, lines) {
    const said = each.lines.map(([, title], at) => {
      const last = lines[at].findLast((value) => value !== null);
      each.keys[at].value.textContent = last === undefined ? "–" : each.show(last);
      return `${title} ${each.keys[at].value.textContent}`;
    });
    each.plot.setAttribute("aria-label", `${each.title}, now: ${said.join(", ")}`);
  }

  resize() {
    for (const each of this.made) each.uplot?.setSize({ width: each.plot.clientWidth, height: each.plot.clientHeight });
  }

  recolour() {
    for (const each of this.made) {
      each.uplot?.destroy();
      each.uplot = null;
      if (each.data !== null) this.draw(each);
    }
  }
}

function options(each) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("quiet"), font: "11px system-ui, sans-serif", grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false } };
  return {
    width: each.plot.clientWidth,
    height: each.plot.clientHeight,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { setScale: false, x: false, y: false } },
    scales: {
      x: { time: true, auto: false },
      y: { range: (_, low, high) => [0, each.top ?? nice(Math.max(high ?? 0, each.id === "latency" ? 0 : 1e-3))] },
    },
    series: [{}, ...each.lines.map((_, at) => ({ stroke: colour(NAMES[at]), width: 1.5, spanGaps: false, points: { show: false } }))],
    axes: [
      { ...axis, size: 26, space: 70, values: "{HH}:{mm}" },
      { ...axis, size: 52, space: 34, values: (_, ticks) => ticks.map((tick) => each.show(tick)) },
    ],
    hooks: each.edge ? { draw: [(uplot) => edge(uplot, colour("bad"))] } : {},
  };
}

const nice = (high) => (high > 0 ? high * 1.12 : 1);

function edge(uplot, colour) {
  const y = Math.round(uplot.valToPos(EDGE, "y", true));
  const { ctx } = uplot;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = window.devicePixelRatio;
  ctx.setLineDash([4 * window.devicePixelRatio, 3 * window.devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(uplot.bbox.left, y);
  ctx.lineTo(uplot.bbox.left + uplot.bbox.width, y);
  ctx.stroke();
  ctx.restore();
}
