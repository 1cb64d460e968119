// Chapter 10: where each block's time goes, and how late the avatar is, under jitter, stalls and loss.
// Everything is computed here, so the figure is the same with and without a kernel.

const SECONDS = 20, STALL_AT = 8, FRAME = 40, READ = 15, TRAVEL = 20;
const STAGES = ["read", "wait for the block", "compute", "travel", "wait to be shown"];
const COLOURS = ["#4e79a7", "#bab0ac", "#f28e2b", "#76b7b2", "#e15759"];

// A small generator of its own: the same settings give the same picture.
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

// When each picture of the camera has been read: queue, or newest wins.
function readings(s, rng) {
  const arrivals = [];
  for (let t = 0; t < SECONDS * 1000; t += FRAME) {
    if (rng() < s.loss) continue;
    arrivals.push({ captured: t, at: t + TRAVEL + s.jitter * rng() });
  }
  arrivals.sort((a, b) => a.at - b.at);
  const done = [];
  let free = 0, i = 0;
  while (i < arrivals.length) {
    let begin = Math.max(free, arrivals[i].at);
    if (s.newest) while (i + 1 < arrivals.length && arrivals[i + 1].at <= begin) i += 1;
    begin = Math.max(free, arrivals[i].at);
    free = begin + s.read;
    done.push({ captured: arrivals[i].captured, at: free });
    i += 1;
  }
  return done;
}

function simulate(s) {
  const rng = random(7), read = readings(s, rng), end = STALL_AT * 1000 + s.stall;
  const stalled = (t) => t >= STALL_AT * 1000 && t < end;
  const awake = (t) => (stalled(t) ? end : t);
  const target = 60 + s.jitter;
  const blocks = [];
  let asked = 0, free = 0, playedUntil = 0, lastArrival = 0, newest = 0;
  for (let k = 0; ; k += 1) {
    // push: the kernel's own clock; pull: the page asks when little is left to play.
    const want = s.pull ? awake(Math.max(asked, playedUntil - target - s.compute - 2 * TRAVEL)) : (k + 1) * s.block;
    const heard = s.pull ? want + TRAVEL + s.jitter * rng() : want;
    const begin = Math.max(free, heard);
    if (begin > SECONDS * 1000) break;
    free = begin + s.compute;
    while (newest + 1 < read.length && read[newest + 1].at <= begin) newest += 1;
    const seen = read[newest] && read[newest].at <= begin ? read[newest] : { captured: 0, at: 0 };
    let arrival = free + TRAVEL + s.jitter * rng();
    arrival = awake(Math.max(arrival, lastArrival));
    lastArrival = arrival;
    let shown = Math.max(arrival, playedUntil);
    if (stalled(shown)) shown = end;
    // a page that stands still in the middle of a block shows the rest of it afterwards
    playedUntil = shown + s.block;
    if (shown < STALL_AT * 1000 && playedUntil > STALL_AT * 1000) playedUntil += s.stall;
    asked = shown;
    blocks.push({ captured: seen.captured, read: seen.at, begin, done: free, arrival, shown });
    if (shown > SECONDS * 1000) break;
  }
  return blocks.filter((b) => b.captured > 0);
}

const median = (list) => (list.length ? [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] : NaN);

function colours(el) {
  const style = getComputedStyle(el);
  const pick = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  return { text: pick("--jp-ui-font-color1", style.color || "#222"), line: pick("--jp-border-color2", "#9994") };
}

function canvasOf(parent, height, label) {
  const canvas = document.createElement("canvas");
  canvas.style.cssText = `width:100%;height:${height}px;display:block`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  parent.append(canvas);
  return canvas;
}

function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
  const width = box.width || 640, height = box.height || 160;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  c.clearRect(0, 0, width, height);
  c.font = "11px system-ui, sans-serif";
  return { c, width, height };
}

function drawWaterfall(canvas, blocks, ink) {
  const { c, width, height } = prepare(canvas), left = 64, right = 12, top = 6, bottom = 18;
  const from = blocks.findIndex((b) => b.shown > (STALL_AT - 0.9) * 1000);
  const rows = blocks.slice(Math.max(0, from), Math.max(0, from) + 12);
  if (!rows.length) return;
  const begin = Math.min(...rows.map((b) => b.captured)), end = Math.max(...rows.map((b) => b.shown)) + 60;
  const x = (t) => left + ((t - begin) / (end - begin)) * (width - left - right);
  const step = (height - top - bottom) / 12;
  rows.forEach((b, i) => {
    const y = top + i * step, marks = [b.captured, b.read, b.begin, b.done, b.arrival, b.shown];
    STAGES.forEach((_, k) => {
      c.fillStyle = COLOURS[k];
      c.fillRect(x(marks[k]), y + 1, Math.max(0, x(marks[k + 1]) - x(marks[k])), step - 3);
    });
    c.fillStyle = ink.text;
    c.fillText(`${Math.round(b.shown - b.captured)} ms`, 6, y + step - 4);
  });
  c.fillStyle = ink.text;
  const round = Math.max(0.25, Math.round((end - begin) / 1000 / 6 / 0.25) * 0.25);
  for (let t = Math.ceil(begin / 1000 / round) * round; t * 1000 < end; t += round) {
    c.fillText(`${t.toFixed(2)} s`, x(t * 1000) - 12, height - 4);
  }
}

