// Chapter 07: what the cache holds while a stream goes on, block by block, and what a step costs with and without it.

const KEPT = "#4e79a7", AGAIN = "#f28e2b", MADE = "#e15759", GONE = "rgba(128,128,128,.28)", EMPTY = "rgba(128,128,128,.12)";
const BARS = [["whole", "whole past read again", "rgba(128,128,128,.45)"], ["window", "last window read again", "#59a14f"], ["cached", "with the cache", KEPT]];

export function render({ model, el }) {
  const rows = model.get("rows"), B = model.get("block"), C = model.get("context"), l = model.get("lookahead");
  const n = rows.length, s = { b: Math.min(n - 1, Math.floor((C + l) / B) + 1), absolute: false, timer: null };
  const root = document.createElement("div");
  root.style.cssText = "font:13px system-ui,sans-serif;color:var(--jp-ui-font-color1,inherit);max-width:760px";
  el.append(root);
  const controls = document.createElement("div");
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:8px 18px;align-items:center;margin:4px 0 8px";
  root.append(controls);
  const play = document.createElement("button"), slider = document.createElement("input"), sliderBox = document.createElement("label");
  play.style.cssText = "min-width:72px;padding:3px 14px;border-radius:6px;border:1px solid var(--jp-border-color1,#8886);background:none;color:inherit;cursor:pointer";
  Object.assign(slider, { type: "range", min: 0, max: n - 1, step: 1 });
  slider.style.width = "170px";
  sliderBox.style.cssText = "display:flex;gap:8px;align-items:center";
  sliderBox.append("block", slider);
  const select = document.createElement("select"), selectBox = document.createElement("label");
  ["this block", "the session's start"].forEach((name, i) => select.append(new Option(name, i)));
  selectBox.append("positions count from ", select);
  controls.append(play, sliderBox, selectBox);

  const legend = (items) => {
    const line = document.createElement("div");
    line.style.cssText = "display:flex;flex-wrap:wrap;gap:2px 14px;font-size:11px;margin:2px 0";
    items.forEach(([colour, text]) => {
      const item = document.createElement("span"), dot = document.createElement("span");
      dot.style.cssText = `display:inline-block;width:10px;height:10px;background:${colour};margin-right:5px`;
      item.append(dot, text);
      line.append(item);
    });
    root.append(line);
  };
  const board = (height) => {
    const canvas = document.createElement("canvas");
    canvas.style.cssText = `width:100%;height:${height}px;display:block`;
    canvas.setAttribute("role", "img");
    root.append(canvas);
    return canvas;
  };
  legend([[KEPT, "in the cache"], [AGAIN, "read again"], [MADE, "being made"], [GONE, "forgotten"]]);
  const STRIP = 78, ROW = Math.max(8, Math.min(13, Math.floor(300 / n))), TOP = 18, FOOT = 18;
  const strip = board(STRIP), map = board(TOP + n * ROW + FOOT);
  map.tabIndex = 0;
  map.style.cursor = "pointer";
  legend(BARS.map(([, text, colour]) => [colour, text]));
  const verdict = document.createElement("p");
  verdict.setAttribute("aria-live", "polite");
  verdict.style.cssText = "margin:6px 0 0;min-height:3.2em";
  root.append(verdict);

  const pen = (canvas) => {
    const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    const width = box.width || 640, height = box.height || 200, c = canvas.getContext("2d");
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    c.scale(ratio, ratio);
    c.clearRect(0, 0, width, height);
    c.font = "11px system-ui,sans-serif";
    c.fillStyle = getComputedStyle(root).color;
    return { c, width, ink: c.fillStyle };
  };
  const bracket = (c, from, to, y, text, ink, right) => {
    c.strokeStyle = c.fillStyle = ink;
    c.lineWidth = 1.5;
    c.beginPath(); c.moveTo(from, y + 5); c.lineTo(from, y); c.lineTo(to, y); c.lineTo(to, y + 5); c.stroke();
    c.textAlign = right ? "right" : "left";
    c.fillText(text, right ? to : from, y - 4);
    c.textAlign = "left";
  };

  // What the network sees in this block, slot by slot: the cache, the frames read again, the block itself.
  function drawStrip() {
    const { c, width, ink } = pen(strip), r = rows[s.b], cell = (width - 2) / (C + l + B), y = 24, high = 26;
    const first = r.start - l - C;
    for (let i = 0; i < C + l + B; i += 1) {
      const frame = first + i, here = i < C ? frame >= r.start - r.again - r.held && frame < r.start - r.again : frame >= r.start - r.again;
      c.fillStyle = !here ? EMPTY : i < C ? KEPT : i < C + l ? AGAIN : MADE;
      c.fillRect(1 + i * cell + 0.5, y, cell - 1, high);
    }
    // frames sit `l` further left than they would without frames read again: in block 0 there are none
    const left = 1 + C * cell, written = r.written * cell, shift = (l - r.again) * cell;
    bracket(c, left + shift + 1, left + shift + written - 1, y - 6, width < 480 ? `writes ${r.written}` : `writes ${r.written} when done`, ink, true);
    if (r.forgotten) bracket(c, 2, r.forgotten * cell, y - 6, `forgets ${r.forgotten}`, ink, false);
    c.fillStyle = ink;
    c.textAlign = "center";
    const every = width < 480 ? 10 : 5, origin = s.absolute ? 0 : r.start;
    for (let i = 0; i < C + l + B; i += 1) {
      const frame = first + i;
      if (frame < 0 || (frame - r.start) % every !== 0) continue;
      c.fillRect(1 + (i + 0.5) * cell - 0.5, y + high + 1, 1, 4);
      c.fillText(frame - origin, 1 + Math.min(C + l + B - 1, Math.max(0.9, i + 0.5)) * cell, y + high + 16);
    }
    c.textAlign = "left";
  }

  function drawMap() {
    const { c, width, ink } = pen(map), left = 24, split = Math.round(width * 0.6), frames = n * B;
    const x = (frame) => left + (frame / frames) * (split - left - 12), most = Math.max(...rows.map((r) => Math.max(r.whole, r.window, r.cached)));
    const bar = (ms) => (ms / most) * (width - split - 46);
    c.fillText("frames of the session", left, 11);
    c.fillText(width < 480 ? "ms a step" : "milliseconds of one step", split, 11);
    const part = (from, to, y, colour) => { if (to > from) { c.fillStyle = colour; c.fillRect(x(from), y + 0.5, x(to) - x(from), ROW - 1); } };
    rows.forEach((r, b) => {
      const y = TOP + b * ROW, kept = r.start - r.again;
      c.globalAlpha = b <= s.b ? 1 : 0.22;
      part(0, kept - r.held, y, GONE);
      part(kept - r.held, kept, y, KEPT);
      part(kept, r.start, y, AGAIN);
      part(r.start, r.start + B, y, MADE);
      BARS.forEach(([key, , colour], k) => { c.fillStyle = colour; c.fillRect(split, y + 0.5 + k * (ROW / 9), bar(r[key]), ROW - 1 - k * (ROW / 4.5)); });
      c.fillStyle = ink;
      if (b % 5 === 0) c.fillText(b, 2, y + ROW - 2);
      if (b === s.b) c.fillText(r.whole.toFixed(1), split + bar(Math.max(r.whole, r.window, r.cached)) + 6, y + ROW - 2);
    });
    c.globalAlpha = 1;
    c.strokeStyle = ink;
    c.lineWidth = 1.5;
    c.strokeRect(left - 2, TOP + s.b * ROW - 0.5, split - left - 8, ROW + 1);
    c.fillStyle = ink;
    const low = TOP + n * ROW + 13, every = frames > 100 && width < 480 ? 50 : 25;
    for (let f = 0; f < frames; f += every) c.fillText(f, x(f), low);
    c.fillText("0", split, low);
    c.textAlign = "right";
    c.fillText(`${most.toFixed(0)} ms`, split + bar(most) + 8, low);
    c.textAlign = "left";
  }
  function draw() {
    const r = rows[s.b], kept = r.start - r.again, span = (from, to) => (to - from === 1 ? `frame ${from}` : `frames ${from} to ${to - 1}`);
    slider.value = s.b;
    slider.setAttribute("aria-valuetext", `block ${s.b}`);
    drawStrip();
    drawMap();
    verdict.textContent = `Block ${s.b} makes ${span(r.start, r.start + B)}` +
      (r.held ? `, seeing ${span(kept - r.held, kept)} through the cache` : ", with an empty cache") +
      (r.again ? ` and reading ${span(kept, r.start)} again` : "") +
      `. When it is done it writes ${span(kept, kept + r.written)}` +
      (r.forgotten ? ` and forgets ${span(kept - r.held, kept - r.held + r.forgotten)}. ` : " and forgets nothing. ") +
      `A step takes ${r.cached.toFixed(1)} ms; ${r.window.toFixed(1)} if the last window is read again, ${r.whole.toFixed(1)} with the whole past.`;
    map.setAttribute("aria-label", verdict.textContent);
    strip.setAttribute("aria-label", `Slots of the network in block ${s.b}`);
  }
  function run(on) {
    clearInterval(s.timer);
    s.timer = on ? setInterval(() => { s.b = (s.b + 1) % n; draw(); }, 700) : null;
    play.textContent = on ? "pause" : "play";
  }
  const go = (b) => { run(false); s.b = Math.max(0, Math.min(n - 1, b)); draw(); };
  play.addEventListener("click", () => run(s.timer === null));
  slider.addEventListener("input", () => go(Number(slider.value)));
  select.addEventListener("change", () => { s.absolute = select.value === "1"; draw(); });
  map.addEventListener("click", (event) => go(Math.floor((event.clientY - map.getBoundingClientRect().top - TOP) / ROW)));
  map.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    go(s.b + step);
  });
  const observer = new ResizeObserver(draw);
  observer.observe(root);
  draw();
  run(false);
  return () => { run(false); observer.disconnect(); };
}
export default { render };
