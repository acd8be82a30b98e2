// The console: asks this server for counters once a second, and draws what passed between two answers.
"use strict";

const POINTS = 300;
// Points that there is room for at first; then the plots grow narrower until they hold all.
const ROOM = 60;
const PERCENTILE_WINDOW = 5;
const $ = (id) => document.getElementById(id);

// ---- figures as text

const NONE = "–";
const short = (value) => {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e9) return (value / 1e9).toFixed(2) + " G";
  if (size >= 1e6) return (value / 1e6).toFixed(2) + " M";
  if (size >= 1e4) return (value / 1e3).toFixed(1) + " k";
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(1);
};
const bytes = (value) => {
  if (!Number.isFinite(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return (unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)) + " " + units[unit];
};
const percent = (value) => Number.isFinite(value) ? (100 * value).toFixed(value > 0.9995 && value < 1 ? 2 : 1) + " %" : NONE;
const micros = (value) => {
  if (!Number.isFinite(value)) return NONE;
  if (value < 1000) return Math.round(value) + " µs";
  if (value < 1e6) return (value / 1e3).toFixed(value < 1e4 ? 1 : 0) + " ms";
  return (value / 1e6).toFixed(1) + " s";
};
const span = (secs) => {
  if (!Number.isFinite(secs)) return NONE;
  if (secs < 60) return Math.round(secs) + " s";
  if (secs < 3600) return Math.floor(secs / 60) + " min";
  if (secs < 86400) return Math.floor(secs / 3600) + " h " + Math.floor(secs % 3600 / 60) + " min";
  return Math.floor(secs / 86400) + " d " + Math.floor(secs % 86400 / 3600) + " h";
};

// ---- plots

const colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["c1", "c2", "c3", "c4", "c5", "c6", "line", "soft", "ink", "card"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
}

class Plot {
  // options: series [{ name, colour }], format, stacked, log, max (a fixed end), limit (a name for a dashed line)
  constructor(id, options) {
    Object.assign(this, { stacked: false, log: false, max: null, limit: null }, options);
    this.figure = $(id);
    this.title = this.figure.querySelector("figcaption").textContent;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.values = this.series.map((series) => {
      const item = document.createElement("li");
      item.className = "s" + series.colour.slice(1);
      item.append(series.name);
      const value = document.createElement("b");
      item.append(value);
      this.legend.append(item);
      return value;
    });
    this.figure.append(this.canvas, this.legend);
    this.points = [];
    this.limits = NaN;
    this.at = null;
    this.canvas.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      this.at = (event.clientX - box.left) / box.width;
      this.draw();
    });
    this.canvas.addEventListener("pointerleave", () => { this.at = null; this.draw(); });
  }

  clear() { this.points = []; }

  add(values, limit = NaN) {
    this.points.push(values);
    if (this.points.length > POINTS) this.points.shift();
    this.limits = limit;
    this.draw();
  }

  end() {
    if (this.max !== null) return this.max;
    let top = 0;
    for (const point of this.points) {
      const finite = point.filter(Number.isFinite);
      const value = this.stacked ? finite.reduce((a, b) => a + b, 0) : Math.max(0, ...finite);
      top = Math.max(top, value);
    }
    if (Number.isFinite(this.limits) && top > this.limits / 3) top = Math.max(top, this.limits);
    if (this.log) return Math.max(1000, top * 1.5);
    const base = this.binary ? 1024 ** Math.floor(Math.log(Math.max(top, 1)) / Math.log(1024)) : 1;
    const scaled = Math.max(top / base, 1.8) * 1.08;
    const step = 10 ** Math.floor(Math.log10(scaled));
    const nice = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * step >= scaled);
    return nice * step * base;
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (width === 0) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px " + getComputedStyle(this.figure).fontFamily;
    const top = this.end(), floor = this.log ? 1 : 0;
    const left = 58, right = width - 2, head = 8, foot = height - 8;
    const y = (value) => {
      const part = this.log ? Math.log(Math.max(value, floor) / floor) / Math.log(top / floor) : value / top;
      return foot - Math.max(0, Math.min(1, part)) * (foot - head);
    };
    const room = Math.max(ROOM, this.points.length) - 1;
    const x = (index) => right - (this.points.length - 1 - index) * (right - left) / room;
    // The grid.
    let marks = [0, 0.5, 1].map((part) => part * top);
    if (this.log) {
      marks = [];
      for (let mark = 1; mark <= top; mark *= 10) marks.push(mark);
      if (marks.length > 4) marks = marks.filter((_, index) => index % 2 === 0);
    }
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const mark of marks) {
      const at = Math.round(y(mark)) + 0.5;
      pen.strokeStyle = colours.line;
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(left, at); pen.lineTo(right, at); pen.stroke();
      pen.fillStyle = colours.soft;
      pen.fillText(this.format(mark), left - 6, at);
    }
    if (Number.isFinite(this.limits) && this.limits <= top) {
      const at = y(this.limits);
      pen.strokeStyle = colours.c6;
      pen.setLineDash([4, 4]);
      pen.beginPath(); pen.moveTo(left, at); pen.lineTo(right, at); pen.stroke();
      pen.setLineDash([]);
    }
    // The lines, or the areas one upon the other.
    const below = this.points.map(() => 0);
    this.series.forEach((series, place) => {
      pen.strokeStyle = pen.fillStyle = colours[series.colour];
      pen.lineWidth = 1.6;
      pen.lineJoin = "round";
      if (this.stacked) {
        const upper = this.points.map((point, index) => below[index] + (point[place] || 0));
        pen.beginPath();
        upper.forEach((value, index) => pen.lineTo(x(index), y(value)));
        for (let index = below.length - 1; index >= 0; index -= 1) pen.lineTo(x(index), y(below[index]));
        pen.closePath();
        pen.globalAlpha = 0.85;
        pen.fill();
        pen.globalAlpha = 1;
        upper.forEach((value, index) => { below[index] = value; });
        return;
      }
      pen.beginPath();
      let open = false, first = 0, last = 0;
      this.points.forEach((point, index) => {
        const value = point[place];
        if (!Number.isFinite(value)) { open = false; return; }
        if (open) pen.lineTo(x(index), y(value)); else { pen.moveTo(x(index), y(value)); first = index; }
        open = true;
        last = index;
      });
      pen.stroke();
      if (place === 0 && this.series.length === 1 && open) {
        pen.lineTo(x(last), foot); pen.lineTo(x(first), foot); pen.closePath();
        pen.globalAlpha = 0.12;
        pen.fill();
        pen.globalAlpha = 1;
      }
    });
    this.tell(pen, x, (right - left) / room, right, head, foot);
  }

  // Says the values under the pointer, or else the newest.
  tell(pen, x, step, right, head, foot) {
    let index = this.points.length - 1;
    if (this.at !== null && index >= 0) {
      const width = this.canvas.clientWidth;
      index = Math.round(index - (right - this.at * width) / step);
      index = Math.max(0, Math.min(this.points.length - 1, index));
      pen.strokeStyle = colours.soft;
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(x(index), head); pen.lineTo(x(index), foot); pen.stroke();
    }
    const point = this.points[index] || [];
    this.values.forEach((value, place) => { value.textContent = this.format(point[place] ?? NaN); });
    const ago = this.points.length - 1 - index;
    const texts = this.series.map((series, place) => series.name + " " + this.format(point[place] ?? NaN));
    this.canvas.setAttribute("aria-label", this.title + (ago > 0 ? ", " + ago + " s ago" : "") + ": " + texts.join(", "));
  }
}