function drawDelay(canvas, blocks, s, ink) {
  const { c, width, height } = prepare(canvas), left = 64, right = 12, top = 8, bottom = 18;
  const late = blocks.map((b) => b.shown - b.captured), highest = Math.max(600, ...late) * 1.08;
  const x = (ms) => left + (ms / (SECONDS * 1000)) * (width - left - right);
  const y = (ms) => height - bottom - (ms / highest) * (height - top - bottom);
  c.fillStyle = "rgba(225,87,89,.18)";
  c.fillRect(x(STALL_AT * 1000), top, x(STALL_AT * 1000 + s.stall) - x(STALL_AT * 1000), height - top - bottom);
  c.strokeStyle = ink.line;
  c.fillStyle = ink.text;
  for (const level of [0, 0.5, 1].map((f) => Math.round((f * highest) / 1.08 / 100) * 100)) {
    c.beginPath(); c.moveTo(left, y(level)); c.lineTo(width - right, y(level)); c.stroke();
    c.fillText(`${level} ms`, 6, y(level) + 4);
  }
  for (let t = 0; t <= SECONDS; t += 5) c.fillText(`${t} s`, Math.min(x(t * 1000) - 8, width - 26), height - 4);
  c.strokeStyle = "#e15759";
  c.lineWidth = 2;
  c.beginPath();
  blocks.forEach((b, i) => c[i ? "lineTo" : "moveTo"](x(Math.min(b.shown, SECONDS * 1000)), y(late[i])));
  c.stroke();
}

export function render({ model, el }) {
  const s = {
    block: model.get("block_ms") || 200, compute: Math.round(model.get("compute_ms") || 40), read: READ,
    stall: 2000, jitter: 30, loss: 0, newest: true, pull: false,
  };
  const root = document.createElement("div");
  root.style.cssText = "max-width:760px;font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit)";
  el.append(root);
  const controls = document.createElement("div");
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;margin:4px 0 8px";
  root.append(controls);

  const slider = (label, key, max, step, unit, scale = 1) => {
    const box = document.createElement("label"), input = document.createElement("input"), out = document.createElement("span");
    box.style.cssText = "display:flex;align-items:center;gap:6px";
    Object.assign(input, { type: "range", min: 0, max, step, value: s[key] * scale });
    input.style.width = "104px";
    out.style.cssText = "min-width:52px;font-variant-numeric:tabular-nums";
    const show = () => { out.textContent = `${Math.round(s[key] * scale)} ${unit}`; };
    input.addEventListener("input", () => { s[key] = Number(input.value) / scale; show(); update(); });
    show();
    box.append(label, input, out);
    controls.append(box);
  };
  const choice = (label, key, names) => {
    const box = document.createElement("label"), select = document.createElement("select");
    box.style.cssText = "display:flex;align-items:center;gap:6px";
    names.forEach((name, i) => select.append(new Option(name, i)));
    select.value = s[key] ? 1 : 0;
    select.addEventListener("change", () => { s[key] = select.value === "1"; update(); });
    box.append(label, select);
    controls.append(box);
  };
  choice("blocks are", "pull", ["pushed", "pulled"]);
  choice("pictures", "newest", ["queue up", "newest wins"]);
  slider("stall", "stall", 3000, 100, "ms");
  slider("jitter", "jitter", 200, 10, "ms");
  slider("loss", "loss", 60, 5, "%", 100);
  slider("reading a picture", "read", 60, 1, "ms");
  slider("computing a block", "compute", 260, 5, "ms");

  const legend = document.createElement("div");
  legend.style.cssText = "display:flex;flex-wrap:wrap;gap:2px 14px;font-size:11px;margin-bottom:2px";
  STAGES.forEach((name, k) => {
    const item = document.createElement("span"), dot = document.createElement("span");
    dot.style.cssText = `display:inline-block;width:9px;height:9px;background:${COLOURS[k]};margin-right:5px`;
    item.append(dot, name);
    legend.append(item);
  });
  root.append(legend);
  const waterfall = canvasOf(root, 190, "Where the time of twelve blocks around the stall goes");
  const delay = canvasOf(root, 150, "How late the avatar is, over twenty seconds");
  const verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  verdict.style.cssText = "margin:6px 0 0";
  root.append(verdict);

  function update() {
    const blocks = simulate(s), ink = colours(root);
    drawWaterfall(waterfall, blocks, ink);
    drawDelay(delay, blocks, s, ink);
    const late = (from, to) => median(blocks.filter((b) => b.shown > from * 1000 && b.shown < to * 1000).map((b) => b.shown - b.captured));
    const before = late(3, STALL_AT), after = late(SECONDS - 4, SECONDS);
    const grows = after > before + 150;
    verdict.textContent = `Late by ${Math.round(before)} ms before the stall, by ${Math.round(after)} ms at the end` +
      (grows ? ": what was lost stays lost." : ": it is back in the present.");
  }
  const observer = new ResizeObserver(update);
  observer.observe(root);
  update();
  return () => observer.disconnect();
}
export default { render };
