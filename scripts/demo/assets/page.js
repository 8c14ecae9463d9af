"use strict";
// Draws the time charts at the width they are given; figures come from the page itself.
const figures = JSON.parse(document.getElementById("figures").textContent);
const NS = "http://www.w3.org/2000/svg";
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const FORMATS = {
  usd: (v) => (Math.abs(v) >= 1e6 ? `$${(v / 1e6).toFixed(2)}m` : Math.abs(v) >= 1e4 ? `$${(v / 1e3).toFixed(0)}k` : `$${Math.round(v).toLocaleString("en")}`),
  price: (v) => `$${v.toLocaleString("en", { maximumFractionDigits: v < 1000 ? 2 : 0 })}`,
  percent: (v) => `${(100 * v).toFixed(2)} %`,
  count: (v) => `${Math.round(v)}`,
};
const signed = (text) => text.replace("$-", "−$").replace("-", "−");

function node(name, attributes, parent, text) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw) || raw;
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return found;
}

// Whole hours that divide the span into few enough parts; days are named where it is long.
function timeTicks(first, last, room) {
  const step = [1 / 12, 1 / 6, 0.5, 1, 2, 3, 6, 12, 24, 48].map((h) => h * 3600).find((s) => (last - first) / s <= room) || 172800;
  const found = [];
  for (let t = Math.ceil(first / step) * step; t <= last; t += step) found.push(t);
  return found.map((t) => [t, clock(t, step >= 86400)]);
}
function clock(t, daysOnly) {
  const date = new Date(t * 1000);
  const day = `${date.getUTCDate()} ${date.toLocaleString("en", { month: "short", timeZone: "UTC" })}`;
  const hour = date.toISOString().slice(11, 16);
  return daysOnly || hour === "00:00" ? day : hour;
}
const stamp = (t) => new Date(t * 1000).toISOString().slice(5, 16).replace("T", " ") + " UTC";