const perSecond = (value) => short(value);
const plots = {};
function makePlots() {
  plots.rate = new Plot("plot-rate", { series: [{ name: "requests", colour: "c1" }], format: perSecond });
  plots.hit = new Plot("plot-hit", { series: [{ name: "hits of all look-ups", colour: "c1" }], format: percent, max: 1 });
  plots.latency = new Plot("plot-latency", {
    series: [{ name: "p50", colour: "c1" }, { name: "p99", colour: "c2" }, { name: "p99.9", colour: "c6" }],
    format: micros, log: true,
  });
  plots.memory = new Plot("plot-memory", {
    series: [
      { name: "pages", colour: "c1" }, { name: "large", colour: "c3" }, { name: "index", colour: "c2" },
      { name: "heap", colour: "c4" }, { name: "eviction", colour: "c6" }, { name: "buffers", colour: "c5" },
    ],
    format: bytes, stacked: true, binary: true,
  });
  plots.gone = new Plot("plot-gone", { series: [{ name: "evicted", colour: "c2" }, { name: "expired", colour: "c3" }], format: perSecond });
  plots.net = new Plot("plot-net", { series: [{ name: "in", colour: "c3" }, { name: "out", colour: "c1" }], format: bytes, binary: true });
}

// ---- asking

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", credentials: "same-origin" });
  if (!answer.ok) throw new Error(path + ": " + answer.status);
  return answer.json();
}

function say(alive, text) {
  $("state").className = alive ? "live" : "lost";
  if ($("state-text").textContent !== text) $("state-text").textContent = text;
}

// ---- the overview

let last = null;
const windows = [];

// Counts by the end of their bucket, of all families.
function latencies(overview) {
  const counts = new Map();
  for (const family of Object.values(overview.families)) {
    for (const [end, count] of family.latency_us) counts.set(end, (counts.get(end) || 0) + count);
  }
  return counts;
}

function quantiles(parts) {
  const from = windows[Math.max(0, windows.length - 1 - PERCENTILE_WINDOW)];
  const to = windows[windows.length - 1];
  const ends = [...to.keys()].sort((a, b) => a - b);
  const counts = ends.map((end) => to.get(end) - (from.get(end) || 0));
  const all = counts.reduce((a, b) => a + b, 0);
  return parts.map((part) => {
    if (all === 0) return NaN;
    let seen = 0;
    for (let index = 0; index < ends.length; index += 1) {
      seen += counts[index];
      if (seen >= part * all) return ends[index];
    }
    return ends[ends.length - 1];
  });
}

function begin() {
  last = null;
  windows.length = 0;
  Object.values(plots).forEach((plot) => plot.clear());
}

function text(id, value) { $(id).textContent = value; }

function showOverview(now) {
  if (last && (last.run_id !== now.run_id || now.mono_us <= last.mono_us)) begin();
  windows.push(latencies(now));
  if (windows.length > PERCENTILE_WINDOW + 1) windows.shift();
  const totals = now.totals;
  text("facts", "version " + now.version + " · " + now.cores.length + (now.cores.length === 1 ? " core" : " cores") +
    " · " + now.driver.split(" ")[0] + " · up " + span(now.uptime));
  text("t-mem", bytes(totals.used));
  text("t-mem-sub", percent((totals.used - totals.buffers) / now.maxmemory) + " of " + bytes(now.maxmemory) + ", " + now.policy);
  text("t-items", short(totals.items));
  text("t-items-sub", totals.items > 0 ? Math.round((totals.used - totals.buffers) / totals.items) + " B per item" : "\u00a0");
  text("t-clients", short(totals.connections));
  text("t-clients-sub", "of " + short(now.maxclients) + " at most");
  if (last) {
    const secs = (now.mono_us - last.mono_us) / 1e6;
    const rate = (name) => (totals[name] - last.totals[name]) / secs;
    const looked = rate("hits") + rate("misses");
    const hit = looked > 0 ? rate("hits") / looked : NaN;
    const [p50, p99, p999] = quantiles([0.5, 0.99, 0.999]);
    plots.rate.add([rate("commands")]);
    plots.hit.add([hit]);
    plots.latency.add([p50, p99, p999]);
    plots.gone.add([rate("evicted"), rate("expired")]);
    plots.net.add([rate("bytes_in"), rate("bytes_out")]);
    text("t-rate", short(rate("commands")));
    text("t-rate-sub", "processor " + percent((now.cpu_secs - last.cpu_secs) / secs / now.cores.length));
    text("t-hit", percent(hit));
    text("t-hit-sub", looked > 0 ? short(rate("misses")) + " misses/s" : "no look-ups");
    text("t-p99", micros(p99));
    text("t-p99-sub", "p50 " + micros(p50) + ", p99.9 " + micros(p999));
    showCores(now, last, secs);
  }
  const memory = now.memory;
  plots.memory.add([memory.pages, memory.large, memory.index, memory.heap, memory.eviction, memory.buffers], now.maxmemory);
  last = now;
}

// ---- tables

function cell(value, kind) {
  const made = document.createElement("td");
  if (kind) made.className = kind;
  if (value instanceof Node) made.append(value); else made.textContent = value;
  return made;
}

function fill(id, rows, columns, nothing) {
  const body = $(id).tBodies[0];
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  });
  if (lines.length === 0) {
    const line = document.createElement("tr");
    const made = cell(nothing, "none");
    made.colSpan = columns;
    line.append(made);
    lines.push(line);
  }
  body.replaceChildren(...lines);
}

function bar(parts, whole) {
  const made = document.createElement("div");
  made.className = "bar";
  for (const [kind, value] of parts) {
    const piece = document.createElement("i");
    piece.className = kind;
    piece.style.width = (100 * value / Math.max(whole, 1e-9)) + "%";
    made.append(piece);
  }
  return made;
}

function share(part) {
  const made = document.createElement("div");
  made.className = "share";
  const value = document.createElement("span");
  value.textContent = percent(part);
  made.append(bar([["b-used", part]], 1), value);
  return made;
}