function draw(host, spec) {
  host.textContent = "";
  const width = host.clientWidth, height = spec.height, format = FORMATS[spec.format];
  const times = spec.times, n = times.length;
  const stacked = spec.kind === "stack";
  const ends = spec.series.some((s) => s.end) && width > 520;
  const pad = { top: 12, right: ends ? spec.room || 64 : 8, bottom: 26, left: { count: 30, price: 52, usd: 52, percent: 54 }[spec.format] };
  let low = spec.low, high = spec.high;
  const all = stacked ? [] : spec.series.flatMap((s) => s.values).filter((v) => v !== null);
  if (low === undefined) low = Math.min(...all);
  if (high === undefined) high = Math.max(...all);
  if (!stacked && spec.low === undefined) { const margin = 0.06 * (high - low || 1); low -= margin; high += margin; }
  if (spec.low !== undefined && spec.high === undefined) high += 0.06 * (high - low || 1);
  const yTicks = ticks(low, high, Math.max(2, Math.round(height / 62)));
  const x = (t) => pad.left + ((t - times[0]) / (times[n - 1] - times[0] || 1)) * (width - pad.left - pad.right);
  const y = (v) => pad.top + (1 - (v - low) / (high - low || 1)) * (height - pad.top - pad.bottom);
  const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": spec.label }, host);
  const right = width - pad.right;
  for (const v of yTicks) if (!stacked) node("line", { class: v === 0 ? "base" : "grid", x1: pad.left, x2: right, y1: y(v), y2: y(v) }, svg);
  for (const [t, text] of timeTicks(times[0], times[n - 1], Math.floor(width / 88))) {
    const anchor = x(t) > width - 24 ? "end" : "middle";
    node("text", { x: x(t), y: height - 6, "text-anchor": anchor }, svg, text);
    node("line", { class: "base", x1: x(t), x2: x(t), y1: height - pad.bottom, y2: height - pad.bottom + 4 }, svg);
  }
  if (stacked) {
    let floor = new Array(n).fill(0);
    for (const s of spec.series) {
      const roof = floor.map((v, i) => v + s.values[i]);
      const edge = (values) => values.flatMap((v, i) => { const next = i + 1 < n ? x(times[i + 1]) : right; return [`${x(times[i]).toFixed(1)},${y(v).toFixed(1)}`, `${next.toFixed(1)},${y(v).toFixed(1)}`]; });
      node("polygon", { points: [...edge(roof), ...edge(floor).reverse()].join(" "), fill: css(s.colour), stroke: "none" }, svg);
      floor = roof;
    }
    node("line", { class: "base", x1: pad.left, x2: right, y1: y(0), y2: y(0) }, svg);
  } else {
    if (spec.shade) {
      const [upper, lower] = spec.shade.map((i) => spec.series[i].values);
      // Where equity is below the requirement.
      let run = [];
      const flush = () => { if (run.length > 1) node("polygon", { points: [...run.map((i) => `${x(times[i])},${y(upper[i])}`), ...run.slice().reverse().map((i) => `${x(times[i])},${y(lower[i])}`)].join(" "), fill: css("--full"), opacity: 0.28 }, svg); run = []; };
      for (let i = 0; i < n; i++) if (lower[i] > 0 && upper[i] < lower[i]) run.push(i); else { if (run.length) run.push(i); flush(); }
      flush();
    }
    for (const s of spec.series) {
      if (s.area) node("polygon", { points: `${x(times[0])},${y(Math.max(low, 0))} ${s.values.map((v, i) => `${x(times[i]).toFixed(1)},${y(v).toFixed(1)}`).join(" ")} ${x(times[n - 1])},${y(Math.max(low, 0))}`, fill: css(s.colour), opacity: 0.1 }, svg);
      const path = s.values.map((v, i) => (v === null ? "" : `${i && s.values[i - 1] !== null ? "L" : "M"}${x(times[i]).toFixed(1)},${y(v).toFixed(1)}`)).join("");
      node("path", { d: path, fill: "none", stroke: css(s.colour), "stroke-width": s.thin ? 1.4 : 2, "stroke-linejoin": "round", ...(s.dash ? { "stroke-dasharray": "5 4" } : {}) }, svg);
      if (s.end && ends) node("text", { class: "end", x: right + 8, y: y(s.values[n - 1]) + 4, style: `fill:${css(s.colour)}` }, svg, s.end);
    }
  }
  for (const v of yTicks) {
    if (stacked && v > 0) node("line", { x1: pad.left, x2: right, y1: y(v), y2: y(v), stroke: css("--paper"), "stroke-opacity": 0.35 }, svg);
    node("text", { x: pad.left - 8, y: y(v) + 4, "text-anchor": "end" }, svg, signed(format(v)));
  }
  for (const point of spec.points || []) {
    const below = y(point.value) + 22 < height - pad.bottom;
    const at = x(times[point.step]);
    const left = at > width - 130;
    node("text", { class: "note", x: at + (left ? -12 : 12), y: y(point.value) + (below ? 16 : -2), "text-anchor": left ? "end" : "start" }, svg, point.text);
  }
  // One mark per step and kind, its area by the number of accounts; calls above the price, bankruptcies below it.
  const groups = new Map();
  for (const mark of spec.marks || []) {
    const key = `${mark.step} ${mark.kind}`;
    groups.set(key, { ...mark, count: (groups.get(key)?.count || 0) + 1 });
  }
  for (const mark of groups.values()) {
    const cx = x(times[mark.step]), paper = css("--paper"), r = 3 + 1.3 * Math.sqrt(mark.count);
    const cy = y(mark.value) + { call: -13, liquidated: 0, bankrupt: 13 }[mark.kind];
    if (mark.kind === "bankrupt") node("path", { d: `M${cx},${cy - r - 1}l${r + 1},${r + 1}l${-r - 1},${r + 1}l${-r - 1},${-r - 1}z`, fill: css("--bankrupt"), stroke: paper, "stroke-width": 1.2 }, svg);
    else if (mark.kind === "liquidated") node("circle", { cx, cy, r, fill: css("--full"), stroke: paper, "stroke-width": 1.2 }, svg);
    else node("circle", { cx, cy, r: r - 0.6, fill: paper, stroke: css("--called"), "stroke-width": 2.2 }, svg);
  }
  // Cursor and figures under it.
  const cursor = node("line", { class: "cursor", y1: pad.top, y2: height - pad.bottom, opacity: 0 }, svg);
  const tip = document.createElement("div");
  tip.className = "tip";
  host.append(tip);
  const leave = () => { tip.style.opacity = 0; cursor.setAttribute("opacity", 0); };
  const move = (event) => {
    const box = host.getBoundingClientRect(), px = event.clientX - box.left;
    let best = 0;
    for (let i = 1; i < n; i++) if (Math.abs(x(times[i]) - px) < Math.abs(x(times[best]) - px)) best = i;
    const at = x(times[best]);
    for (const [key, value] of [["x1", at], ["x2", at], ["opacity", 1]]) cursor.setAttribute(key, value);
    const rows = [...spec.series].reverse().map((s) => `<div><i style="background:${css(s.colour)}"></i>${s.name}<span>${s.values[best] === null ? "–" : signed(format(s.values[best]))}</span></div>`);
    const here = (spec.marks || []).filter((m) => m.step === best);
    const names = { call: "called", liquidated: "liquidated", bankrupt: "bankrupt" };
    for (const kind of ["call", "liquidated", "bankrupt"]) {
      const who = here.filter((m) => m.kind === kind).map((m) => m.name);
      if (who.length) rows.push(`<div>${names[kind]}: ${who.slice(0, 3).join(", ")}${who.length > 3 ? ` and ${who.length - 3} more` : ""}</div>`);
    }
    tip.innerHTML = `<b>${stamp(times[best])}</b>${rows.join("")}`;
    tip.style.opacity = 1;
    const left = at + 14 + tip.offsetWidth > width ? at - 14 - tip.offsetWidth : at + 14;
    tip.style.transform = `translate(${Math.max(0, Math.min(left, width - tip.offsetWidth))}px, ${pad.top}px)`;
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", move);
  svg.addEventListener("pointerleave", leave);
}

function drawAll() {
  for (const host of document.querySelectorAll("[data-chart]")) draw(host, figures[host.dataset.chart]);
}
drawAll();
let pending;
addEventListener("resize", () => { cancelAnimationFrame(pending); pending = requestAnimationFrame(drawAll); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