function showCores(now, before, secs) {
  const all = now.totals.commands - before.totals.commands;
  fill("cores", now.cores.map((core, index) => {
    const old = before.cores[index];
    const rate = (name) => (core[name] - old[name]) / secs;
    return [
      cell(index), cell(short(rate("commands")), "n"), cell(share(all > 0 ? (core.commands - old.commands) / all : 0)),
      cell(short(rate("hops")), "n"), cell(short(rate("turns")), "n"), cell(short(core.connections), "n"),
      cell(short(core.items), "n"), cell(bytes(core.used), "n"),
    ];
  }), 8, "");
}

let slabsBefore = null;
function showSlabs(cores) {
  const at = performance.now() / 1000;
  // Changes per second of each core turn an age in changes into one in seconds.
  const rates = cores.map((core, index) => {
    const old = slabsBefore && slabsBefore.changes[index];
    if (old === undefined || old === null) return NaN;
    return ((core.change - old + 2 ** 32) % 2 ** 32) / (at - slabsBefore.at);
  });
  slabsBefore = { at, changes: cores.map((core) => core.change) };
  const classes = new Map();
  cores.forEach((core, index) => {
    for (const one of core.classes) {
      const key = one.chunk > 0 ? one.chunk : Number.MAX_SAFE_INTEGER;
      const sum = classes.get(key) || { chunk: one.chunk, pages: 0, used: 0, free: 0, requested: 0, waste: 0, evicted: 0, age: NaN, changes: 0 };
      for (const name of ["pages", "used", "free", "requested", "waste", "evicted"]) sum[name] += one[name];
      if (one.evicted > 0) {
        const age = one.frontier / rates[index];
        sum.age = Number.isFinite(sum.age) ? Math.min(sum.age, age) : age;
        sum.changes = sum.changes > 0 ? Math.min(sum.changes, one.frontier) : one.frontier;
      }
      classes.set(key, sum);
    }
  });
  const rows = [...classes.entries()].filter(([, one]) => one.pages > 0 || one.used > 0).sort(([a], [b]) => a - b);
  const held = (one) => one.requested + one.waste + one.free * one.chunk;
  const most = Math.max(...rows.map(([, one]) => held(one)), 1);
  fill("slab-map", rows.map(([, one]) => {
    const strip = bar([["b-used", one.requested], ["b-waste", one.waste], ["b-free", one.free * one.chunk]], most);
    strip.title = bytes(held(one)) + ": " + bytes(one.requested) + " items, " + bytes(one.waste) + " wasted, " + bytes(one.free * one.chunk) + " free";
    const used = one.requested + one.waste;
    let age = one.evicted > 0 ? span(one.age) : NONE;
    if (one.evicted > 0 && !Number.isFinite(one.age)) age = short(one.changes) + " changes";
    return [
      cell(one.chunk > 0 ? bytes(one.chunk) : "large", "n"), cell(strip), cell(one.chunk > 0 ? short(one.pages) : NONE, "n"), cell(short(one.used), "n"),
      cell(one.chunk > 0 ? short(one.free) : NONE, "n"), cell(used > 0 ? percent(one.waste / used) : NONE, "n"),
      cell(short(one.evicted), "n"), cell(age, "n"),
    ];
  }), 8, "Nothing is stored.");
}

function showHot(keys) {
  fill("hot", keys.map((key) => [cell(key.key, "key"), cell(key.db, "n"), cell(share(key.share))]), 3, "No requests on keys lately.");
}

function showBig(keys) {
  fill("big", keys.map((key) => [cell(key.key, "key"), cell(key.db, "n"), cell(key.type), cell(bytes(key.bytes), "n")]), 4, "Nothing is stored.");
}

const CLIENTS_SHOWN = 100;
function showClients(clients) {
  text("client-count", short(clients.length) + (clients.length > CLIENTS_SHOWN ? ", the first " + CLIENTS_SHOWN + " by id" : ""));
  fill("client-list", clients.slice(0, CLIENTS_SHOWN).map((one) => [
    cell(one.id, "n"), cell(one.addr), cell(one.name || NONE), cell([one["lib-name"], one["lib-ver"]].filter(Boolean).join(" ") || NONE),
    cell(one.core, "n"), cell(one.db, "n"), cell(one.cmd === "NULL" ? NONE : one.cmd), cell(span(one.idle), "n"), cell(span(one.age), "n"), cell(bytes(one.omem), "n"),
  ]), 10, "Nobody is connected.");
}

function moment(secs) {
  const when = new Date(secs * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return today ? when.toLocaleTimeString() : when.toLocaleString();
}

function command(words) {
  const made = cell(words.join(" "), "cmd");
  made.title = made.textContent;
  return made;
}

function showSlow(entries) {
  fill("slow-list", entries.map(([, when, took, words, client, name]) => [
    cell(moment(when)), cell(micros(took), "n"), command(words), cell(name ? name + " (" + client + ")" : client),
  ]), 4, "Nothing was slow.");
}

// ---- configuration

const edited = () => document.activeElement && document.activeElement.closest && document.activeElement.closest("#config-list form");

async function change(name, value) {
  const said = $("config-said");
  try {
    const answer = await fetch("api/config", {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-Larder-Console": "1", "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ name, value }),
    });
    const reason = (await answer.text()).trim();
    said.className = answer.ok ? "" : "bad";
    said.textContent = name + ": " + (answer.ok ? "set" : reason);
    return answer.ok;
  } catch (error) {
    said.className = "bad";
    said.textContent = name + ": " + error.message;
    return false;
  }
}

function field(row) {
  const form = document.createElement("form");
  const input = document.createElement("input");
  const button = document.createElement("button");
  button.textContent = "Set";
  input.setAttribute("aria-label", row.name);
  input.title = row.range;
  input.autocomplete = "off";
  input.spellcheck = false;
  if (row.secret) {
    input.type = "password";
    input.autocomplete = "new-password";
    input.placeholder = row.value === null ? "is set" : "none";
    // For password managers, which want to know whose it is.
    const user = document.createElement("input");
    user.autocomplete = "username";
    user.hidden = true;
    user.setAttribute("aria-label", "user");
    form.append(user);
  }
  const shown = row.value === null ? "" : row.value;
  input.value = shown;
  button.disabled = true;
  input.addEventListener("input", () => { button.disabled = input.value === shown; });
  form.append(input, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    if (await change(row.name, input.value)) {
      input.blur();
      await refreshConfig();
    } else {
      button.disabled = false;
    }
  });
  return form;
}

async function refreshConfig() {
  showConfig(await ask("api/config"));
}

function showConfig(rows) {
  if (edited()) return;
  fill("config-list", rows.map((row) => {
    const name = cell(row.name, row.default ? "" : "set");
    let value;
    if (row.live) {
      value = cell(field(row));
    } else {
      const code = document.createElement("code");
      code.textContent = row.value === "" ? NONE : row.value;
      value = cell(code);
    }
    const help = cell(row.help, "wide");
    if (row.live) {
      const range = document.createElement("small");
      range.textContent = row.range;
      help.append(range);
    }
    return [name, value, help];
  }), 3, "");
  filter();
}

function filter() {
  const wanted = $("config-filter").value.trim().toLowerCase().replaceAll("_", "-");
  for (const line of $("config-list").tBodies[0].rows) {
    line.hidden = !line.textContent.toLowerCase().replaceAll("_", "-").includes(wanted);
  }
}

// ---- the loop

// A section is asked for while it can be seen.
const sections = [
  { id: "slabs", path: "api/slabs", show: showSlabs, every: 2 },
  { id: "keys", path: "api/hotkeys", show: showHot, every: 3 },
  { id: "keys", path: "api/bigkeys", show: showBig, every: 5 },
  { id: "clients", path: "api/clients", show: showClients, every: 3 },
  { id: "slow", path: "api/slowlog", show: showSlow, every: 3 },
  { id: "config", path: "api/config", show: showConfig, every: 10 },
];
const seen = new Set();
let ticks = 0;

async function tick() {
  if (document.hidden) return;
  try {
    showOverview(await ask("api/overview"));
    for (const section of sections) {
      section.due = (section.due ?? 0) - 1;
      if (seen.has(section.id) && section.due <= 0) {
        section.due = section.every;
        section.show(await ask(section.path));
      }
    }
    say(true, "live");
  } catch (error) {
    say(false, error instanceof TypeError ? "the server does not answer" : error.message);
  }
  ticks += 1;
  document.documentElement.dataset.ticks = ticks;
}

async function run() {
  const began = performance.now();
  await tick();
  setTimeout(run, Math.max(100, 1000 - (performance.now() - began)));
}

readColours();
makePlots();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  Object.values(plots).forEach((plot) => plot.draw());
});
window.addEventListener("resize", () => Object.values(plots).forEach((plot) => plot.draw()));
$("config-filter").addEventListener("input", filter);
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      seen.add(entry.target.id);
      sections.filter((section) => section.id === entry.target.id).forEach((section) => { section.due = 0; });
    } else {
      seen.delete(entry.target.id);
    }
  }
}, { rootMargin: "300px" });
for (const id of new Set(sections.map((section) => section.id))) watcher.observe($(id));
run();
